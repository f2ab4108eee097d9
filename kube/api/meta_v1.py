"""The types of meta/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from collections.abc import Mapping
from typing import Annotated

from kube.api.object import ListMap, ListSet, Object, always, atomic
from kube.api.scalars import NO_FIELDS, Int32, Int64, JsonObject, RawObject, Time


class APIResource(Object, frozen=True):
    """One resource served by the API, with its names, kind and verbs."""

    categories: tuple[str, ...] = ()
    group: str = ""
    kind: str = always("")
    name: str = always("")
    namespaced: bool = always(False)
    short_names: tuple[str, ...] = ()
    singular_name: str = always("")
    storage_version_hash: str = ""
    verbs: tuple[str, ...] = always(())
    version: str = ""


class APIResourceList(Object, frozen=True):
    """A list of API resources."""

    api_version: str = always("v1")
    kind: str = always("APIResourceList")
    group_version: str = always("")
    resources: tuple[APIResource, ...] = always(())


class Condition(Object, frozen=True):
    """One aspect of an object's state, with its status, reason and time."""

    last_transition_time: Time | None = always(None)
    message: str = always("")
    observed_generation: Int64 = 0
    reason: str = always("")
    status: str = always("")
    type: str = always("")


class Preconditions(Object, frozen=True):
    """The uid or version an object must have for an action to proceed."""

    resource_version: str | None = None
    uid: str | None = None


class DeleteOptions(Object, frozen=True):
    """How a deletion is to be done, with grace period and treatment of dependents."""

    api_version: str = ""
    dry_run: tuple[str, ...] = ()
    grace_period_seconds: Int64 | None = None
    ignore_store_read_error_with_cluster_breaking_potential: bool | None = None
    kind: str = ""
    orphan_dependents: bool | None = None
    preconditions: Preconditions | None = None
    propagation_policy: str | None = None


class FieldSelectorRequirement(Object, frozen=True):
    """One test on a field's value."""

    key: str = always("")
    operator: str = always("")
    values: tuple[str, ...] = ()


class LabelSelectorRequirement(Object, frozen=True):
    """One test on a label, with an operator and values."""

    key: str = always("")
    operator: str = always("")
    values: tuple[str, ...] = ()


@atomic
class LabelSelector(Object, frozen=True):
    """A query over labels, all parts of which must match."""

    match_expressions: tuple[LabelSelectorRequirement, ...] = ()
    match_labels: Mapping[str, str] = {}


class ShardInfo(Object, frozen=True):
    """Which shard of a collection a list response covers."""

    selector: str = always("")


class ListMeta(Object, frozen=True):
    """A list's resource version and how to get its next page."""

    continue_: str = ""
    remaining_item_count: Int64 | None = None
    resource_version: str = ""
    self_link: str = ""
    shard_info: ShardInfo | None = None


class ManagedFieldsEntry(Object, frozen=True):
    """Which fields one manager last set, by what operation, and when."""

    api_version: str = ""
    fields_type: str = ""
    fields_v1: RawObject = NO_FIELDS
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: Time | None = None


@atomic
class OwnerReference(Object, frozen=True):
    """Names an owner whose deletion takes this object along."""

    api_version: str = always("")
    block_owner_deletion: bool | None = None
    controller: bool | None = None
    kind: str = always("")
    name: str = always("")
    uid: str = always("")


class ObjectMeta(Object, frozen=True):
    """An object's name, namespace, labels, owners and other bookkeeping."""

    annotations: Mapping[str, str] = {}
    creation_timestamp: Time | None = None
    deletion_grace_period_seconds: Int64 | None = None
    deletion_timestamp: Time | None = None
    finalizers: Annotated[tuple[str, ...], ListSet(patch=True)] = ()
    generate_name: str = ""
    generation: Int64 = 0
    labels: Mapping[str, str] = {}
    managed_fields: tuple[ManagedFieldsEntry, ...] = ()
    name: str = ""
    namespace: str = ""
    owner_references: Annotated[tuple[OwnerReference, ...], ListMap(keys=("uid",), patch="uid")] = ()
    resource_version: str = ""
    self_link: str = ""
    uid: str = ""


class Patch(Object, frozen=True):
    """A change to an object, in one of the patch formats."""


class StatusCause(Object, frozen=True):
    """One particular reason for a failure, and the field at fault."""

    field: str = ""
    message: str = ""
    reason: str = ""


class StatusDetails(Object, frozen=True):
    """More about a failure, such as the object, its causes and a retry delay."""

    causes: tuple[StatusCause, ...] = ()
    group: str = ""
    kind: str = ""
    name: str = ""
    retry_after_seconds: Int32 = 0
    uid: str = ""


class Status(Object, frozen=True):
    """The outcome of a request, most often an error."""

    api_version: str = always("v1")
    kind: str = always("Status")
    code: Int32 = 0
    details: StatusDetails | None = None
    message: str = ""
    metadata: ListMeta = always(ListMeta())
    reason: str = ""
    status: str = ""


class WatchEvent(Object, frozen=True):
    """One change seen on a watch, with its type and the object."""

    object: JsonObject | None = None
    type: str = always("")
