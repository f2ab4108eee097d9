"""CREATE and UPDATE: an object is defaulted, admitted, checked and stored, and the answer waits until the cache has it.

An update is a read, a change, and a write on condition that nobody wrote in between; if somebody did, it is done again,
or refused where the client named the version it had seen. A change that changes nothing writes nothing. What came from
a pool is given back only where it is certain that nothing was written; `allocators` finds what a doubt has left over.
Source: kubernetes.io/docs/reference/using-api/api-concepts; github.com/kubernetes/community, api-conventions.
"""

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from apiserver.admission import admit_into_namespace
from apiserver.cache import Cache
from apiserver.identity import User
from apiserver.item import Item, store_key
from apiserver.managing import entries_of_changed, entries_of_new, entry_errors, updater
from apiserver.node_restriction import restrict
from apiserver.nulls import with_nulls
from apiserver.settings import NODE_PATIENCE_S
from apiserver.store.contract import (
    Entry,
    KeyExists,
    KeyMissing,
    RevisionMismatch,
    Store,
    StoreError,
    StoreUnavailable,
    ValueTooLarge,
)
from apiserver.strategies import strategy_of
from apiserver.strategies.metadata import validate_metadata, validate_metadata_update
from apiserver.strategy import Allocators, Context, Reader, Strategy
from apiserver.unreadable import Unreadable, stand_in
from apiserver.versions import stored_kind, to_stored
from apiserver.write import Write, checked_version, fresh, with_metadata_of
from kube.codec import DecodeError, decode, encode
from kube.errors import (
    ApiError,
    FieldError,
    already_exists,
    invalid_object,
    no_name_left,
    not_found,
    stale,
    timed_out,
    too_large,
    unavailable,
)
from kube.fields.managers import Entries, same_but_times
from kube.kinds import Kind, Resource
from kube.names import generated_name
from kube.objects import is_terminating, with_metadata

NAME_TRIES: Final = 8
UPDATE_TRIES: Final = 20

Change = Callable[[Resource], Resource]
"""Makes the new state of an object from the stored one; may raise ApiError, and may be asked more than once."""


