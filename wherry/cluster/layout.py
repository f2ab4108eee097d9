"""Where a cluster keeps its things on this machine.

State in /var/lib/wherry/NAME survives a restart of the machine; sockets, pids and pins in /run/wherry/NAME do not.
Images are shared by all clusters.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_CLUSTER: Final = "wherry"
STATE_ROOT: Final = Path("/var/lib/wherry")
RUN_ROOT: Final = Path("/run/wherry")
_NAME: Final = re.compile(r"[a-z]([a-z0-9-]{0,13}[a-z0-9])?")


@dataclass(frozen=True)
class Layout:
    """The paths of the cluster called `name`."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name == "images":
            raise ValueError(
                f'cluster name: "{self.name}" can\'t be one; use 1 to 15 small letters, digits and hyphens, '
                "beginning with a letter"
            )

    @property
    def state(self) -> Path:
        """What survives: the store, keys, pod volumes, logs."""
        return STATE_ROOT / self.name

    @property
    def run(self) -> Path:
        """What doesn't: sockets, process records, namespace pins."""
        return RUN_ROOT / self.name

    @property
    def images(self) -> Path:
        """The image store, one for the machine."""
        return STATE_ROOT / "images"

    @property
    def pki(self) -> Path:
        """The cluster's authority and the server's keys."""
        return self.state / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def database(self) -> Path:
        """The embedded store."""
        return self.state / "store.db"

    @property
    def logs(self) -> Path:
        """What the cluster's own processes print."""
        return self.state / "logs"

    def node_state(self, node: str) -> Path:
        """What a node keeps."""
        return self.state / "nodes" / node

    def node_run(self, node: str) -> Path:
        """A node's sockets and pins."""
        return self.run / "nodes" / node

    @staticmethod
    def all() -> "list[Layout]":
        """Return the clusters that have state on this machine."""
        if not STATE_ROOT.is_dir():
            return []
        names = sorted(path.name for path in STATE_ROOT.iterdir() if path.is_dir() and path.name != "images")
        return [Layout(name) for name in names if _NAME.fullmatch(name)]
