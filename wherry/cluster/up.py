"""Start a cluster on this machine: the server, its nodes, a kubeconfig; ready when every node is.

observe (what runs, what is free) -> refuse with a sentence, or start what is missing.
"""

import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from kube.config import Access, save_kubeconfig
from kube.errors import ApiError
from kube.files import write_private
from kube.times import parse_time
from nodeagent.machine import address_towards
from nodeagent.network.hosts import Host, create_host, lead_to_pods
from nodeagent.network.routes import NodeRoute
from wherry.cluster.layout import Layout
from wherry.cluster.nodes import machine_name
from wherry.cluster.processes import Record, find, last_words, spawn
from wherry.cluster.shape import Shape, free_node_port, free_slot, load_shape, save_shape, taken_slots
from wherry.cluster.storage import ensure_default_class
from wherry.commands.doctor import examine, obstacles
from wherry.connection import Connection, Json, Unreachable
from wherry.targets import UsageError
from wherry.tokens import make_token

START_TIMEOUT_S: Final = 30.0
READY_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.02
MAX_NODES: Final = 50
TOKEN_LIFETIME_S: Final = 3600.0
DEFAULT_PORT: Final = 6443
OUTSIDE: Final = "192.0.2.1"
"""An address of nobody (RFC 5737), to find by which of its own this machine would leave."""


@dataclass(frozen=True)
class Wish:
    """What `up` was asked for; None is as it was the last time, else one node, the embedded store, port 6443.

    cri: the socket of another runtime than the built-in one, for a cluster of one node.
    """

    name: str
    nodes: int | None = None
    store: str | None = None
    port: int | None = None
    cri: str | None = None


@dataclass(frozen=True)
class Place:
    """Where a node runs: on the machine itself, or on a host of its own. server: the server's address from there."""

    node: str
    server: str
    host: Host | None = None


def bring_up(wish: Wish, say: Callable[[str], None]) -> Layout:
    """Start what doesn't run of the cluster and return where it lives. Raises UsageError where it can't be."""
    layout = Layout(wish.name)
    _refuse_here()
    shape = settle(wish, load_shape(layout), taken_slots(layout), free_node_port())
    server = find(layout.run, "server")
    _refuse_now(layout, shape, server)
    began, began_at = time.monotonic(), datetime.now(UTC)
    layout.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    save_shape(layout, shape)
    places = _places(layout, shape)
    server = server or _start_server(layout, shape, places[0].server)
    token_file = layout.run / "token"
    token_file.unlink(missing_ok=True)
    agents = {place.node: _agent(layout, shape, place, token_file) for place in places}
    connection = _wait_for_server(layout, server, shape.port)
    say(f"server ready after {time.monotonic() - began:.1f} s at {connection.access.server}")
    write_private(token_file, make_token(connection, TOKEN_LIFETIME_S))
    ensure_default_class(connection)
    nodes = _wait_for_nodes(layout, connection, agents, began_at)
    routes = [
        NodeRoute(place.node, place.host.address, IPv4Network(nodes[place.node]["spec"]["podCIDR"]))
        for place in places
        if place.host is not None
    ]
    if routes:
        lead_to_pods(layout.name, routes)
    names = ", ".join(agents)
    say(f"{len(agents)} node{'s' if len(agents) > 1 else ''} ready after {time.monotonic() - began:.1f} s: {names}")
    return layout


def settle(wish: Wish, before: Shape | None, taken: set[int], node_port: int) -> Shape:
    """Return the cluster's shape: as it was, or as it is wished. Raises UsageError where the two contradict."""
    if wish.nodes is not None and not 1 <= wish.nodes <= MAX_NODES:
        raise UsageError(f"--nodes {wish.nodes}: a cluster on one machine has 1 to {MAX_NODES} nodes")
    if before is None:
        nodes, store, port, cri = wish.nodes or 1, wish.store or "", wish.port or DEFAULT_PORT, wish.cri or ""
        if cri and nodes > 1:
            raise UsageError(f"--cri {cri}: one runtime serves one node; use --nodes 1, or `wherry agent` per machine")
        return Shape(free_slot(taken), nodes, store, port, node_port, cri)
    settled = (
        ("--nodes", wish.nodes, before.nodes),
        ("--store", wish.store, before.store or "the embedded store"),
        ("--cri", wish.cri, before.cri or "the built-in runtime"),
    )
    for flag, wanted, found in settled:
        if wanted is not None and wanted != found:
            raise UsageError(
                f'{flag} {wanted}: cluster "{wish.name}" was made with {found}; leave the flag '
                f"out, or begin anew after `wherry down --name {wish.name} --purge`"
            )
    return replace(before, port=wish.port or before.port)


def _refuse_here() -> None:
    """Raise UsageError where this machine, or this user, can't run pods at all."""
    if os.geteuid() != 0:
        raise UsageError("up: needs root, since pods are made of namespaces and mounts; run `sudo wherry up`")
    missing = obstacles(examine())
    if missing:
        told = "; ".join(f"{finding.subject}: {finding.detail} ({finding.remedy})" for finding in missing)
        raise UsageError(f"up: this machine can't run pods: {told}")


def _refuse_now(layout: Layout, shape: Shape, server: Record | None) -> None:
    """Raise UsageError where the cluster runs already, or its port is somebody else's."""
    if server is None:
        _refuse_taken_port(shape.port)
    elif all(find(layout.run, f"agent-{node}") for node in _node_names(shape)):
        raise UsageError(
            f'up: a cluster called "{layout.name}" is running already (pid {server.pid}); use it, stop it with '
            f"`wherry down --name {layout.name}`, or choose another --name"
        )


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except (OSError, OverflowError) as error:
            raise UsageError(f"up: port {port} can't be used ({error}); choose another with --port") from error


