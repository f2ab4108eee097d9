# ruff: noqa: ARG002 - a hook's parameters are there for those who override it.
"""What sets one kind apart from the others: the contract between the request pipeline and the kinds.

`apiserver.strategies.strategy_of(kind)` gives the one Strategy of a kind; a kind that needs nothing of its own has
Strategy itself. All but the four async hooks are plain functions of values.

A create runs   default -> (namespace) -> admit -> prepare_create -> validate -> allocate -> store -> after_write
An update runs  default -> admit -> prepare_update -> validate_update -> allocate -> store -> after_write
A status write  default -> prepare_status_update -> validate_status_update -> store -> after_write
A deletion      admit_delete -> (while grace_s or is_held: prepare_delete -> store) -> remove -> after_write
What `allocate` took is given back by `abandon` where the write did not happen (refused, or a dry run).

The pipeline itself does for every kind: the namespace lifecycle (404 for a missing namespace, 403 in one that is
terminating), name and namespace against the URL, uid, creationTimestamp, generateName, resourceVersion, finalizers,
preconditions; and beside `validate` it asks `apiserver.strategies.metadata`: `validate_metadata(meta, strategy)`,
`validate_metadata_update(new_meta, old_meta)`, each a list of FieldErrors.
Source: kubernetes.io/docs/reference/using-api/api-concepts; github.com/kubernetes/community, api-conventions.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from apiserver.identity import User
from apiserver.settings import NODE_PATIENCE_S
from kube.api.meta_v1 import ObjectMeta
from kube.client import PropagationPolicy
from kube.errors import FieldError, method_not_allowed
from kube.kinds import Kind, Resource
from kube.names import check_dns_subdomain
from kube.objects import ObjectKey, with_metadata

T = TypeVar("T", bound=Resource)
R = TypeVar("R", bound=Resource)


STATUS_ALONE: Final = frozenset(
    (
        "FlowSchema",
        "PriorityLevelConfiguration",
        "ResourceClaim",
        "ServiceCIDR",
        "ValidatingAdmissionPolicy",
        "VolumeAttachment",
    )
)
"""The kinds none of whose metadata a status write changes."""


class Reader(Protocol):
    """The stored objects, as strategies may look at them."""

    def get(self, cls: type[R], name: str, namespace: str = "") -> R | None:
        """Return an object from this server's cache: every write that this server has answered is in it."""

    def all(self, cls: type[R], namespace: str = "") -> Collection[R]:
        """Return the cached objects of a namespace, or of all; a view, not to be held across an await."""

    async def fetch(self, cls: type[R], name: str, namespace: str = "") -> R | None:
        """Return an object as of the latest write through any server."""


class Allocators(Protocol):
    """Addresses and ports that no two Services may have; each call is durable and safe with several servers."""

    async def take_cluster_ip(self, owner: ObjectKey, wanted: str = "") -> str:
        """Reserve an address, `wanted` if it isn't "". Raises ValueError with the sentence for the field's error."""

    async def give_cluster_ip(self, owner: ObjectKey, ip: str) -> None:
        """Release an address that `owner` holds; nothing happens if it doesn't."""

    async def take_node_port(self, owner: ObjectKey, wanted: int = 0) -> int:
        """Reserve a port, `wanted` if it isn't 0. Raises ValueError with the sentence for the field's error."""

    async def give_node_port(self, owner: ObjectKey, port: int) -> None:
        """Release a port that `owner` holds; nothing happens if it doesn't."""


class Context(msgspec.Struct, frozen=True):
    """What a request brings along for the hooks.

    node_patience_s: how long pods that say nothing of it stay on a node that is away.
    """

    user: User
    now: datetime
    objects: Reader
    allocators: Allocators
    dry_run: bool = False
    node_patience_s: int = NODE_PATIENCE_S