class Writings:
    """Writes objects to the store."""

    def __init__(
        self,
        cache: Cache,
        store: Store,
        objects: Reader,
        allocators: Allocators,
        node_patience_s: int = NODE_PATIENCE_S,
    ) -> None:
        """cache: fed by `store`; objects: its typed view; node_patience_s: see Context."""
        self._node_patience_s = node_patience_s
        self.cache = cache
        self._store = store
        self._objects = objects
        self._allocators = allocators
        self._random = random.SystemRandom()

    def context(self, user: User, now: datetime, *, dry_run: bool) -> Context:
        """Return what a strategy's hooks are told of a request."""
        return Context(user, now, self._objects, self._allocators, dry_run, self._node_patience_s)

    async def create(self, write: Write, served: Resource, now: datetime) -> Item:
        """Store a new object; its name may come from generateName. Raises ApiError."""
        kind = stored_kind(write.kind)
        strategy = strategy_of(kind)
        obj = to_stored(fresh(served, write, now))
        generates = not obj.metadata.name and bool(obj.metadata.generate_name)
        for attempt in range(NAME_TRIES):
            if generates:
                named = with_metadata(obj, name=generated_name(obj.metadata.generate_name, self._random))
            else:
                named = obj
            try:
                return await self._create(strategy, write, named, now)
            except KeyExists as error:
                if generates and attempt + 1 < NAME_TRIES:
                    continue
                if generates:
                    raise no_name_left(write.kind, named.metadata.name) from error
                being_deleted = _is_being_deleted(error.entry, kind)
                raise already_exists(write.kind, named.metadata.name, being_deleted=being_deleted) from error
        raise AssertionError("the last try returned or raised")

    async def _create(self, strategy: Strategy[Any], write: Write, obj: Resource, now: datetime) -> Item:
        context = self.context(write.user, now, dry_run=write.dry_run)
        asked = obj.metadata.managed_fields
        obj = strategy.default(with_metadata(obj, managed_fields=()))
        entries = _entries_of_new(obj, asked, write, strategy, now)
        await admit_into_namespace(strategy.kind, obj.metadata.namespace, obj.metadata.name, self._objects)
        obj = await strategy.admit(obj, None, context)
        obj = strategy.prepare_create(obj, context)
        if write.user.node_name:
            restrict(write.user.node_name, write.kind, obj, None)
        errors = [*validate_metadata(obj.metadata, strategy), *entry_errors(asked), *strategy.validate(obj)]
        errors += strategy.validate_as(write.kind, obj, None)
        if errors:
            raise invalid_object(write.kind, obj.metadata.name, errors)
        obj = await _allocated(strategy, obj, None, context)
        obj = with_metadata(obj, managed_fields=entries)
        try:
            item = await self._put(strategy.kind, obj, None, dry_run=write.dry_run)
        except (ApiError, StoreError) as error:
            if not is_uncertain(error):
                await strategy.abandon(obj, None, context)
            raise
        await self._settle(strategy, obj, None, context)
        return item

    async def update(self, write: Write, change: Change, now: datetime) -> Item:
        """Change a stored object and return it as stored; where the change ends its deletion, its last state.

        The state that the cache has is tried first, whether it is the latest or not: the store takes the change only if
        it is. What else comes of it (a refusal, nothing to change, a try-out) counts once the state is sure.
        Raises ApiError; 409 if somebody else wrote in between and the write is conditional.
        """
        if write.dry_run:
            await self.cache.catch_up()
        known, is_sure = self._known(write), write.dry_run
        for _ in range(UPDATE_TRIES):
            outcome = await self._tried(write, known, change, now, is_sure=is_sure)
            if isinstance(outcome, Item) and outcome is not known:
                return outcome
            await self.cache.catch_up()
            before, known, is_sure = known, self._known(write), True
            if outcome is not None and known is before:
                if isinstance(outcome, ApiError):
                    raise outcome
                return outcome
        raise stale(write.kind, write.name)

    def _known(self, write: Write) -> Item | None:
        return self.cache.shelf(write.kind).get(write.namespace, write.name)

    async def _tried(
        self, write: Write, known: Item | None, change: Change, now: datetime, *, is_sure: bool
    ) -> Item | ApiError | None:
        """Return what comes of a change to the known state, None where the store has another one."""
        if known is None:
            return self.cache.absence(write.kind, write.namespace, write.name)
        try:
            return await self._update(strategy_of(stored_kind(write.kind)), write, known, change, now)
        except ApiError as error:
            if error.code >= 500:
                raise
            return error
        except RevisionMismatch as error:
            if is_sure and write.is_conditional:
                raise stale(write.kind, write.name) from error
            await self.cache.wait_seen(error.entry.mod_revision)
        except KeyMissing as error:
            if is_sure:
                raise not_found(write.kind, write.name) from error
        return None

    async def _update(self, strategy: Strategy[Any], write: Write, item: Item, change: Change, now: datetime) -> Item:
        context = self.context(write.user, now, dry_run=write.dry_run)
        old = item.obj
        new = to_stored(change(old))
        asked = new.metadata.managed_fields
        new = with_metadata_of(checked_version(new, old, write, strategy), old)
        errors: list[FieldError]
        sent: Resource | None = None
        if write.subresource in ("", "scale"):
            new = strategy.default(new)
            sent = strategy.with_status_of(new, old)
            new = await strategy.admit(new, old, context)
            new = strategy.prepare_update(new, old, context)
            errors = strategy.validate_update(new, old) + strategy.validate_as(write.kind, new, old)
        elif write.subresource == "status":
            new = strategy.prepare_status_update(new, old, context)
            errors = strategy.validate_status_update(new, old)
        elif write.subresource == "binding":
            errors = []
        else:
            new = strategy.prepare_subresource_update(write.subresource, new, old, context)
            errors = strategy.validate_subresource_update(write.subresource, new, old)
        new = with_metadata(new, managed_fields=_entries_of_changed(old, sent or new, asked, write, now))
        if write.user.node_name:
            restrict(write.user.node_name, write.kind, new, old)
        errors = [
            *validate_metadata(new.metadata, strategy),
            *validate_metadata_update(new.metadata, old.metadata),
            *entry_errors(asked),
            *errors,
        ]
        if errors:
            raise invalid_object(write.kind, write.name, errors)
        allocated = write.subresource == ""
        if allocated:
            new = await _allocated(strategy, new, old, context)
        if write.applies:
            new = _without_new_times(new, old)
        try:
            stored = await self._put(strategy.kind, new, item, dry_run=write.dry_run, ends=ends_now(strategy, new))
        except (ApiError, StoreError) as error:
            if allocated and not is_uncertain(error):
                await strategy.abandon(new, old, context)
            raise
        if stored is not item:
            await self._settle(strategy, None if ends_now(strategy, new) else new, old, context)
        return stored

    async def remove(self, strategy: Strategy[Any], item: Item, context: Context) -> Item:
        """Take an object out of the store and return its last state. Raises what the store raises."""
        removed = await self._put(strategy.kind, item.obj, item, dry_run=context.dry_run, ends=True)
        await self._settle(strategy, None, item.obj, context)
        return removed

    async def remove_unreadable(self, found: Unreadable, *, dry_run: bool) -> Item:
        """Take out of the store what can't be read and return what is known of it. Raises what the store raises."""
        known = stand_in(found)
        return await self._put(found.kind, known.obj, known, dry_run=dry_run, ends=True)

    async def keep(self, strategy: Strategy[Any], item: Item, changed: Resource, context: Context) -> Item:
        """Store the state of an object whose deletion is under way. Raises what the store raises."""
        stored = await self._put(strategy.kind, changed, item, dry_run=context.dry_run)
        if stored is not item and not context.dry_run:
            await strategy.after_write(changed, item.obj, context)
        return stored

    async def _settle(self, strategy: Strategy[Any], new: Any, old: Any, context: Context) -> None:
        """Follow up on a write, or give back what it took if it was only tried."""
        if not context.dry_run:
            await strategy.after_write(new, old, context)
        elif new is not None:
            await strategy.abandon(new, old, context)

    async def _put(
        self, kind: Kind, obj: Resource, previous: Item | None, *, dry_run: bool, ends: bool = False
    ) -> Item:
        """Write an object's new state, or remove it where this `ends` it, and return it as the cache has it then."""
        obj = with_metadata(obj, resource_version="")
        value = with_nulls(kind, encode(obj))
        namespace, name = obj.metadata.namespace, obj.metadata.name
        before = previous.revision if previous else 0
        unchanged = previous is not None and not ends and same_state(value, previous)
        if previous is not None and unchanged:
            return previous
        if dry_run:
            await self._refuse_name_twice(kind, obj, previous)
            return Item(kind, namespace, name, before, value, obj)
        key = store_key(kind, namespace, name)
        self.cache.expect(key, value, obj)
        try:
            if previous is None:
                revision = await self._store.create(key, value)
            elif ends:
                revision = await self._store.delete(key, expected_revision=before)
            else:
                revision = await self._store.update(key, value, expected_revision=before)
            await self.cache.wait_seen(revision)
        except StoreUnavailable as error:
            if error.is_uncertain:
                raise timed_out(f"the store did not answer, so the write may have happened: {error}") from error
            raise unavailable(f"the store does not answer: {error}") from error
        except ValueTooLarge as error:
            raise too_large(str(error)) from error
        finally:
            self.cache.forget(key, value)
        seen = self.cache.shelf(kind).get(namespace, name)
        if seen is not None and seen.revision == revision:
            return seen
        return Item(kind, namespace, name, revision, value, obj)

    async def _refuse_name_twice(self, kind: Kind, obj: Resource, previous: Item | None) -> None:
        """Raise what the store would, had an object that is tried out been written."""
        if previous is None:
            await self.cache.catch_up()
            held = self.cache.shelf(kind).get(obj.metadata.namespace, obj.metadata.name)
            if held is not None:
                raise KeyExists(Entry(held.key, held.data, held.revision, held.revision))


