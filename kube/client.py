"""What every room asks of the API, whichever way it gets there.

Two things keep this contract: `kube.http_client.HttpClient` (over HTTPS, from anywhere) and
`apiserver.local.LocalClient` (in the server's own process: the same authorization, admission and validation, without
sockets or JSON). Objects are frozen values: those that a client hands out may be shared, never changed in place.

All calls raise kube.errors.ApiError for what the server refuses, and ConnectionLost where no answer came.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, Literal, Protocol, TypeVar

from kube.kinds import Resource

T = TypeVar("T", bound=Resource)
A = TypeVar("A")

PropagationPolicy = Literal["", "Background", "Foreground", "Orphan"]


class ConnectionLost(Exception):  # noqa: N818 - a fact about the world, not a fault.
    """The server gave no answer; whether a write took effect is unknown."""


class PatchType(Enum):
    """How the body of a patch is to be read; the value is its media type."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class EventType(Enum):
    """What a watch tells of an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
    """One change. obj: the state after it (for DELETED the last one); None for a BOOKMARK.

    resource_version: the revision up to which the watch has told everything.
    """

    type: EventType
    obj: T | None
    resource_version: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some objects of a kind at one revision. continue_token: asks for those that follow, "" at the end."""

    items: Sequence[T]
    resource_version: str
    continue_token: str = ""


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold of the stored object for a deletion to happen; "" asks nothing."""

    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind. namespace "": all namespaces. Selectors are in the text form of the API, "": all."""

    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""


EVERYTHING = Selection()


class Client(Protocol):
    """The verbs of the API, typed by the class of the object: `await client.get(Pod, "web-0", namespace="default")`."""

    async def get(self, cls: type[T], name: str, *, namespace: str = "") -> T:
        """Return one object, as of the latest acknowledged write."""

    async def list(
        self,
        cls: type[T],
        selection: Selection = EVERYTHING,
        *,
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> Page[T]:
        """Return the objects of a selection, at most `limit` of them where it isn't 0.

        resource_version "": the latest state; "0": whatever the server has at hand.
        """

    def watch(
        self,
        cls: type[T],
        selection: Selection = EVERYTHING,
        *,
        resource_version: str = "",
        timeout_s: float = 0,
    ) -> AsyncIterator[WatchEvent[T]]:
        """Yield every change after `resource_version` in order, with bookmarks; "" begins with all that exists.

        Ends when the server closes it (after `timeout_s` where that isn't 0). Raises ApiError 410 where that revision
        is gone: list again.
        """

    async def create(self, obj: T, *, dry_run: bool = False) -> T:
        """Store a new object (its metadata.namespace tells where) and return it as stored."""

    async def update(self, obj: T, *, subresource: str = "") -> T:
        """Replace an object, or its status, and return it as stored; with a resourceVersion only if it still holds."""

    async def patch(
        self,
        cls: type[T],
        name: str,
        patch: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        namespace: str = "",
        subresource: str = "",
        patch_type: PatchType = PatchType.MERGE,
        field_manager: str = "",
        force: bool = False,
    ) -> T:
        """Change parts of an object and return it as stored. patch: as its JSON, a list for PatchType.JSON."""

    async def delete(
        self,
        cls: type[T],
        name: str,
        *,
        namespace: str = "",
        grace_s: int | None = None,
        propagation: PropagationPolicy = "",
        preconditions: Preconditions = Preconditions(),
    ) -> T | None:
        """Delete an object. Return it where it still exists (grace, finalizers), else its last state or None."""

    async def create_subresource(self, cls: type[T], name: str, subresource: str, body: A, *, namespace: str = "") -> A:
        """Post `body` (a Binding, an Eviction, a TokenRequest) to an object's subresource; return what it answers.

        An answer that is a mere Status "Success" returns `body`.
        """

    async def close(self) -> None:
        """Let go of connections; watches end."""
