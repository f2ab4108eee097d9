"""Who of the control plane is there: ComponentStatuses, worked out when they are asked for.

The scheduler and the controllers are there while they watch what they act on, or live in the server's own process; the
store is, while what happens in it arrives here.
Source: kubernetes.io/docs/reference/kubernetes-api/cluster-resources/component-status-v1
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from apiserver.identity import User
from apiserver.item import Item
from kube.api.core_v1 import ComponentCondition, ComponentStatus
from kube.api.meta_v1 import ObjectMeta
from kube.codec import encode
from kube.kinds import Kind

STORE: Final = "etcd-0"
COMPONENTS: Final = {
    "scheduler": "system:kube-scheduler",
    "controller-manager": "system:kube-controller-manager",
}
"""The components by the names of their statuses, with those of their users."""


class Components:
    """The components of a cluster, as one server sees them."""

    def __init__(self, store_wrong: Callable[[], str]) -> None:
        """store_wrong: returns what is wrong with the store, "" where nothing is."""
        self._store_wrong = store_wrong
        self._present: Counter[str] = Counter()

    def join(self, user: User) -> None:
        """Note that a component lives in this process, and as long as it."""
        self._present[user.name] += 1

    @contextmanager
    def watching(self, user: User) -> Iterator[None]:
        """Count a component as present for as long as the block."""
        self._present[user.name] += 1
        try:
            yield
        finally:
            self._present[user.name] -= 1
            if not self._present[user.name]:
                del self._present[user.name]

    async def items(self, kind: Kind) -> list[Item]:
        """Return the status of each component."""
        found = [_status(name, self._wrong(user)) for name, user in COMPONENTS.items()]
        found.append(_status(STORE, self._store_wrong()))
        return [Item(kind, "", each.metadata.name, 0, encode(each), each) for each in found]

    def _wrong(self, user: str) -> str:
        return "" if self._present[user] else f"{user} watches nothing: it isn't running, or can't reach this server"


def _status(name: str, wrong: str) -> ComponentStatus:
    condition = ComponentCondition(type="Healthy", status="False" if wrong else "True", message=wrong or "ok")
    return ComponentStatus(metadata=ObjectMeta(name=name), conditions=(condition,))