async def _allocated(strategy: Strategy[Any], new: Any, old: Any, context: Context) -> Any:
    """Return the object with what comes from a pool. Raises ApiError, 503 where the store is away."""
    try:
        return await strategy.allocate(new, old, context)
    except StoreUnavailable as error:
        raise unavailable(f"the store does not answer: {error}") from error


def _is_being_deleted(entry: Entry, kind: Kind) -> bool:
    """Say whether a stored object is; of what can't be read, that isn't known."""
    try:
        return is_terminating(decode(entry.value, kind.type))
    except DecodeError:
        return False


def is_uncertain(error: ApiError | StoreError) -> bool:
    """Say whether a write that ended so may have happened: what it holds must not be given to others then."""
    return isinstance(error, ApiError) and error.code == 504


def _entries_of_new(obj: Resource, asked: Entries, write: Write, strategy: Strategy[Any], now: datetime) -> Entries:
    """Return the managers' entries of a new object. asked: those it came with."""
    if write.applies or not write.manager:
        return asked
    sent = strategy.with_status_of(obj, strategy.kind.type())
    return entries_of_new(sent, asked, updater(write.manager, write.kind, ""), now)


def _entries_of_changed(old: Resource, sent: Resource, asked: Entries, write: Write, now: datetime) -> Entries:
    """Return the managers' entries of a changed object. sent: what the request made of it; asked: its entries there."""
    if write.applies:
        return asked
    if not write.manager or write.subresource == "binding":
        return old.metadata.managed_fields
    return entries_of_changed(old, sent, asked, updater(write.manager, write.kind, write.subresource), now)


def _without_new_times(new: Resource, old: Resource) -> Resource:
    """Return the old object where all that a write would change are times in the managers' entries."""
    before, after = old.metadata, new.metadata
    if not same_but_times(after.managed_fields, before.managed_fields):
        return new
    kept = with_metadata(new, managed_fields=before.managed_fields, resource_version=before.resource_version)
    return old if kept == old else new


def same_state(value: bytes, previous: Item) -> bool:
    """Say whether `value` (without resourceVersion) is what is stored already."""
    return Item(previous.kind, previous.namespace, previous.name, previous.revision, value).data == previous.data


def ends_now(strategy: Strategy[Any], obj: Resource) -> bool:
    """Say whether an object is terminating and nothing holds it any longer, so that storing it means removing it."""
    meta = obj.metadata
    if meta.deletion_timestamp is None or meta.finalizers or meta.deletion_grace_period_seconds:
        return False
    return not strategy.is_held(obj)
