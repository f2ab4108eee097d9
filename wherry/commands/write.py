"""`wherry apply`, `create` and `delete`: what files and names say, done on the server."""

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any, Final

from kube.client import PatchType
from kube.errors import ApiError
from kube.patch.strategic import three_way
from wherry.connection import Answer, Json
from wherry.context import Context
from wherry.manifests import kind_of_manifest, read_manifests
from wherry.targets import Target, UsageError, parse_targets, title

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which kubectl and this command keep what was applied, to know later what was taken away."""

CONFLICT_TRIES: Final = 5
POLL_S: Final = 0.1
CASCADES: Final = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}


def add_apply(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `apply`."""
    _add_files(parser)
    parser.add_argument("--wait", action="store_true", help="stay until all is ready; tell why if it can't be")
    parser.add_argument("--timeout", type=float, default=120.0, help="how long --wait waits, in seconds (120)")
    parser.add_argument("--dry-run", action="store_true", help="let the server check, but store nothing")


def add_create(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `create`."""
    _add_files(parser)
    parser.add_argument("--dry-run", action="store_true", help="let the server check, but store nothing")


def add_delete(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `delete`."""
    parser.add_argument("target", nargs="*", metavar="TYPE[/NAME]", help="pod web-0, deploy/web svc/web, ...")
    parser.add_argument("-f", "--filename", action="append", default=[], help="the objects in a file, a directory or -")
    parser.add_argument("-l", "--selector", default="", help="all objects of the type with these labels")
    parser.add_argument("--all", action="store_true", help="all objects of the type")
    parser.add_argument("--cascade", choices=sorted(CASCADES), default="background", help="what becomes of dependents")
    parser.add_argument("--grace-period", type=int, help="seconds that pods have to end (their own choice otherwise)")
    parser.add_argument("--force", action="store_true", help="at once, without waiting for the node")
    parser.add_argument("--no-wait", action="store_true", help="return before the objects are gone")
    parser.add_argument("--timeout", type=float, default=120.0, help="how long to wait, in seconds (120)")
    parser.add_argument("--ignore-not-found", action="store_true", help="count what doesn't exist as deleted")


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-f", "--filename", action="append", required=True, help="a file, a directory, or - for standard input"
    )


def run_apply(context: Context) -> int:
    """Bring the server's objects to what the files say; with --wait, 1 and the cause where they don't get ready."""
    applied: list[Json] = []
    failures = 0
    for obj in read_manifests(context.args.filename):
        try:
            stored, outcome = _apply(context, obj)
        except ApiError as error:
            context.warn(f"{_told(obj)}: {error}")
            failures += 1
            continue
        applied.append(stored)
        context.say(f"{_told(obj)} {outcome}{_suffix(context)}")
    if failures or not context.args.wait or context.args.dry_run:
        return 1 if failures else 0
    from wherry.readiness import wait_until_ready  # noqa: PLC0415 - brings the asynchronous client.

    return wait_until_ready(context, applied, context.args.timeout)


def run_create(context: Context) -> int:
    """Create what the files say; 1 where something could not be."""
    failures = 0
    for obj in read_manifests(context.args.filename):
        try:
            answer = _post(context, obj)
        except ApiError as error:
            context.warn(f"{_told(obj)}: {error}")
            failures += 1
            continue
        name = answer.json()["metadata"]["name"]
        context.say(f"{title(kind_of_manifest(obj), name)} created{_suffix(context)}")
    return 1 if failures else 0


def _apply(context: Context, wanted: Json) -> tuple[Json, str]:
    """Create or patch one object; return it as stored and what was done."""
    target = _target(wanted)
    namespace = _namespace_of(context, wanted)
    path = target.path(namespace)
    marked = _marked(_placed(wanted, namespace) if target.kind.namespaced else wanted)
    for attempt in range(1, CONFLICT_TRIES + 1):
        try:
            current = context.connection.get(path)
        except ApiError as error:
            if error.code != 404:
                raise
            return _post(context, marked).json(), "created"
        patch = _patch(target, current, marked)
        if not patch:
            return current, "unchanged"
        try:
            answer = context.connection.request(
                "PATCH",
                path,
                query=_write_query(context),
                body=json.dumps(patch).encode(),
                content_type=PatchType.STRATEGIC.value,
            )
        except ApiError as error:
            if error.reason != "Conflict" or attempt == CONFLICT_TRIES:
                raise
            continue
        _warn(context, answer)
        return answer.json(), "configured"
    raise AssertionError("the last try returns or raises")


def _patch(target: Target, current: Json, marked: Json) -> Json:
    """Return the strategic merge patch from the stored object to the wanted one, {} where they agree."""
    text = current["metadata"].get("annotations", {}).get(LAST_APPLIED, "")
    try:
        original = json.loads(text) if text else {}
    except ValueError:
        original = {}
    patch: Json = three_way(original, marked, current, target.kind.type)
    return patch


def _placed(wanted: Json, namespace: str) -> Json:
    """Return the object with its namespace, as kubectl keeps it: else a patch after kubectl's would take it away."""
    return {**wanted, "metadata": {**wanted["metadata"], "namespace": namespace}}


