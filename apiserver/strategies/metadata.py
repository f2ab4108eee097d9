"""What must hold of the metadata of every object.

Source: kubernetes.io/docs/concepts/overview/working-with-objects, and the rules of meta/v1 ObjectMeta.
"""

from functools import lru_cache
from typing import Any, Final

from apiserver.strategy import Strategy
from kube import names
from kube.api.meta_v1 import ObjectMeta, OwnerReference
from kube.errors import FieldError, forbidden_field, immutable, invalid, required, too_long

from .checks import Errors, fits, labels, named, problems

ANNOTATIONS_MAX_BYTES: Final = 256 * 1024
_KEYS_MAX: Final = 512
FINALIZERS_OF_THE_API: Final = ("foregroundDeletion", "orphan", "kubernetes")


def validate_metadata(meta: ObjectMeta, strategy: Strategy[Any]) -> list[FieldError]:
    """Return all that is wrong with the metadata of an object that is about to be stored."""
    return list(metadata_errors(meta, strategy))


def validate_metadata_update(new: ObjectMeta, old: ObjectMeta) -> list[FieldError]:
    """Return what an update changes of the metadata that can't change in an object's life."""
    return list(metadata_update_errors(new, old))


def metadata_errors(meta: ObjectMeta, strategy: Strategy[Any], path: str = "metadata") -> Errors:
    """Check the metadata of an object by the rules of its kind."""
    if meta.generate_name:
        for problem in strategy.check_name(f"{meta.generate_name}a"):
            yield invalid(f"{path}.generateName", meta.generate_name, problem)
    if not meta.name:
        yield required(f"{path}.name", "name or generateName is required")
    else:
        for problem in strategy.check_name(meta.name):
            yield invalid(f"{path}.name", meta.name, problem)
    if strategy.kind.namespaced:
        yield from named(f"{path}.namespace", meta.namespace, names.check_dns_label)
    elif meta.namespace:
        yield forbidden_field(f"{path}.namespace", "not allowed on this type")
    if meta.generation < 0:
        yield invalid(f"{path}.generation", meta.generation, "must be greater than or equal to 0")
    yield from _annexed_errors(meta, path)


def _annexed_errors(meta: ObjectMeta, path: str) -> Errors:
    if meta.labels:
        yield from labels(f"{path}.labels", meta.labels)
    if meta.annotations:
        yield from annotation_errors(meta, f"{path}.annotations")
    if meta.owner_references:
        yield from owner_errors(meta.owner_references, f"{path}.ownerReferences")
    for index, finalizer in enumerate(meta.finalizers):
        yield from fits(f"{path}.finalizers", finalizer, names.check_label_key)
        yield from known_finalizer(finalizer, f"{path}.finalizers[{index}]")


def template_metadata_errors(meta: ObjectMeta, path: str) -> Errors:
    """Check the part of a pod template's metadata that its pods inherit."""
    if meta.labels:
        yield from labels(f"{path}.labels", meta.labels)
    if meta.annotations:
        yield from annotation_errors(meta, f"{path}.annotations")


def annotation_errors(meta: ObjectMeta, path: str) -> Errors:
    """Check the keys of annotations, and that all of them together are not too big."""
    keys = tuple(meta.annotations)
    for key, problem in _key_problems(keys):
        yield invalid(path, key, problem)
    texts = (*keys, *meta.annotations.values())
    may_be_long = len("".join(texts)) > ANNOTATIONS_MAX_BYTES // 4  # No letter has more than four bytes.
    if may_be_long and sum(len(text.encode()) for text in texts) > ANNOTATIONS_MAX_BYTES:
        yield too_long(path, ANNOTATIONS_MAX_BYTES)


@lru_cache(maxsize=_KEYS_MAX)
def _key_problems(keys: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the keys of annotations that are wrong, with what is; most objects have theirs in common with others."""
    return tuple([(key, problem) for key in keys for problem in problems(_check_annotation_key, key)])


def _check_annotation_key(key: str) -> list[str]:
    return names.check_label_key(key.lower())


def owner_errors(owners: tuple[OwnerReference, ...], path: str) -> Errors:
    """Check the references to owners; at most one of them manages the object."""
    managing = ""
    for owner in owners:
        if owner.api_version.count("/") > 1 or not owner.api_version.rpartition("/")[2]:
            yield invalid(f"{path}.apiVersion", owner.api_version, "version must not be empty")
        for field, value in (("kind", owner.kind), ("name", owner.name), ("uid", owner.uid)):
            if not value:
                yield invalid(f"{path}.{field}", value, "must not be empty")
        if owner.api_version == "v1" and owner.kind == "Event":
            yield invalid(path, "/v1, Kind=Event", "/v1, Kind=Event is disallowed from being an owner")
        if owner.controller:
            if managing:
                found = f'Found "true" in references for {managing} and {_told(owner)}'
                yield invalid(path, owners, f"Only one reference can have Controller set to true. {found}")
                return
            managing = _told(owner)


def _told(owner: OwnerReference) -> str:
    return f"{owner.kind}/{owner.name}"


def finalizer_errors(finalizer: str, path: str) -> Errors:
    """Check the name of a finalizer: qualified by a domain, or one of the API's own."""
    yield from fits(path, finalizer, names.check_label_key)
    yield from known_finalizer(finalizer, path)


def known_finalizer(finalizer: str, path: str) -> Errors:
    """Check that a finalizer without a domain is one of the API's own."""
    if "/" not in finalizer and finalizer not in FINALIZERS_OF_THE_API:
        detail = "name is neither a standard finalizer name nor is it fully qualified"
        yield invalid(path, finalizer, detail)


def metadata_update_errors(new: ObjectMeta, old: ObjectMeta, path: str = "metadata") -> Errors:
    """Check that an update leaves alone what can't change in an object's life."""
    for field, wire in _FIXED.items():
        value = getattr(new, field)
        if value != getattr(old, field):
            yield immutable(f"{path}.{wire}", value)
    if old.deletion_timestamp is not None:
        added = sorted(set(new.finalizers) - set(old.finalizers))
        if added:
            shown = ", ".join(f'"{name}"' for name in added)
            detail = "no new finalizers can be added if the object is being deleted, found new finalizers "
            yield forbidden_field(f"{path}.finalizers", f"{detail}[]string{{{shown}}}")


_FIXED: Final = {
    "name": "name",
    "namespace": "namespace",
    "uid": "uid",
    "creation_timestamp": "creationTimestamp",
    "deletion_timestamp": "deletionTimestamp",
    "deletion_grace_period_seconds": "deletionGracePeriodSeconds",
}
