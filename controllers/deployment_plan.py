"""What a Deployment's ReplicaSets should be next.

One plain function, `plan`, from a Deployment, its ReplicaSets and whether old pods still run, to the ReplicaSet to
create, those to change and those to delete. Each call is one step; what it causes to change brings the next call.
Source: kubernetes.io/docs/concepts/workloads/controllers/deployment
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from controllers.rollout import (
    DESIRED,
    MAXIMUM,
    REVISION,
    REVISION_HISTORY,
    Sizes,
    is_rolling,
    max_replicas,
    new_size,
    replicas_of,
    scale,
    shrink_old,
)
from kube.api.apps_v1 import Deployment, ReplicaSet, ReplicaSetSpec
from kube.api.core_v1 import PodTemplateSpec
from kube.api.meta_v1 import LabelSelector, ObjectMeta
from kube.codec import encode
from kube.objects import controller_reference, is_terminating, with_metadata

HASH_LABEL: Final = "pod-template-hash"
HISTORY_DEFAULT: Final = 10
_NOT_COPIED: Final = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        REVISION_HISTORY,
        DESIRED,
        MAXIMUM,
    }
)
_SAFE_DIGITS: Final = str.maketrans("0123456789", "bcdfghjklm")


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next. new: the ReplicaSet of the current template as it stands, None before it exists.

    update: changed versions of existing ReplicaSets. revision: of the current template, for the Deployment to show,
    "" while there is none.
    """

    new: ReplicaSet | None
    old: tuple[ReplicaSet, ...]
    create: ReplicaSet | None = None
    update: tuple[ReplicaSet, ...] = ()
    delete: tuple[ReplicaSet, ...] = ()
    revision: str = ""


def plan(deployment: Deployment, owned: Sequence[ReplicaSet], *, old_pods_run: bool) -> Step:
    """Return the next step. owned: its ReplicaSets, any order. old_pods_run: whether pods of old templates are left."""
    new = find_new(deployment, owned)
    old = tuple(item for item in owned if new is None or item.metadata.uid != new.metadata.uid)
    if is_terminating(deployment):
        return Step(new, old)
    revision = str(max(map(revision_of, old), default=0) + 1)
    if new is not None and revision_of(new) > int(revision):
        revision = str(revision_of(new))
    create, sizes = _sizes(deployment, new, old, old_pods_run=old_pods_run)
    fresh = _new_replicaset(deployment, revision, sizes.pop(_NEW)) if create else None
    rescaled = _is_rescaled(deployment, owned)
    wanted = [_changed(deployment, item, sizes, rescaled=rescaled) for item in old]
    if new is not None:
        wanted.append(_as_current(deployment, _changed(deployment, new, sizes, rescaled=rescaled), revision))
    update = tuple(item for item in wanted if item not in owned)
    tidy = deployment.spec.paused or (new is not None and is_complete(deployment, new, old))
    delete = surplus_history(deployment, old) if tidy else ()
    return Step(new, old, fresh, update, delete, revision if new or fresh else "")


_NEW: Final = ""
"""Stands in a plan of sizes for the ReplicaSet that is yet to be created."""


def _sizes(
    deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet], *, old_pods_run: bool
) -> tuple[bool, Sizes]:
    """Return whether the new ReplicaSet is to be created, and the sizes of all that change."""
    everything = [*old, *([new] if new else [])]
    if deployment.spec.paused or _is_rescaled(deployment, everything):
        return False, scale(deployment, new, old)
    if not is_rolling(deployment):
        active = [item for item in old if replicas_of(item) > 0]
        if active or old_pods_run:
            return False, {item.metadata.name: 0 for item in active}
    size = new_size(deployment, new, sum(map(replicas_of, everything)))
    if new is None:
        return True, {_NEW: size}
    if size != replicas_of(new):
        return False, {new.metadata.name: size}
    return False, shrink_old(deployment, new, old) if is_rolling(deployment) else {}


def _is_rescaled(deployment: Deployment, owned: Sequence[ReplicaSet]) -> bool:
    """Say whether the Deployment asks for another number of pods than when its ReplicaSets were last sized."""
    wanted = str(replicas_of(deployment))
    return any(replicas_of(item) > 0 and item.metadata.annotations.get(DESIRED, wanted) != wanted for item in owned)


def _changed(deployment: Deployment, item: ReplicaSet, sizes: Sizes, *, rescaled: bool) -> ReplicaSet:
    size = sizes.get(item.metadata.name, replicas_of(item))
    resized = size != replicas_of(item)
    if not resized and not (rescaled and size > 0):
        return item
    notes = {**item.metadata.annotations, **_size_notes(deployment)}
    if resized:
        item = replace(item, spec=replace(item.spec, replicas=size))
    return item if notes == item.metadata.annotations else with_metadata(item, annotations=notes)