def _marked(wanted: Json) -> Json:
    """Return the object with the annotation that keeps what was applied."""
    bare = {**wanted, "metadata": {**wanted["metadata"]}}
    annotations = {
        name: text for name, text in (bare["metadata"].get("annotations") or {}).items() if name != LAST_APPLIED
    }
    bare["metadata"]["annotations"] = annotations
    text = json.dumps(bare, separators=(",", ":"), sort_keys=True) + "\n"
    return {**bare, "metadata": {**bare["metadata"], "annotations": {**annotations, LAST_APPLIED: text}}}


def _post(context: Context, obj: Json) -> Answer:
    kind = kind_of_manifest(obj)
    answer = context.connection.request(
        "POST",
        kind.path(_namespace_of(context, obj) if kind.namespaced else ""),
        query=_write_query(context),
        body=json.dumps(obj).encode(),
    )
    _warn(context, answer)
    return answer


def _write_query(context: Context) -> dict[str, str]:
    query = {"fieldManager": "wherry", "fieldValidation": "Strict"}
    return {**query, "dryRun": "All"} if context.args.dry_run else query


def _warn(context: Context, answer: Answer) -> None:
    for text in answer.warnings:
        context.warn(f"Warning: {text}")


def _suffix(context: Context) -> str:
    return " (dry run)" if context.args.dry_run else ""


def _target(obj: Json) -> Target:
    kind = kind_of_manifest(obj)
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise UsageError(f"{obj['kind']}: metadata.name is not set; apply needs it (create takes generateName)")
    return Target(kind, name)


def _namespace_of(context: Context, obj: Json) -> str:
    """Return the object's own namespace, or the command's; they must not contradict each other."""
    own = (obj.get("metadata") or {}).get("namespace")
    asked = context.args.namespace
    if own and asked and own != asked:
        raise UsageError(f'{_told(obj)}: its namespace is "{own}", but -n says "{asked}"; leave out one of them')
    return own or context.namespace


def _told(obj: Json) -> str:
    metadata = obj.get("metadata") or {}
    return title(kind_of_manifest(obj), metadata.get("name") or metadata.get("generateName") or "?")


def run_delete(context: Context) -> int:
    """Delete what was named, and wait until it is gone; 1 where something was not there or did not go."""
    failures = 0
    pending: list[tuple[Target, str, str]] = []
    for target, namespace in _doomed(context):
        try:
            pending.append((target, namespace, _delete(context, target, namespace)))
        except ApiError as error:
            if error.code == 404 and context.args.ignore_not_found:
                continue
            context.warn(f"Error from server ({error.reason}): {error}")
            failures += 1
            continue
        context.say(f'{title(target.kind, "")[:-1]} "{target.name}" deleted')
    if not context.args.no_wait:
        failures += _wait_gone(context, pending)
    return 1 if failures else 0


def _doomed(context: Context) -> list[tuple[Target, str]]:
    args = context.args
    if args.filename:
        if args.target:
            raise UsageError("name the objects, or give files with -f; not both")
        return [(_target(obj), _namespace_of(context, obj)) for obj in reversed(read_manifests(args.filename))]
    targets = parse_targets(args.target)
    if all(target.name for target in targets):
        return [(target, context.namespace) for target in targets]
    if not (args.selector or args.all):
        raise UsageError("name the objects, or say which with -l, or say --all")
    return [pair for target in targets for pair in _listed(context, target)]


def _listed(context: Context, target: Target) -> list[tuple[Target, str]]:
    query = {"labelSelector": context.args.selector} if context.args.selector else {}
    items: Sequence[Json] = context.connection.get(target.path(context.namespace), query)["items"]
    metadata = [item["metadata"] for item in items]
    return [(Target(target.kind, about["name"]), about.get("namespace", "")) for about in metadata]


def _delete(context: Context, target: Target, namespace: str) -> str:
    """Ask for the deletion; return the uid of what is being deleted."""
    options: dict[str, Any] = {"propagationPolicy": CASCADES[context.args.cascade]}
    if context.args.force:
        options["gracePeriodSeconds"] = 0
    elif context.args.grace_period is not None:
        options["gracePeriodSeconds"] = context.args.grace_period
    answer = context.connection.send("DELETE", target.path(namespace), options)
    about = answer.get("details") if answer["kind"] == "Status" else answer["metadata"]
    return str((about or {}).get("uid", ""))


def _wait_gone(context: Context, pending: list[tuple[Target, str, str]]) -> int:
    """Wait until each object is gone, or another of its name has taken its place; return how many still are there."""
    until = time.monotonic() + context.args.timeout
    remaining = pending
    while remaining:
        remaining = [doomed for doomed in remaining if _still_there(context, *doomed)]
        if remaining and time.monotonic() > until:
            for target, _, _ in remaining:
                context.warn(
                    f"{target.title}: still there after {context.args.timeout:g} s; its finalizers or its node hold it"
                )
            return len(remaining)
        if remaining:
            time.sleep(POLL_S)
    return 0


def _still_there(context: Context, target: Target, namespace: str, uid: str) -> bool:
    try:
        found = context.connection.get(target.path(namespace))
    except ApiError as error:
        if error.code == 404:
            return False
        raise
    return not uid or found["metadata"]["uid"] == uid
