"""How far each ReplicaSet of a Deployment may grow or shrink now.

Plain arithmetic: never more pods than replicas + maxSurge, never fewer available ones than replicas - maxUnavailable.
Source: kubernetes.io/docs/concepts/workloads/controllers/deployment (rolling update, proportional scaling).
"""

import math
from collections.abc import Sequence
from typing import Final

from kube.api.apps_v1 import Deployment, ReplicaSet
from kube.api.scalars import IntOrString

REVISION: Final = "deployment.kubernetes.io/revision"
REVISION_HISTORY: Final = "deployment.kubernetes.io/revision-history"
DESIRED: Final = "deployment.kubernetes.io/desired-replicas"
MAXIMUM: Final = "deployment.kubernetes.io/max-replicas"
USUAL_SHARE: Final = "25%"

Sizes = dict[str, int]
"""ReplicaSet name to the number of pods that it shall ask for; those that are not named keep theirs."""


def replicas_of(owner: Deployment | ReplicaSet) -> int:
    """Return how many pods are asked for."""
    return 1 if owner.spec.replicas is None else owner.spec.replicas


def is_rolling(deployment: Deployment) -> bool:
    """Say whether pods are replaced one after another, not all at once."""
    return deployment.spec.strategy.type != "Recreate"


def limits(deployment: Deployment) -> tuple[int, int]:
    """Return how many pods there may be in excess, and how many may be missing. Both 0 would never end: (0, 1)."""
    if not is_rolling(deployment):
        return 0, 0
    replicas = replicas_of(deployment)
    rolling = deployment.spec.strategy.rolling_update
    most, least = (rolling.max_surge, rolling.max_unavailable) if rolling else (None, None)
    surge = share_of(USUAL_SHARE if most is None else most, replicas, up=True)
    missing = share_of(USUAL_SHARE if least is None else least, replicas, up=False)
    if surge == 0 and missing == 0:
        missing = 1
    return surge, min(missing, replicas)


def share_of(value: IntOrString, total: int, *, up: bool) -> int:
    """Return a number, or a percentage of `total`, rounded up or down."""
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * total
    return -(-share // 100) if up else share // 100


def max_replicas(deployment: Deployment) -> int:
    """Return how many pods there may be at once."""
    return replicas_of(deployment) + limits(deployment)[0]


def new_size(deployment: Deployment, new: ReplicaSet | None, total: int) -> int:
    """Return the size of the new ReplicaSet. new: None before it exists. total: what all ReplicaSets ask for now."""
    wanted = replicas_of(deployment)
    size = replicas_of(new) if new else 0
    if not is_rolling(deployment) or size >= wanted:
        return wanted
    room = max_replicas(deployment) - total
    return size + max(0, min(room, wanted - size))


def shrink_old(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> Sizes:
    """Return the sizes of the old ReplicaSets that may shrink now: pods that don't run go first, then healthy ones."""
    least = replicas_of(deployment) - limits(deployment)[1]
    total = sum(map(replicas_of, (new, *old)))
    new_missing = max(0, replicas_of(new) - new.status.available_replicas)
    spare = total - least - new_missing
    if spare <= 0:
        return {}
    oldest_first = sorted(old, key=lambda item: (item.metadata.creation_timestamp or "", item.metadata.name))
    sizes = _without_unhealthy(oldest_first, spare)
    available = sum(item.status.available_replicas for item in (new, *old))
    left = available - least
    for item in oldest_first:
        size = sizes.get(item.metadata.name, replicas_of(item))
        step = min(size, left)
        if step > 0:
            sizes[item.metadata.name] = size - step
            left -= step
    return sizes


def _without_unhealthy(old: Sequence[ReplicaSet], spare: int) -> Sizes:
    sizes: Sizes = {}
    for item in old:
        step = min(spare, replicas_of(item) - item.status.available_replicas)
        if step > 0:
            sizes[item.metadata.name] = replicas_of(item) - step
            spare -= step
    return sizes


def scale(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Sizes:
    """Return the sizes after the Deployment itself was scaled: shared out in proportion during a rollout."""
    everything = [item for item in (new, *old) if item is not None]
    active = [item for item in everything if replicas_of(item) > 0]
    wanted = replicas_of(deployment)
    if len(active) <= 1:
        one = active[0] if active else new or max(old, key=_age, default=None)
        return {one.metadata.name: wanted} if one and replicas_of(one) != wanted else {}
    if new is not None and is_saturated(deployment, new):
        return {item.metadata.name: 0 for item in old if replicas_of(item) > 0}
    if not is_rolling(deployment):
        return {}
    return _in_proportion(deployment, active)


def is_saturated(deployment: Deployment, item: ReplicaSet) -> bool:
    """Say whether `item` has all pods that the Deployment wants, available."""
    wanted = replicas_of(deployment)
    told = item.metadata.annotations.get(DESIRED, "")
    return replicas_of(item) == wanted and told == str(wanted) and item.status.available_replicas == wanted


def _in_proportion(deployment: Deployment, active: Sequence[ReplicaSet]) -> Sizes:
    allowed = max_replicas(deployment) if replicas_of(deployment) > 0 else 0
    change = allowed - sum(map(replicas_of, active))
    by_age = sorted(active, key=_age, reverse=change > 0)
    ordered = sorted(by_age, key=replicas_of, reverse=True)
    sizes: Sizes = {}
    added = 0
    for item in ordered:
        share = _share(deployment, item, change, added)
        sizes[item.metadata.name] = replicas_of(item) + share
        added += share
    if change:
        biggest = ordered[0].metadata.name
        sizes[biggest] = max(0, sizes[biggest] + change - added)
    return {item.metadata.name: sizes[item.metadata.name] for item in ordered}


def _share(deployment: Deployment, item: ReplicaSet, change: int, added: int) -> int:
    left = change - added
    if change == 0 or left == 0:
        return 0
    if replicas_of(deployment) == 0:
        return -replicas_of(item)
    told = item.metadata.annotations.get(MAXIMUM, "")
    before = int(told) if told.isdecimal() and int(told) > 0 else deployment.status.replicas or replicas_of(item)
    exact = replicas_of(item) * max_replicas(deployment) / before
    share = math.floor(exact + 0.5) - replicas_of(item)
    return min(share, left) if change > 0 else max(share, left)


def _age(item: ReplicaSet) -> tuple[str, str]:
    return item.metadata.creation_timestamp or "", item.metadata.name
