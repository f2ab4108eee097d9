"""What is settled about a cluster when it is first brought up, and holds until it is purged.

Several clusters may live on one machine, so each gets address ranges and a port for its nodes that no other has.
"""

import json
import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Final

from kube.files import write_private
from wherry.cluster.layout import Layout
from wherry.targets import UsageError

SLOTS: Final = 48
NODE_PORT: Final = 10250


@dataclass(frozen=True)
class Shape:
    """A cluster's size and numbers. slot: tells its address ranges from those of the machine's other clusters.

    cri: the socket of the runtime that its node uses, "" for the built-in one.
    """

    slot: int
    nodes: int
    store: str
    port: int
    node_port: int
    cri: str = ""

    @property
    def cluster_cidr(self) -> str:
        """The range of pod addresses."""
        return f"10.{244 - self.slot}.0.0/16"

    @property
    def service_cidr(self) -> str:
        """The range of Services."""
        return f"10.{96 + self.slot}.0.0/16"


def load_shape(layout: Layout) -> Shape | None:
    """Return what was settled, None for a cluster that never was."""
    path = layout.state / "shape.json"
    return Shape(**json.loads(path.read_text())) if path.exists() else None


def save_shape(layout: Layout, shape: Shape) -> None:
    """Keep what is settled."""
    write_private(layout.state / "shape.json", json.dumps(asdict(shape)))


def taken_slots(layout: Layout) -> set[int]:
    """Return the slots of the machine's other clusters."""
    shapes = (load_shape(other) for other in Layout.all() if other.name != layout.name)
    return {shape.slot for shape in shapes if shape is not None}


def free_slot(taken: Collection[int]) -> int:
    """Return the lowest slot that no cluster has. Raises UsageError where there is none."""
    for slot in range(SLOTS):
        if slot not in taken:
            return slot
    raise UsageError(
        f"up: there are {SLOTS} clusters on this machine; purge one with `wherry down --name NAME --purge`"
    )


def free_node_port() -> int:
    """Return the usual port of node agents, another free one where it is taken."""
    for port in (NODE_PORT, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise UsageError("up: no port is free for the node agent")
