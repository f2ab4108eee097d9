"""Server-side apply: an object made to be as a configuration says, field by field, with a manager for each.

What the configuration has is merged in. What its sender had applied before, no longer does, and nobody else manages,
is removed. What somebody else manages and would get another value is a conflict, unless it is taken by force.
Source: KEP-555; kubernetes.io/docs/reference/using-api/server-side-apply
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kube.codec import from_plain, to_plain
from kube.fields.layout import ATOM, ItemsLayout, Layout, MapLayout, StructLayout, ValuesLayout, layout_of_object
from kube.fields.managers import BEFORE_FIRST_APPLY, UPDATE, Entries, Manager, Owned, read, write
from kube.fields.plain import elements_of, fields_of, with_named, without
from kube.fields.sets import EMPTY, LEAF, FieldSet, contains, difference, path_text, paths, union
from kube.fields.tracking import Change, Versions, first_entries, settled
from kube.kinds import Resource
from kube.objects import with_metadata

_KEPT: Final[FieldSet] = {"f:metadata": {"f:name": LEAF}}
"""What no application removes, whoever manages it."""


class ApplyConflicts(Exception):  # noqa: N818 - what happened is the others' right, not a fault.
    """Others manage fields that would change."""

    def __init__(self, conflicts: Mapping[Manager, FieldSet]) -> None:
        self.conflicts = conflicts
        super().__init__(self._told())

    def causes(self) -> list[tuple[Manager, str]]:
        """Return each manager with each path, in order."""
        return [
            (manager, path_text(path)) for manager in sorted(self.conflicts) for path in paths(self.conflicts[manager])
        ]

    def _told(self) -> str:
        causes = self.causes()
        if len(causes) == 1:
            manager, path = causes[0]
            return f"Apply failed with 1 conflict: conflict with {manager}: {path}"
        lines: list[str] = []
        for manager in sorted(self.conflicts):
            lines.append(f"conflicts with {manager}:")
            lines += [f"- {path}" for found, path in causes if found == manager]
        told = "\n".join(lines)
        return f"Apply failed with {len(causes)} conflicts: {told}"


class ConfigurationError(ValueError):
    """A configuration whose lists can't be managed item by item: every reason, with its path."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(reasons[0] if len(reasons) == 1 else "errors:\n" + "\n".join(f"  {told}" for told in reasons))


@dataclass(frozen=True, slots=True)
class Applied:
    """What comes of an application. entries: the object's managers from now on."""

    obj: Resource
    entries: Entries


@dataclass(frozen=True, slots=True)
class Application:
    """Who applies, how. versions: how objects turn from one apiVersion into another."""

    manager: Manager
    api_version: str
    versions: Versions
    force: bool = False


def apply(live: Resource, config: Mapping[str, Any], how: Application, now: str) -> Applied:
    """Return the object that `live` becomes when `config` is applied.

    live: in the version that is applied; an empty object of its type where there is none yet. config: plain JSON in
    that version, only with fields that may be applied (no status, say). Raises ApplyConflicts, ConfigurationError, and
    DecodeError where the result is no such object.
    """
    layout = layout_of_object(type(live))
    fields, wrong = fields_of(config, layout)
    if wrong:
        raise ConfigurationError(wrong)
    managers = read(live.metadata.managed_fields) or dict(_before(live, how, now))
    last = managers.get(how.manager)
    managers[how.manager] = Owned(without_lone_metadata(fields), how.api_version, now)
    bare = with_metadata(live, managed_fields=())
    merged = merge(to_plain(bare), config, layout)
    if last is not None:
        merged = _pruned(merged, type(live), last, managers, how)
    obj = from_plain(merged, type(live))
    if obj == bare:
        managers[how.manager] = managers[how.manager]._replace(time=last.time if last else None)
    after = settled(managers, Change(live, obj, how.versions), except_for=how.manager, emptied=fields)
    if after.conflicts and not how.force:
        raise ApplyConflicts(after.conflicts)
    return Applied(obj, write(after.managers))


