"""`wherry wait`: until objects have a condition, or are gone."""

import argparse
import time
from typing import Final

from kube.errors import ApiError
from wherry.connection import Json
from wherry.context import Context
from wherry.targets import Target, UsageError, parse_targets

POLL_S: Final = 0.1


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("target", nargs="+", metavar="TYPE[/NAME]", help="pod/web-0, deploy/web, ...")
    parser.add_argument(
        "--for", dest="goal", required=True, help="condition=Ready, condition=Ready=false, delete or create"
    )
    parser.add_argument("-l", "--selector", default="", help="all objects of the type with these labels")
    parser.add_argument("--all", action="store_true", help="all objects of the type")
    parser.add_argument("--timeout", type=float, default=30.0, help="how long to wait, in seconds (30)")


def run(context: Context) -> int:
    """Wait for each object in turn; 1 where the time was not enough."""
    verb, _, rest = context.args.goal.partition("=")
    if verb not in ("condition", "delete", "create") or (verb == "condition" and not rest):
        raise UsageError(f"--for={context.args.goal}: wait for condition=NAME, delete or create")
    until = time.monotonic() + context.args.timeout
    unmet = [target for target in _chosen(context) if not _reached(context, target, verb, rest, until)]
    for target in unmet:
        context.warn(f"error: timed out waiting for the condition on {target.title}")
    return 1 if unmet else 0


def _chosen(context: Context) -> list[Target]:
    chosen = []
    for target in parse_targets(context.args.target):
        if target.name:
            chosen.append(target)
            continue
        if not (context.args.selector or context.args.all):
            raise UsageError("name the objects, or say which with -l, or say --all")
        query = {"labelSelector": context.args.selector} if context.args.selector else {}
        items = context.connection.get(target.path(context.namespace), query)["items"]
        chosen += [Target(target.kind, item["metadata"]["name"]) for item in items]
    if not chosen:
        raise UsageError("no matching objects found")
    return chosen


def _reached(context: Context, target: Target, verb: str, wanted: str, until: float) -> bool:
    while True:
        found = _found(context, target)
        if verb == "condition" and found is None:
            raise UsageError(f"{target.title}: not found")
        is_met = (
            (found is None) if verb == "delete" else (found is not None and (verb == "create" or _has(found, wanted)))
        )
        if is_met:
            context.say(f"{target.title} {'deleted' if verb == 'delete' else 'condition met'}")
            return True
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)


def _found(context: Context, target: Target) -> Json | None:
    try:
        return context.connection.get(target.path(context.namespace))
    except ApiError as error:
        if error.code == 404:
            return None
        raise


def _has(obj: Json, wanted: str) -> bool:
    """Say whether the condition ("Ready", "Ready=False") holds and was set for the object as it is now."""
    name, _, status = wanted.partition("=")
    generation = obj["metadata"].get("generation", 0)
    observed = obj.get("status", {}).get("observedGeneration", generation)
    for condition in obj.get("status", {}).get("conditions") or []:
        if condition["type"].lower() == name.lower():
            is_current = condition.get("observedGeneration", observed) >= generation
            return bool(is_current and condition["status"].lower() == (status or "True").lower())
    return False
