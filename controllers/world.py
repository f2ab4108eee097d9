"""What every controller is given: the API, what is known of it, the time and the settings."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from kube.client import Client, ConnectionLost
from kube.clock import Clock
from kube.errors import ApiError
from kube.informers import Informers
from kube.objects import ObjectKey
from kube.pki import Pair

CONFLICT_PAUSE_S: Final = 0.02
LOST_PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """When a node is given up. grace_s: without a sign of life before it counts as lost."""

    grace_s: float = 40.0
    startup_grace_s: float = 60.0
    pod_quarantine_s: float = 40.0


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """What can be chosen about the controllers.

    cluster_cidr: where nodes get the addresses of their pods from, a /node_mask each; "" hands out none.
    root_ca_pem: what goes into the ConfigMap kube-root-ca.crt of every namespace; "" writes none.
    finished_pods_max: how many pods that have ended are kept.
    authority: signs the certificates of nodes; None leaves their requests to others.
    """

    cluster_cidr: str = "10.244.0.0/16"
    node_mask: int = 24
    root_ca_pem: str = ""
    finished_pods_max: int = 12_500
    authority: Pair | None = None
    nodes: NodeSettings = field(default_factory=NodeSettings)


@dataclass(frozen=True, slots=True)
class World:
    """What a controller works with."""

    client: Client
    informers: Informers
    clock: Clock
    settings: ControllerSettings


def again_after_conflict(
    reconcile: Callable[[ObjectKey], Awaitable[float | None]],
) -> Callable[[ObjectKey], Awaitable[float | None]]:
    """Have a reconcile that met a conflict, a missing object or no server look again soon, with a newer reading."""

    async def turn(key: ObjectKey) -> float | None:
        try:
            return await reconcile(key)
        except ConnectionLost:
            return LOST_PAUSE_S
        except ApiError as error:
            if error.reason == "Conflict":
                return CONFLICT_PAUSE_S
            if error.code in (404, 500, 503, 504):
                return LOST_PAUSE_S
            raise

    return turn


def is_terminating_namespace(error: ApiError) -> bool:
    """Say whether a creation was refused because its namespace is going away."""
    details = error.status.details
    return details is not None and any(cause.reason == "NamespaceTerminating" for cause in details.causes)
