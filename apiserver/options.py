"""The query parameters of a request, read and checked.

Source: kubernetes.io/docs/reference/kubernetes-api/common-parameters, and the rules for resourceVersion in
kubernetes.io/docs/reference/using-api/api-concepts.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs

from kube.api.meta_v1 import DeleteOptions, Preconditions
from kube.errors import (
    FieldError,
    bad_request,
    forbidden_field,
    invalid,
    invalid_object,
    not_supported,
    required,
    too_long,
)
from kube.kinds import Kind

Query = Mapping[str, Sequence[str]]

_LIST_OPTIONS: Final = Kind("meta.k8s.io", "v1", "ListOptions", "")
_WRITE_OPTIONS: Final = {
    verb: Kind("meta.k8s.io", "v1", f"{verb}Options", "") for verb in ("Create", "Update", "Patch", "Delete")
}
_NO_QUERY: Final[Query] = {}
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """How much of a collection, as of when, and whether to go on watching it."""

    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    limit: int = 0
    continue_token: str = ""
    watch: bool = False
    timeout_s: float = 0
    bookmarks: bool = False
    initial_events: bool | None = None


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a write is to be done. field_validation: "Ignore", "Warn" or "Strict"."""

    dry_run: bool = False
    field_validation: str = "Warn"
    field_manager: str = ""
    force: bool = False


TIMEOUT_MAX_S: Final = 1 << 31
MANAGER_MAX_BYTES: Final = 128
PLAIN_WRITE: Final = WriteOptions()
PLAIN_LIST: Final = ListOptions()


def parse_query(text: str) -> Query:
    """Return the parameters of a query string, each with its values in order."""
    if not text:
        return _NO_QUERY
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise bad_request(f"the query string cannot be read: {error}") from error


def text_of(query: Query, name: str) -> str:
    """Return the first value of a parameter, "" where it isn't given."""
    values = query.get(name)
    return values[0] if values else ""


def flag_of(query: Query, name: str) -> bool:
    """Return a boolean parameter as Kubernetes reads it: given without a value it is true."""
    values = query.get(name)
    return bool(values) and values is not None and values[0].lower() not in ("false", "0")


def number_of(query: Query, name: str) -> int:
    """Return an integer parameter, 0 where it isn't given. Raises ApiError 400."""
    if name not in query:
        return 0
    value = text_of(query, name)
    if not _NUMBER.fullmatch(value):
        raise bad_request(f'{name}: "{value[:100]}" is not a number of at most 18 digits')
    return int(value)


def list_options(query: Query) -> ListOptions:
    """Return the checked options of a LIST, WATCH or DELETE of a collection. Raises ApiError 400 or 422."""
    if not query:
        return PLAIN_LIST
    initial = flag_of(query, "sendInitialEvents") if "sendInitialEvents" in query else None
    options = ListOptions(
        label_selector=text_of(query, "labelSelector"),
        field_selector=text_of(query, "fieldSelector"),
        resource_version=text_of(query, "resourceVersion"),
        resource_version_match=text_of(query, "resourceVersionMatch"),
        limit=max(0, number_of(query, "limit")),
        continue_token=text_of(query, "continue"),
        watch=flag_of(query, "watch"),
        timeout_s=min(max(0, number_of(query, "timeoutSeconds")), TIMEOUT_MAX_S),
        bookmarks=flag_of(query, "allowWatchBookmarks"),
        initial_events=initial,
    )
    if options.watch and options.resource_version in ("", "0"):
        options = _with_initial_events(options)
    wrong = _watch_errors(options) if options.watch else _list_errors(options)
    if wrong:
        raise invalid_object(_LIST_OPTIONS, "", wrong)
    return options


def _with_initial_events(options: ListOptions) -> ListOptions:
    """Return the options of a watch from no revision in particular as those that say all: it begins with what is."""
    if options.initial_events is not None or options.resource_version_match:
        return options
    return replace(options, initial_events=True, resource_version_match="NotOlderThan")