def _places(layout: Layout, shape: Shape) -> list[Place]:
    if shape.nodes == 1:
        return [Place(machine_name(), address_towards(OUTSIDE))]
    hosts = [create_host(layout.name, index) for index in range(shape.nodes)]
    return [Place(node, str(host.gateway), host) for node, host in zip(_node_names(shape), hosts, strict=True)]


def _node_names(shape: Shape) -> list[str]:
    return [machine_name()] if shape.nodes == 1 else [f"node-{number}" for number in range(1, shape.nodes + 1)]


def _ranges(shape: Shape) -> list[str]:
    return ["--cluster-cidr", shape.cluster_cidr, "--service-cidr", shape.service_cidr, "--development"]


def _start_server(layout: Layout, shape: Shape, advertised: str) -> Record:
    argv = [
        *(sys.executable, "-m", "wherry", "server", "--cluster", layout.name, "--port", str(shape.port)),
        *("--advertise-address", advertised),
        *(("--store", shape.store) if shape.store else ()),
        *_ranges(shape),
    ]
    return spawn(layout.run, "server", argv, layout.logs / "server.log")


def _wait_for_server(layout: Layout, server: Record, port: int) -> Connection:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        if not server.is_running:
            raise UsageError(f"up: the server ended at once:\n{last_words(Path(server.log))}")
        access = _access(layout, port)
        if access is not None and _is_ready(Connection(access)):
            save_kubeconfig(layout.kubeconfig, access, name=f"wherry-{layout.name}")
            return Connection(access)
        time.sleep(POLL_S)
    raise UsageError(f"up: the server isn't ready after {START_TIMEOUT_S:g} s; see {server.log}; {_goes_on(layout)}")


def _goes_on(layout: Layout) -> str:
    name = f" --name {layout.name}"
    return f"it goes on starting: `wherry up{name}` waits for it again, `wherry down{name}` stops it"


def _access(layout: Layout, port: int) -> Access | None:
    """Return the administrator's access once the server has made its keys."""
    files = [layout.pki / name for name in ("ca.crt", "admin.crt", "admin.key")]
    if not all(file.exists() for file in files):
        return None
    authority, certificate, key = (file.read_text() for file in files)
    return Access(f"https://127.0.0.1:{port}", authority, certificate, key)


def _is_ready(connection: Connection) -> bool:
    try:
        return connection.request("GET", "/readyz").body == b"ok"
    except (Unreachable, ApiError):
        return False
    finally:
        connection.close()


def _agent(layout: Layout, shape: Shape, place: Place, token_file: Path) -> Record:
    """Return the node's agent, started unless it runs. It gets ready while the server does, and waits for its token."""
    running = find(layout.run, f"agent-{place.node}")
    if running is not None:
        return running
    argv = [
        *(sys.executable, "-m", "wherry", "agent", "--cluster", layout.name, "--node-name", place.node),
        *(
            "--server",
            f"https://{place.server}:{shape.port}",
            "--token-file",
            str(token_file),
            "--port",
            str(shape.node_port),
        ),
        *_ranges(shape),
    ]
    if shape.cri:
        argv += ["--cri", shape.cri]
    if place.host is not None:
        argv += ["--netns", place.host.netns_path, "--node-address", str(place.host.address)]
    return spawn(layout.run, f"agent-{place.node}", argv, layout.logs / f"agent-{place.node}.log")


def _wait_for_nodes(
    layout: Layout, connection: Connection, agents: dict[str, Record], since: datetime
) -> dict[str, Json]:
    """Return the nodes, once every one is Ready and has given a sign of life after `since`."""
    until = time.monotonic() + READY_TIMEOUT_S
    while True:
        nodes = {node["metadata"]["name"]: node for node in connection.get("/api/v1/nodes")["items"]}
        alive = _alive(connection, since)
        waiting = [name for name in agents if name not in alive or not _node_is_ready(nodes.get(name))]
        if not waiting:
            return nodes
        for name in waiting:
            if not agents[name].is_running:
                raise UsageError(f"up: node {name} ended:\n{last_words(Path(agents[name].log))}")
        if time.monotonic() > until:
            why = "; ".join(f"{name}: {_unready_reason(nodes.get(name))}" for name in waiting)
            told = f"up: not ready after {READY_TIMEOUT_S:g} s: {why}; see {layout.logs}"
            raise UsageError(f"{told}; {_goes_on(layout)}")
        time.sleep(POLL_S)


def _alive(connection: Connection, since: datetime) -> set[str]:
    """Return the nodes that have renewed their leases after `since`; what the store says of others is old."""
    leases = connection.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")["items"]
    renewed = {lease["metadata"]["name"]: lease["spec"].get("renewTime") for lease in leases}
    return {name for name, moment in renewed.items() if moment and parse_time(moment) > since}


def _ready_condition(node: Json | None) -> Json:
    conditions = ((node or {}).get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == "Ready"), {})


def _node_is_ready(node: Json | None) -> bool:
    return _ready_condition(node).get("status") == "True"


def _unready_reason(node: Json | None) -> str:
    if node is None:
        return "has not registered"
    return str(_ready_condition(node).get("message") or "has not reported")
