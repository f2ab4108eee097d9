"""`wherry create` and `delete`: what files and names say, done on the server."""

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any, Final

from kube.errors import ApiError
from wherry.connection import Answer, Json
from wherry.context import Context
from wherry.manifests import kind_of_manifest, read_manifests
from wherry.sending import add_files, namespace_of, suffix, target_of, tell_warnings, told, write_query
from wherry.targets import Target, UsageError, parse_targets, title

POLL_S: Final = 0.1
CASCADES: Final = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}


def add_create(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `create`."""
    add_files(parser)
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


def run_create(context: Context) -> int:
    """Create what the files say; 1 where something could not be."""
    failures = 0
    for obj in read_manifests(context.args.filename):
        try:
            answer = _post(context, obj)
        except ApiError as error:
            context.warn(f"{told(obj)}: {error}")
            failures += 1
            continue
        name = answer.json()["metadata"]["name"]
        context.say(f"{title(kind_of_manifest(obj), name)} created{suffix(context)}")
    return 1 if failures else 0


def _post(context: Context, obj: Json) -> Answer:
    kind = kind_of_manifest(obj)
    answer = context.connection.request(
        "POST",
        kind.path(namespace_of(context, obj) if kind.namespaced else ""),
        query=write_query(context),
        body=json.dumps(obj).encode(),
    )
    tell_warnings(context, answer)
    return answer


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
        return [(target_of(obj), namespace_of(context, obj)) for obj in reversed(read_manifests(args.filename))]
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
