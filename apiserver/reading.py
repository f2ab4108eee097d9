"""GET and LIST: objects and collections as of the latest write, or of the revision that was asked for.

Answers come from the cache, also as of a revision since when it knows every change; an older one is asked of the store.
Source: kubernetes.io/docs/reference/using-api/api-concepts, sections on resource versions and on chunks.
"""

import base64
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, cast

import msgspec

from apiserver.cache import Cache
from apiserver.forms import ListInfo
from apiserver.item import Item, prefix_of, split_key
from apiserver.options import ListOptions
from apiserver.selection import Selection
from apiserver.shelf import Past, Place, Shelf
from apiserver.store.contract import Compacted, FutureRevision, Store, StoreUnavailable
from apiserver.strategy import R
from apiserver.unreadable import Unreadable, read, refusal
from kube.api.core_v1 import Pod
from kube.codec import decode
from kube.errors import bad_request, expired, future_revision, unavailable
from kube.kinds import Kind, kind_of

CONTINUE_VERSION: Final = "meta.k8s.io/v1"
STORE_PAGE: Final = 1000
EXPIRED: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A part of a collection at one revision."""

    items: Sequence[Item]
    info: ListInfo


@dataclass(frozen=True, slots=True)
class Continue:
    """Where a list goes on. revision -1: wherever the state is by then. start: the last key told, below the prefix."""

    revision: int
    start: str

    def encoded(self) -> str:
        """Return the token."""
        fields = {"v": CONTINUE_VERSION, "rv": self.revision, "start": self.start + "\0"}
        return base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).rstrip(b"=").decode()


class _Token(msgspec.Struct):
    """What stands in a token. rv: a revision, or -1."""

    v: str
    rv: Annotated[int, msgspec.Meta(ge=-1, le=(1 << 63) - 1)]
    start: str


def parse_continue(token: str) -> Continue:
    """Return where a token says to go on. Raises ApiError 400."""
    try:
        fields = decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), _Token)
        if fields.v != CONTINUE_VERSION or not fields.rv:
            raise ValueError
        if not fields.start.endswith("\0") or "\0" in fields.start[:-1]:
            raise ValueError
        return Continue(fields.rv, fields.start[:-1])
    except ValueError:
        raise bad_request(f"invalid continue token: continue key is not valid: {token[:100]}") from None


def parse_revision(text: str) -> int:
    """Return a resourceVersion as a number, 0 for "". Raises ApiError 400."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) >= 1 << 63:
        detail = "must be a number, as the API gave it"
        raise bad_request(f'invalid resource version: resourceVersion: Invalid value: "{text}": {detail}')
    return int(text)


