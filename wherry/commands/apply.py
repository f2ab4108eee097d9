"""`wherry apply`: files' objects on the server as the files say, by server-side apply.

Each object is one request, by the manager "wherry". What somebody else manages and would get another value is refused,
and told with who has it; --force-conflicts takes it. Up to version 0.1 this command worked out patches itself, as an
updater: what such a one left behind counts as applied, so that what the files no longer say goes as it should.
Source: kubernetes.io/docs/reference/using-api/server-side-apply, with its section on migration.
"""

import argparse
import json
from collections.abc import Mapping
from typing import Any, Final

from kube.client import PatchType
from kube.errors import ApiError
from kube.fields.sets import union
from wherry.connection import Answer, Json
from wherry.context import Context
from wherry.manifests import read_manifests
from wherry.sending import MANAGER, add_files, namespace_of, suffix, target_of, tell_warnings, told, write_query

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_UNTYPABLE: Final = "failed to create typed patch object ("
"""How the server begins where a file is no such object; it goes on with the object's name, which is told already."""

_OURSELVES: Final = f'conflict with "{MANAGER}" '
"""How conflicts with our own updates begin: those of old, and what `wherry scale` set."""


def add_apply(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `apply`."""
    add_files(parser)
    parser.add_argument("--wait", action="store_true", help="stay until all is ready; tell why if it can't be")
    parser.add_argument("--timeout", type=float, default=120.0, help="how long --wait waits, in seconds (120)")
    parser.add_argument("--dry-run", action="store_true", help="let the server check, but store nothing")
    parser.add_argument(
        "--force-conflicts", action="store_true", help="take over fields that somebody else manages, with their values"
    )


def run_apply(context: Context) -> int:
    """Bring the server's objects to what the files say; with --wait, 1 and the cause where they don't get ready."""
    applied: list[Json] = []
    failures = 0
    for obj in read_manifests(context.args.filename):
        try:
            answer = _apply(context, obj)
        except ApiError as error:
            for line in _refusal(error):
                context.warn(f"{told(obj)}: {line}")
            failures += 1
            continue
        applied.append(answer.json())
        outcome = "created" if answer.status == 201 else "applied"
        context.say(f"{told(obj)} {outcome}{suffix(context)}")
    if failures or not context.args.wait or context.args.dry_run:
        return 1 if failures else 0
    from wherry.readiness import wait_until_ready  # noqa: PLC0415 - brings the asynchronous client.

    return wait_until_ready(context, applied, context.args.timeout)


def _apply(context: Context, wanted: Json) -> Answer:
    """Apply one object and return the last answer."""
    force = context.args.force_conflicts
    try:
        answer = _sent(context, wanted, force=force)
    except ApiError as error:
        if force or not _is_with_ourselves(error):
            raise
        answer = _sent(context, wanted, force=True)
    entries = migrated(answer.json()["metadata"].get("managedFields", []))
    if entries is not None and not context.args.dry_run:
        _replace_entries(context, wanted, answer.json()["metadata"]["resourceVersion"], entries)
        answer = _sent(context, wanted, force=force)
    tell_warnings(context, answer)
    return answer


def _sent(context: Context, wanted: Json, *, force: bool) -> Answer:
    return context.connection.request(
        "PATCH",
        _path(context, wanted),
        query={**write_query(context), "force": "true" if force else "false"},
        body=json.dumps(wanted).encode(),
        content_type=PatchType.APPLY.value,
    )


def _path(context: Context, wanted: Json) -> str:
    target = target_of(wanted)
    return target.path(namespace_of(context, wanted))


def _replace_entries(context: Context, wanted: Json, resource_version: str, entries: list[Json]) -> None:
    patch = [
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version},
    ]
    path = _path(context, wanted)
    context.connection.send("PATCH", path, patch, query=write_query(context), content_type=PatchType.JSON.value)


def migrated(entries: list[Json]) -> list[Json] | None:
    """Return an object's managers' entries with our updates of old as applied, None where there are no such ones."""
    old = [entry for entry in entries if _is_ours(entry, "Update") and _has_annotation(entry)]
    if not old:
        return None
    applied = next((entry for entry in entries if _is_ours(entry, "Apply")), {**old[0], "operation": "Apply"})
    fields: Mapping[str, Any] = applied.get("fieldsV1", {})
    for entry in old:
        if entry["apiVersion"] == applied["apiVersion"]:
            fields = union(fields, entry.get("fieldsV1", {}))
    others = [entry for entry in entries if entry not in old and not _is_ours(entry, "Apply")]
    return [*others, {**applied, "fieldsV1": fields}]


def _is_ours(entry: Json, operation: str) -> bool:
    is_main = not entry.get("subresource")
    return is_main and entry.get("manager") == MANAGER and entry.get("operation") == operation


def _has_annotation(entry: Json) -> bool:
    """Say whether an entry is of this command as it was, which always left an annotation of what it had applied."""
    annotations = entry.get("fieldsV1", {}).get("f:metadata", {}).get("f:annotations", {})
    return f"f:{LAST_APPLIED}" in annotations


def _is_with_ourselves(error: ApiError) -> bool:
    """Say whether all that an application met are fields that commands of ours set as updaters."""
    details = error.status.details
    causes = details.causes if details else ()
    return bool(causes) and all(cause.message.startswith(_OURSELVES) for cause in causes)


def _refusal(error: ApiError) -> list[str]:
    """Return what is said of a refusal: of conflicts, each field with who has it, and the way out."""
    details = error.status.details
    causes = [cause for cause in details.causes if cause.reason == "FieldManagerConflict"] if details else []
    if not causes:
        said = str(error)
        return [said.partition("): ")[2] if said.startswith(_UNTYPABLE) else said]
    lines = [f"{cause.field} is managed by {cause.message.removeprefix('conflict with ')}" for cause in causes]
    return [*lines, "leave these fields out of the file, or take them over with --force-conflicts"]
