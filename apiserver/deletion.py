"""DELETE: at once, or step by step where grace, finalizers or dependents ask for it.

`plan_deletion` decides what a deletion makes of an object; the rest carries it out.
Source: kubernetes.io/docs/concepts/architecture/garbage-collection, .../overview/working-with-objects/finalizers
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from apiserver.item import Item, store_key
from apiserver.store.contract import KeyMissing, RevisionMismatch
from apiserver.strategies import strategy_of
from apiserver.strategy import Context, Strategy
from apiserver.versions import stored_kind
from apiserver.write import Write
from apiserver.writing import UPDATE_TRIES, Writings
from kube.api.meta_v1 import DeleteOptions, ObjectMeta
from kube.codec import encode
from kube.errors import conflict, not_found, stale
from kube.kinds import Kind, Resource
from kube.objects import with_metadata
from kube.times import parse_time, to_time

ORPHAN: Final = "orphan"
FOREGROUND: Final = "foregroundDeletion"
GRACE_MAX_S: Final = 1 << 31  # Sixty-eight years: the moment of the end is still one that the calendar has.


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion left. is_gone: the object is out of the store, and `item` is its last state."""

    item: Item
    is_gone: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deletion makes of an object. ends: nothing keeps it; else it is kept as `obj` until that is so."""

    obj: Resource
    ends: bool


def plan_deletion(obj: Resource, options: DeleteOptions, strategy: Strategy[Any], context: Context) -> Plan:
    """Return what is to become of an object that is to be deleted."""
    finalizers = _finalizers(obj.metadata, options, strategy)
    if obj.metadata.deletion_timestamp is None:
        grace_s = min(strategy.grace_s(obj, options.grace_period_seconds), GRACE_MAX_S)
        changed = _begun(obj, finalizers, grace_s, context, strategy)
    else:
        grace_s, changed = _shortened(obj, finalizers, options.grace_period_seconds, strategy)
    return Plan(changed, ends=not (grace_s or finalizers or strategy.is_held(changed)))


def _begun(
    obj: Resource, finalizers: tuple[str, ...], grace_s: int, context: Context, strategy: Strategy[Any]
) -> Resource:
    meta = obj.metadata
    marked = with_metadata(
        obj,
        deletion_timestamp=to_time(context.now + timedelta(seconds=grace_s)),
        deletion_grace_period_seconds=grace_s,
        finalizers=finalizers,
        generation=meta.generation + 1 if meta.generation else 0,
    )
    kept: Resource = strategy.prepare_delete(marked, context)
    return kept


def _shortened(
    obj: Resource, finalizers: tuple[str, ...], asked_s: int | None, strategy: Strategy[Any]
) -> tuple[int, Resource]:
    """Return the grace that is left to a terminating object, which can only become shorter, and the object with it."""
    meta = obj.metadata
    current_s = meta.deletion_grace_period_seconds or 0
    wanted_s = current_s if asked_s is None else min(current_s, strategy.grace_s(obj, asked_s))
    if wanted_s == current_s or meta.deletion_timestamp is None:
        return current_s, with_metadata(obj, finalizers=finalizers)
    ends = parse_time(meta.deletion_timestamp) - timedelta(seconds=current_s - wanted_s)
    changed = with_metadata(
        obj, deletion_timestamp=to_time(ends), deletion_grace_period_seconds=wanted_s, finalizers=finalizers
    )
    return wanted_s, changed


def _finalizers(meta: ObjectMeta, options: DeleteOptions, strategy: Strategy[Any]) -> tuple[str, ...]:
    """Return the finalizers with the one that says what is to become of the dependents."""
    policy = options.propagation_policy
    if not policy and options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    if not policy:
        if ORPHAN in meta.finalizers or FOREGROUND in meta.finalizers:
            return meta.finalizers
        policy = strategy.default_propagation
    kept = tuple(finalizer for finalizer in meta.finalizers if finalizer not in (ORPHAN, FOREGROUND))
    match policy:
        case "Orphan":
            wanted = (*kept, ORPHAN)
        case "Foreground":
            wanted = (*kept, FOREGROUND)
        case _:
            wanted = kept
    return meta.finalizers if set(wanted) == set(meta.finalizers) else wanted


def check_preconditions(obj: Resource, options: DeleteOptions, kind: Kind) -> None:
    """Return if the object is the one that the options mean. Raises ApiError 409."""
    wanted, meta = options.preconditions, obj.metadata
    if wanted is None:
        return
    named = replace(kind, plural=kind.kind)
    if wanted.uid is not None and wanted.uid != meta.uid:
        detail = (
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({meta.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(named, meta.name, detail)
    if wanted.resource_version is not None and wanted.resource_version != meta.resource_version:
        detail = (
            f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match the ResourceVersion "
            f"in record ({meta.resource_version}). The object might have been modified"
        )
        raise conflict(named, meta.name, detail)


def _as_it_ended(gone: Item, plan: Plan) -> Item:
    return Item(gone.kind, gone.namespace, gone.name, gone.revision, encode(plan.obj), plan.obj)


def deletion_warnings(strategy: Strategy[Any], options: DeleteOptions) -> tuple[str, ...]:
    """Return what a client is to know that deletes an object of a kind so."""
    is_default = not options.propagation_policy and options.orphan_dependents is None
    return (strategy.deletion_warning,) if strategy.deletion_warning and is_default else ()


async def delete(writings: Writings, write: Write, options: DeleteOptions, now: datetime) -> Deleted:
    """Delete an object, or begin to. Raises ApiError."""
    kind = stored_kind(write.kind)
    strategy = strategy_of(kind)
    context = writings.context(write.user, now, dry_run=write.dry_run)
    for _ in range(UPDATE_TRIES):
        await writings.cache.catch_up()
        item = writings.cache.shelf(kind).get(write.namespace, write.name)
        unreadable = writings.cache.unreadable.get(store_key(kind, write.namespace, write.name))
        if unreadable is not None:
            return Deleted(await writings.remove_unreadable(unreadable, dry_run=write.dry_run), is_gone=True)
        if item is None:
            raise not_found(write.kind, write.name)
        check_preconditions(item.obj, options, write.kind)
        await strategy.admit_delete(item.obj, context)
        plan = plan_deletion(item.obj, options, strategy, context)
        try:
            if not plan.ends:
                return Deleted(await writings.keep(strategy, item, plan.obj, context), is_gone=False)
            if strategy.is_graceful and not write.dry_run:
                item = await writings.keep(strategy, item, plan.obj, context)  # Watchers hear that its grace is over.
            gone = await writings.remove(strategy, item, context)
            return Deleted(_as_it_ended(gone, plan) if write.dry_run else gone, is_gone=True)
        except RevisionMismatch as error:
            await writings.cache.wait_seen(error.entry.mod_revision)
        except KeyMissing as error:
            raise not_found(write.kind, write.name) from error
    raise stale(write.kind, write.name)