def _before(live: Resource, how: Application, now: str) -> Mapping[Manager, Owned]:
    """Return who manages an object of which nobody kept count: one that stands for all who came before."""
    earlier = Manager(BEFORE_FIRST_APPLY, UPDATE, how.api_version, how.manager.subresource)
    return first_entries(live, type(live)(), earlier, now)


def without_lone_metadata(fields: FieldSet) -> FieldSet:
    """Return a set without the metadata as a whole, which is nobody's."""
    if fields.get("f:metadata") != LEAF:
        return fields
    return {element: node for element, node in fields.items() if element != "f:metadata"}


def merge(live: Any, config: Any, layout: Layout) -> Any:
    """Return plain JSON with a configuration merged in: null takes nothing from what divides. Neither is changed."""
    if config is None and isinstance(live, (dict, list)) and layout is not ATOM:
        return live
    match layout:
        case StructLayout() | MapLayout() if isinstance(live, dict) and isinstance(config, Mapping):
            merged = dict(live)
            for key, value in config.items():
                below = layout.child(f"f:{key}") or ATOM
                merged[key] = merge(live[key], value, below) if key in live else value
            return merged
        case ItemsLayout() | ValuesLayout() if isinstance(live, list) and isinstance(config, list):
            return _merge_items(live, config, layout)
    return config


def _merge_items(live: list[Any], config: list[Any], layout: ItemsLayout | ValuesLayout) -> list[Any]:
    """Return the items of both: those applied in their order, the others where they stand among them."""
    names, wanted = elements_of(live, layout), elements_of(config, layout)
    held: dict[str | None, Any] = {}
    for name, item in zip(names, live, strict=True):
        held.setdefault(name, item)
    mine = [
        merge(held[name], item, layout.child(name or "") or ATOM) if name in held else item
        for name, item in zip(wanted, config, strict=True)
    ]
    merged: list[Any] = []
    applied = set(wanted)
    meeting = deque(place for place, name in enumerate(wanted) if name in held)
    done = 0
    for name, item in zip(names, live, strict=True):
        if name not in applied:
            merged.append(item)
        elif meeting and wanted[meeting[0]] == name:
            until = meeting.popleft() + 1
            merged += mine[done:until]
            done = until
    return merged + mine[done:]


def _pruned(merged: Any, cls: type[Resource], last: Owned, managers: Mapping[Manager, Owned], how: Application) -> Any:
    """Return `merged` without what was applied last time and is nobody's any longer."""
    by_version: dict[str, FieldSet] = {last.api_version: _KEPT}
    for owned in managers.values():
        by_version[owned.api_version] = union(by_version.get(owned.api_version, EMPTY), owned.fields)
    if by_version.keys() == {how.api_version}:
        layout, left = layout_of_object(cls), by_version[last.api_version]
        if contains(left, last.fields):
            return merged or {}
        gone = difference(with_named(last.fields, layout), with_named(left, layout))
        return without(merged, gone, layout) or {}
    return _pruned_across(merged, cls, last, by_version, how)


def _pruned_across(
    merged: Any, cls: type[Resource], last: Owned, by_version: Mapping[str, FieldSet], how: Application
) -> Any:
    """Do the same where managers speak of the object in several versions: each has its say in its own."""
    whole = how.versions(from_plain(merged, cls), last.api_version)
    if whole is None:
        return merged
    layout = layout_of_object(type(whole))
    gone = difference(with_named(last.fields, layout), with_named(by_version.get(last.api_version, EMPTY), layout))
    left: Resource = from_plain(without(to_plain(whole), gone, layout) or {}, type(whole))
    for version, owned in by_version.items():
        here, there = how.versions(whole, version), how.versions(left, version)
        if version == last.api_version or here is None or there is None:
            continue
        layout = layout_of_object(type(here))
        had, has = fields_of(to_plain(here), layout)[0], fields_of(to_plain(there), layout)[0]
        gone = difference(with_named(had, layout), union(with_named(has, layout), with_named(owned, layout)))
        kept = how.versions(from_plain(without(to_plain(here), gone, layout) or {}, type(here)), last.api_version)
        left = kept if kept is not None else left
    final = how.versions(left, how.api_version)
    return merged if final is None else to_plain(with_metadata(final, managed_fields=()))
