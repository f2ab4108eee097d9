"""The nodes of a cluster on this machine: what each is told, and where its things are."""

import socket
from typing import Any, Final

from msgspec.structs import replace

from nodeagent.network.network import link_prefix
from nodeagent.settings import AgentSettings, decode_settings
from wherry.cluster.credentials import Credentials
from wherry.cluster.layout import Layout
from wherry.cluster.shape import load_shape

DEVELOPMENT: Final[dict[str, Any]] = {
    "allow_host_image": True,
    "backoff_first_s": 0.5,
    "backoff_most_s": 10.0,
    "lease_s": 8,
    "lease_renew_s": 2.0,
}
"""What a node of `wherry up` does otherwise than one of a fleet: it may show the machine, and is quick to try again."""


def agent_settings(layout: Layout, node: str, **changes: Any) -> AgentSettings:
    """Return the settings of a node; `changes` are fields of AgentSettings."""
    credentials = credentials_of(layout, node)
    usual = AgentSettings(
        node_name=node,
        state_dir=layout.node_state(node),
        run_dir=layout.node_run(node),
        image_dir=layout.images,
        serving_cert=credentials.certificate("serving"),
        serving_key=credentials.key("serving"),
        client_ca=credentials.authority,
        link_prefix=link_prefix(layout.name),
        cgroup_parent=f"/wherry-{layout.name}-{node}",
    )
    return replace(usual, **changes)


def machine_name() -> str:
    """Return this machine's name as a node's."""
    return socket.gethostname().lower().rstrip(".") or "localhost"


def credentials_of(layout: Layout, node: str) -> Credentials:
    """Return where a node keeps its keys and certificates."""
    return Credentials(layout.node_state(node) / "pki")


def node_names(layout: Layout) -> list[str]:
    """Return the nodes of the cluster that have state on this machine."""
    return sorted(path.name for path in (layout.state / "nodes").glob("*") if path.is_dir())


def cri_endpoint(text: str) -> str:
    """Check how a runtime's socket is named. Raises ValueError."""
    if not text.startswith("unix:///"):
        raise ValueError("name the runtime's socket as unix:///PATH")
    return text


def found_settings(layout: Layout, node: str) -> AgentSettings:
    """Return the settings of a node that is there, with the runtime that it was made with."""
    usual = agent_settings(layout, node)
    shape = load_shape(layout)
    if shape is not None:
        return replace(usual, cri_endpoint=shape.cri)
    if usual.told_file.exists():  # A node that joined the cluster of another machine.
        return replace(usual, cri_endpoint=decode_settings(usual.told_file.read_bytes()).cri_endpoint)
    return usual