def _size_notes(deployment: Deployment) -> Mapping[str, str]:
    return {DESIRED: str(replicas_of(deployment)), MAXIMUM: str(max_replicas(deployment))}


def _as_current(deployment: Deployment, item: ReplicaSet, revision: str) -> ReplicaSet:
    """Return the new ReplicaSet with what it mirrors of the Deployment: annotations, revision, minReadySeconds."""
    notes = {**item.metadata.annotations, **_copied_notes(deployment)}
    before = notes.get(REVISION, "")
    if before != revision:
        if before:
            history = [text for text in (notes.get(REVISION_HISTORY, ""), before) if text]
            notes[REVISION_HISTORY] = ",".join(history)
        notes[REVISION] = revision
    if notes != item.metadata.annotations:
        item = with_metadata(item, annotations=notes)
    if item.spec.min_ready_seconds != deployment.spec.min_ready_seconds:
        item = replace(item, spec=replace(item.spec, min_ready_seconds=deployment.spec.min_ready_seconds))
    return item


def _copied_notes(deployment: Deployment) -> Mapping[str, str]:
    return {key: value for key, value in deployment.metadata.annotations.items() if key not in _NOT_COPIED}


def _new_replicaset(deployment: Deployment, revision: str, size: int) -> ReplicaSet:
    digest = template_hash(deployment.spec.template, deployment.status.collision_count or 0)
    template = deployment.spec.template
    labels = {**template.metadata.labels, HASH_LABEL: digest}
    selector = deployment.spec.selector or LabelSelector()
    return ReplicaSet(
        metadata=ObjectMeta(
            name=f"{deployment.metadata.name}-{digest}",
            namespace=deployment.metadata.namespace,
            labels=labels,
            annotations={**_copied_notes(deployment), REVISION: revision, **_size_notes(deployment)},
            owner_references=(controller_reference(deployment),),
        ),
        spec=ReplicaSetSpec(
            replicas=size,
            min_ready_seconds=deployment.spec.min_ready_seconds,
            selector=replace(selector, match_labels={**selector.match_labels, HASH_LABEL: digest}),
            template=with_metadata(template, labels=labels),
        ),
    )


def template_hash(template: PodTemplateSpec, collisions: int) -> str:
    """Return a short name for a template, safe in labels and without words. collisions: how often it was taken."""
    digest = hashlib.blake2b(encode(template) + str(collisions or "").encode(), digest_size=4).digest()
    return str(int.from_bytes(digest, "big")).translate(_SAFE_DIGITS)


def find_new(deployment: Deployment, owned: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """Return the oldest ReplicaSet made from the Deployment's current template, None where there is none."""
    matching = [item for item in owned if same_template(deployment.spec.template, item.spec.template)]
    return min(matching, key=lambda item: (item.metadata.creation_timestamp or "", item.metadata.name), default=None)


def same_template(one: PodTemplateSpec, other: PodTemplateSpec) -> bool:
    """Say whether two templates are equal but for the label that holds their hash."""
    return one.spec == other.spec and _without_hash(one) == _without_hash(other)


def _without_hash(template: PodTemplateSpec) -> ObjectMeta:
    labels = {key: value for key, value in template.metadata.labels.items() if key != HASH_LABEL}
    return replace(template.metadata, labels=labels)


def revision_of(item: ReplicaSet | Deployment) -> int:
    """Return the revision that an object is annotated with, 0 for none."""
    text = item.metadata.annotations.get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def is_complete(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> bool:
    """Say whether all pods wanted run the current template, available, and no others are left."""
    wanted = replicas_of(deployment)
    return (
        replicas_of(new) == new.status.replicas == new.status.available_replicas == wanted
        and sum(item.status.replicas + replicas_of(item) for item in old) == 0
    )


def surplus_history(deployment: Deployment, old: Sequence[ReplicaSet]) -> tuple[ReplicaSet, ...]:
    """Return the empty old ReplicaSets beyond the revision history limit, oldest first."""
    limit = deployment.spec.revision_history_limit
    keep = HISTORY_DEFAULT if limit is None else limit
    alive = sorted((item for item in old if not is_terminating(item)), key=revision_of)
    return tuple(item for item in alive[: max(0, len(alive) - keep)] if _is_spent(item))


def _is_spent(item: ReplicaSet) -> bool:
    is_observed = item.metadata.generation <= item.status.observed_generation
    return item.status.replicas == 0 and replicas_of(item) == 0 and is_observed