class Readings:
    """Reads the cache, and the store behind it."""

    def __init__(self, cache: Cache, store: Store) -> None:
        """cache: fed by `store`."""
        self.cache = cache
        self._store = store
        self._compacted = 0

    async def compact(self, revision: int) -> None:
        """Forget how things came to be up to a revision: no list goes on from an earlier one."""
        await self._store.compact(revision)
        self._compacted = revision

    async def get(self, kind: Kind, namespace: str, name: str, resource_version: str = "") -> Item:
        """Return an object. Raises ApiError 404, or 504 for a revision that isn't there yet."""
        if resource_version:
            await self.cache.wait_seen(parse_revision(resource_version))
        else:
            await self.cache.catch_up()
        item = self.cache.shelf(kind).get(namespace, name)
        if item is None:
            raise self.cache.absence(kind, namespace, name)
        return item

    async def list(self, kind: Kind, selection: Selection, options: ListOptions) -> Listed:
        """Return a collection or a page of it. Raises ApiError."""
        shelf = self.cache.shelf(kind)
        if options.continue_token:
            if options.resource_version not in ("", "0"):
                raise bad_request("specifying resource version is not allowed when using continue")
            await self.cache.catch_up()
            return await self._go_on(shelf, selection, options)
        revision = parse_revision(options.resource_version)
        if not options.resource_version:
            await self.cache.catch_up()
        else:
            await self.cache.wait_seen(revision)
        if options.resource_version_match == "Exact" or (
            options.limit and revision and not options.resource_version_match
        ):
            return await self._at(shelf, selection, revision, "", options.limit)
        limit = 0 if options.resource_version == "0" else options.limit  # What is at hand is given whole.
        return self._now(shelf, selection, "", limit)

    async def _go_on(self, shelf: Shelf, selection: Selection, options: ListOptions) -> Listed:
        place = parse_continue(options.continue_token)
        if place.revision < 0:
            return self._now(shelf, selection, place.start, options.limit)
        return await self._at(shelf, selection, place.revision, place.start, options.limit)

    async def _at(self, shelf: Shelf, selection: Selection, revision: int, start: str, limit: int) -> Listed:
        """Return a page of the state at a revision, from the cache if it knows all that has changed since."""
        try:
            if revision < self._compacted:
                raise Compacted(self._compacted, revision)
            if shelf.revision <= revision <= self.cache.revision:
                return self._now(shelf, selection, start, limit, revision)
            if shelf.floor <= revision <= self.cache.revision:
                return self._then(shelf, selection, start, limit, revision)
            return await self._stored(shelf, selection, revision, start, limit)
        except Compacted as error:
            token = Continue(-1, start).encoded() if start else ""
            message = EXPIRED if start else "The resourceVersion for the provided list is too old."
            raise expired(message, token) from error
        except FutureRevision as error:
            raise future_revision(error.asked_revision, error.current_revision) from error
        except StoreUnavailable as error:
            raise unavailable(f"the store does not answer: {error}") from error

    def _now(self, shelf: Shelf, selection: Selection, start: str, limit: int, revision: int = 0) -> Listed:
        """Return a page of what the cache holds. revision: that of the list, 0 for the cache's own."""
        self.cache.check_readable(shelf.kind, selection.namespace, selection.name)
        found = self.cache.select(shelf, selection, _place(start))
        return _page(shelf, found, selection, limit, revision or self.cache.revision)

    def _then(self, shelf: Shelf, selection: Selection, start: str, limit: int, revision: int) -> Listed:
        """Return a page of what the cache held at a revision."""
        self.cache.check_readable(shelf.kind, selection.namespace, selection.name)
        past = shelf.past(revision)
        found = past.in_order(selection.namespace, _place(start))
        if selection.is_partial:
            found = (item for item in found if selection.matches(item))
        return _page(past, found, selection, limit, revision)

    async def _stored(self, shelf: Shelf, selection: Selection, revision: int, start: str, limit: int) -> Listed:
        kind = shelf.kind
        prefix = prefix_of(kind, selection.namespace)
        after = prefix_of(kind) + start if start else ""
        found: list[Item] = []
        while True:
            page_size = limit if limit and not selection.is_partial else STORE_PAGE
            page = await self._store.range(prefix, start_after=after, limit=page_size, revision=revision)
            for position, entry in enumerate(page.entries, 1):
                after = entry.key
                _, namespace, name = split_key(entry.key)
                item = read(kind, namespace, name, entry.mod_revision, entry.value, None)
                if isinstance(item, Unreadable):
                    raise refusal([item])
                if selection.matches(item):
                    found.append(item)
                rest = page.count - position
                if limit and len(found) == limit and rest:
                    token = Continue(revision, _relative(found[-1])).encoded()
                    return Listed(found, ListInfo(revision, token, None if selection.is_partial else rest))
            if not page.more:
                return Listed(found, ListInfo(revision))


def _page(at: Shelf | Past, found: Iterator[Item], selection: Selection, limit: int, revision: int) -> Listed:
    """Return the first of what was found, and where to go on. at: where it was found, as of `revision`."""
    if not limit:
        return Listed(list(found), ListInfo(revision))
    page: list[Item] = []
    for item in found:
        if len(page) == limit:
            token = Continue(revision, _relative(page[-1])).encoded()
            told = (page[-1].namespace, page[-1].name)
            remaining = None if selection.is_partial else at.count_after(selection.namespace, told)
            return Listed(page, ListInfo(revision, token, remaining))
        page.append(item)
    return Listed(page, ListInfo(revision))


def _place(start: str) -> Place | None:
    """Return the place of a key below a kind's prefix, None for the beginning."""
    namespace, _, name = start.rpartition("/")
    return (namespace, name) if start else None


def _relative(item: Item) -> str:
    return item.key.removeprefix(prefix_of(item.kind))


class CachedObjects:
    """The cache as strategies and authorizers see it: typed objects."""

    def __init__(self, cache: Cache) -> None:
        """cache: filled already, or the answers are empty."""
        self._cache = cache

    def get(self, cls: type[R], name: str, namespace: str = "") -> R | None:
        """Return an object, None where there is none."""
        item = self._cache.shelf(kind_of(cls)).get(namespace, name)
        return None if item is None else cast("R", item.obj)

    def all(self, cls: type[R], namespace: str = "") -> Collection[R]:
        """Return the objects of a namespace, or of all."""
        return [cast("R", item.obj) for item in self._cache.shelf(kind_of(cls)).all(namespace)]

    async def fetch(self, cls: type[R], name: str, namespace: str = "") -> R | None:
        """Return an object as of the latest write through any server."""
        await self._cache.catch_up()
        return self.get(cls, name, namespace)

    def pods_on(self, node: str) -> Iterator[Pod]:
        """Yield the pods bound to a node."""
        for item in self._cache.shelf(kind_of(Pod)).with_field("spec.nodeName", node) or ():
            yield cast("Pod", item.obj)