class Strategy(Generic[T]):
    """The rules of one kind; subclasses override what differs.

    returns_deleted: DELETE answers with the object even when it is gone, else with a Status. is_graceful: its objects
    have a time to end, and even one that ends at once is answered as terminating. deletion_warning: what a client is
    warned of that leaves to the default what becomes of dependents. status_ignores: the metadata (by attribute) that a
    status write leaves as it is.
    field_names: the field selectors beyond metadata.name and metadata.namespace.
    """

    allow_create_on_update: ClassVar[bool] = False
    allow_unconditional_update: ClassVar[bool] = True
    returns_deleted: ClassVar[bool] = False
    is_graceful: ClassVar[bool] = False
    deletion_warning: ClassVar[str] = ""
    status_ignores: tuple[str, ...] = ()
    default_propagation: ClassVar[PropagationPolicy] = "Background"
    field_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        fields = kind.type.__struct_fields__  # type: ignore[attr-defined]
        self.has_status = "status" in fields and "status" in kind.subresources
        self.has_generation = "spec" in fields and "status" in fields
        if kind.kind in STATUS_ALONE:
            self.status_ignores = ("annotations", "finalizers", "labels", "owner_references")

    def check_name(self, name: str) -> list[str]:
        """Return what is wrong with a name, nothing if it is good. Also asked of generateName with a letter added."""
        return check_dns_subdomain(name)

    def default(self, obj: T) -> T:
        """Return the object with the defaults of its kind; the same object if none is missing."""
        return obj

    def prepare_create(self, obj: T, context: Context) -> T:
        """Return the object as a client may create it: status cleared, generation 1."""
        if self.has_generation:
            obj = with_metadata(obj, generation=1)
        if self.has_status:
            obj = _with_status_of(obj, self.kind.type())
        return obj

    def with_status_of(self, obj: T, source: T) -> T:
        """Return an object with the status of another one, if its kind has a door of its own for that."""
        return _with_status_of(obj, source) if self.has_status else obj

    def prepare_update(self, new: T, old: T, context: Context) -> T:
        """Return `new` with what a plain update may not touch as in `old`: status; generation +1 if spec changed."""
        if self.has_status:
            new = _with_status_of(new, old)
        if self.has_generation:
            changed = self.spec_changed(new, old)
            new = with_metadata(new, generation=old.metadata.generation + changed)
        return new

    def spec_changed(self, new: T, old: T) -> bool:
        """Say whether what the user asks for differs, so that the generation grows."""
        return bool(new.spec != old.spec)  # type: ignore[attr-defined]

    def prepare_status_update(self, new: T, old: T, context: Context) -> T:
        """Return `new` with all but its status (and labels, annotations, finalizers) as in `old`."""
        kept = replace(old, metadata=self.status_metadata(new.metadata, old.metadata))  # type: ignore[type-var]
        return _with_status_of(kept, new)

    def status_metadata(self, new: ObjectMeta, old: ObjectMeta) -> ObjectMeta:
        """Return the metadata that a status write stores."""
        kept = {field: getattr(old, field) for field in self.status_ignores}
        return replace(new, generation=old.generation, **kept)

    def prepare_subresource_update(self, subresource: str, new: T, old: T, context: Context) -> T:
        """Return the object to store for a write to a subresource of the kind's own type other than status and scale.

        (finalize, approval, ephemeralcontainers, resize.) validate_subresource_update follows.
        """
        raise method_not_allowed()

    def validate(self, obj: T) -> list[FieldError]:
        """Return all that is wrong with a new object, metadata aside."""
        return []

    def validate_as(self, kind: Kind, new: T, old: T | None) -> list[FieldError]:
        """Return what is wrong with a new object, or a changed one, for the version that the request speaks of."""
        return []

    def validate_update(self, new: T, old: T) -> list[FieldError]:
        """Return all that is wrong with a change, metadata aside: immutable fields, and what `validate` finds in it."""
        return self.validate(new)

    def validate_status_update(self, new: T, old: T) -> list[FieldError]:
        """Return all that is wrong with a new status."""
        return []

    def validate_subresource_update(self, subresource: str, new: T, old: T) -> list[FieldError]:
        """Return all that is wrong with what `prepare_subresource_update` made."""
        return []

    def refuse_field(self, field: str) -> str:
        """Return what is said of a field selector that the kind doesn't have."""
        if self.field_names:
            return f"field label not supported: {field}"
        return f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'

    def selectable_fields(self, obj: T) -> Mapping[str, str]:
        """Return the values that field selectors see: metadata.name, metadata.namespace and all of `field_names`."""
        return {"metadata.name": obj.metadata.name, "metadata.namespace": obj.metadata.namespace}

    def grace_s(self, obj: T, asked_s: int | None) -> int:
        """Return how long the object may go on after its deletion was asked for; 0 ends it at once."""
        return 0

    def prepare_delete(self, obj: T, context: Context) -> T:
        """Return the object as it is stored while its deletion is under way; deletionTimestamp is set already."""
        return obj

    def is_held(self, obj: T) -> bool:
        """Say whether something beside metadata.finalizers keeps a terminating object (a namespace's spec)."""
        return False

    async def admit(self, obj: T, old: T | None, context: Context) -> T:
        """Return the object with what depends on others filled in, or raise ApiError. old: None on create."""
        return obj

    async def allocate(self, new: T, old: T | None, context: Context) -> T:
        """Return the (valid) object with what comes from a pool filled in, or raise ApiError."""
        return new

    async def abandon(self, new: T, old: T | None, context: Context) -> None:
        """Give back what `allocate` took for `new`: it was not stored."""

    async def admit_delete(self, obj: T, context: Context) -> None:
        """Raise ApiError where the object may not be deleted."""

    async def after_write(self, new: T | None, old: T | None, context: Context) -> None:
        """Follow up on a stored change (old None: created; new None: gone): release what is no longer used."""


def _with_status_of(obj: T, source: Any) -> T:
    return replace(obj, status=source.status)  # type: ignore[type-var]