def _list_errors(options: ListOptions) -> list[FieldError]:
    wrong = []
    match, version = options.resource_version_match, options.resource_version
    if match:
        if not version:
            detail = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            wrong.append(forbidden_field("resourceVersionMatch", detail))
        if options.continue_token:
            detail = "resourceVersionMatch is forbidden when continue is provided"
            wrong.append(forbidden_field("resourceVersionMatch", detail))
        if match not in ("Exact", "NotOlderThan"):
            wrong.append(not_supported("resourceVersionMatch", match, ("Exact", "NotOlderThan", "")))
        elif match == "Exact" and version == "0":
            detail = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            wrong.append(forbidden_field("resourceVersionMatch", detail))
    if options.initial_events is not None:
        wrong.append(forbidden_field("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return wrong


def _watch_errors(options: ListOptions) -> list[FieldError]:
    wrong = []
    match = options.resource_version_match
    if options.initial_events is not None and match != "NotOlderThan":
        detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        wrong.append(forbidden_field("resourceVersionMatch", detail))
    if match:
        if options.initial_events is None:
            detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            wrong.append(forbidden_field("resourceVersionMatch", detail))
        if match != "NotOlderThan":
            wrong.append(not_supported("resourceVersionMatch", match, ("NotOlderThan",)))
        if options.continue_token:
            detail = "resourceVersionMatch is forbidden when continue is provided"
            wrong.append(forbidden_field("resourceVersionMatch", detail))
    return wrong


def write_options(query: Query, verb: str, manager: str = "", *, applies: bool = False) -> WriteOptions:
    """Return the checked options of a write. Raises ApiError 422.

    verb: "Create", "Update" or "Patch". manager: who writes, where the query doesn't say. applies: an apply patch.
    """
    if not query and not applies:
        return _plain_options(manager)
    validation, name = text_of(query, "fieldValidation"), text_of(query, "fieldManager")
    wrong = []
    if applies and not name:
        wrong.append(required("fieldManager", "is required for apply patch"))
    if verb == "Patch" and not applies and "force" in query:
        wrong.append(forbidden_field("force", "may not be specified for non-apply patch"))
    wrong += [*manager_errors(name, "fieldManager"), *_dry_run_errors(query.get("dryRun", ()))]
    if validation not in ("", "Ignore", "Warn", "Strict"):
        wrong.append(not_supported("fieldValidation", validation, ("", "Ignore", "Strict", "Warn")))
    if wrong:
        raise invalid_object(_WRITE_OPTIONS[verb], "", wrong)
    return WriteOptions(
        dry_run="All" in query.get("dryRun", ()),
        field_validation=validation or "Warn",
        field_manager=name or manager,
        force=flag_of(query, "force"),
    )


@lru_cache(maxsize=1024)
def _plain_options(manager: str) -> WriteOptions:
    return WriteOptions(field_manager=manager)


def manager_errors(name: str, path: str) -> list[FieldError]:
    """Return what is wrong with the name of a manager of fields."""
    wrong = [too_long(path, MANAGER_MAX_BYTES)] if len(name.encode()) > MANAGER_MAX_BYTES else []
    for place, letter in enumerate(name):
        if not letter.isprintable():
            detail = f"invalid character U+{ord(letter):04X} (at position {place})"
            wrong.append(invalid(path, name, detail))
    return wrong


def delete_options(query: Query) -> DeleteOptions:
    """Return the options of a DELETE without a body. Raises ApiError 400."""
    uid, version = text_of(query, "preconditions.uid"), text_of(query, "preconditions.resourceVersion")
    return DeleteOptions(
        dry_run=tuple(query.get("dryRun", ())),
        grace_period_seconds=number_of(query, "gracePeriodSeconds") if "gracePeriodSeconds" in query else None,
        orphan_dependents=flag_of(query, "orphanDependents") if "orphanDependents" in query else None,
        propagation_policy=text_of(query, "propagationPolicy") or None,
        preconditions=Preconditions(uid=uid or None, resource_version=version or None) if uid or version else None,
    )


def check_delete_options(options: DeleteOptions) -> DeleteOptions:
    """Return the options if they make sense together. Raises ApiError 422."""
    wrong = _dry_run_errors(options.dry_run)
    if options.propagation_policy and options.orphan_dependents is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        wrong.append(invalid("propagationPolicy", options.propagation_policy, detail))
    policies = ("Foreground", "Background", "Orphan", "nil")
    if options.propagation_policy and options.propagation_policy not in policies[:-1]:
        wrong.append(not_supported("propagationPolicy", options.propagation_policy, policies))
    if wrong:
        raise invalid_object(_WRITE_OPTIONS["Delete"], "", wrong)
    return options


def _dry_run_errors(values: Sequence[str]) -> list[FieldError]:
    return [not_supported("dryRun", list(values), ("All",))] if set(values) - {"All"} else []
