"""One write: who writes where and how, and what it may say of an object's metadata.

Name and namespace are those of the URL, uid and resourceVersion those of the state that is meant; the rest of what the
system fills in is the system's alone.
Source: kubernetes.io/docs/reference/using-api/api-concepts; github.com/kubernetes/community, api-conventions.
"""

import random
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec

from apiserver.identity import User
from apiserver.strategy import Strategy
from kube.api.meta_v1 import ObjectMeta
from kube.errors import bad_request, conflict, invalid, invalid_object, stale
from kube.kinds import Kind, Resource
from kube.objects import with_metadata
from kube.times import to_time


class Write(msgspec.Struct, frozen=True):
    """Who writes where, and how. subresource: "" for the object itself; is_conditional: a conflict is the client's.

    manager: under which name the fields that change are managed, "" where that is not kept (the server's own writes).
    applies: the object comes with its managers' entries, which an application has found.
    """

    kind: Kind
    namespace: str
    name: str
    user: User
    subresource: str = ""
    dry_run: bool = False
    is_conditional: bool = True
    needs_version: bool = False
    manager: str = ""
    applies: bool = False


_BITS: Final = random.Random().getrandbits
"""Seeded by the system, which takes longer to give a number than all that is done with it."""


def new_uid() -> str:
    """Return a UUID of version 4."""
    return f"{_BITS(32):08x}-{_BITS(16):04x}-4{_BITS(12):03x}-{_BITS(14) | 0x8000:04x}-{_BITS(48):012x}"


def fresh(obj: Resource, write: Write, now: datetime) -> Resource:
    """Return an object as it is before anybody looked at it: what the system fills in is the system's alone."""
    meta = obj.metadata
    if meta.resource_version not in ("", "0"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    namespace = _namespace(meta, write)
    return with_metadata(
        obj,
        namespace=namespace,
        uid=new_uid(),
        creation_timestamp=to_time(now),
        deletion_timestamp=None,
        deletion_grace_period_seconds=None,
        self_link="",
    )


def _namespace(meta: ObjectMeta, write: Write) -> str:
    if not write.kind.namespaced:
        return ""
    if meta.namespace and meta.namespace != write.namespace:
        message = "the namespace of the provided object does not match the namespace sent on the request"
        raise bad_request(message)
    return write.namespace


def check_names(obj: Resource, write: Write) -> Resource:
    """Return an object that is named by its path with the namespace of that. Raises ApiError 400 if it has others."""
    meta = obj.metadata
    if not meta.name:
        message = f"the name of the object ({write.name} based on URL) was undeterminable: name must be provided"
        raise bad_request(message)
    if meta.name != write.name:
        message = f"the name of the object ({meta.name}) does not match the name on the URL ({write.name})"
        raise bad_request(message)
    return with_metadata(obj, namespace=_namespace(meta, write))


def checked_version(new: Resource, old: Resource, write: Write, strategy: Strategy[Any]) -> Resource:
    """Return `new` if it is about the version that is stored. Raises ApiError 409 or 422."""
    asked = new.metadata.resource_version
    if not asked or asked == "0":
        if write.needs_version and not strategy.allow_unconditional_update:
            error = invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid_object(replace(write.kind, kind=write.kind.plural), write.name, (error,))
    elif asked != old.metadata.resource_version:
        raise stale(write.kind, write.name)
    if write.needs_version or write.subresource == "scale":
        check_uid(new, write, old.metadata.uid)
    return new


def check_uid(new: Resource, write: Write, found: str) -> None:
    """Return if an update is for the object that has the uid `found`. Raises ApiError 409."""
    uid = new.metadata.uid
    if uid and uid != found:
        detail = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
        raise conflict(write.kind, write.name, detail)


def with_metadata_of(new: Resource, old: Resource) -> Resource:
    """Return `new` with what it leaves out of its metadata, or can't change without harm, as in `old`."""
    kept, wanted = old.metadata, new.metadata
    grace_s = wanted.deletion_grace_period_seconds
    return with_metadata(
        new,
        uid=wanted.uid or kept.uid,
        creation_timestamp=kept.creation_timestamp,
        deletion_timestamp=kept.deletion_timestamp or wanted.deletion_timestamp,
        deletion_grace_period_seconds=kept.deletion_grace_period_seconds if grace_s is None else grace_s,
        generation=kept.generation,
        self_link="",
        managed_fields=(),
    )
