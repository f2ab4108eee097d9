"""`wherry rollout`: watch a Deployment change, look at its history, go back, or start its pods anew."""

import argparse
import json
import time
from datetime import UTC, datetime
from typing import Final

from kube.client import PatchType
from wherry.connection import Json
from wherry.context import Context
from wherry.output import table
from wherry.selection import replicasets_of, revision_of
from wherry.targets import Target, UsageError, parse_one

CHANGE_CAUSE: Final = "kubernetes.io/change-cause"
RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
HASH_LABEL: Final = "pod-template-hash"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("step", choices=["status", "history", "undo", "restart", "pause", "resume"])
    parser.add_argument("target", nargs="+", metavar="TYPE/NAME", help="deploy/web, or just web")
    parser.add_argument("--timeout", type=float, default=300.0, help="how long status waits, in seconds (300)")
    parser.add_argument(
        "--to-revision", type=int, default=0, help="undo: the revision to go to; the one before otherwise"
    )


def run(context: Context) -> int:
    """Do what the verb says to one Deployment."""
    target = parse_one(context.args.target, default_kind="deployment")
    if target.kind.kind != "Deployment":
        raise UsageError(f"{target.title}: rollout works on deployments")
    steps = {
        "status": _status,
        "history": _history,
        "undo": _undo,
        "restart": _restart,
        "pause": _pause,
        "resume": _resume,
    }
    return steps[context.args.step](context, target)


def progress(deployment: Json) -> tuple[bool, str]:
    """Return whether a Deployment's rollout is complete, and the sentence that tells where it stands.

    Raises UsageError where it has exceeded its deadline.
    """
    name = deployment["metadata"]["name"]
    wanted = deployment["spec"].get("replicas", 1)
    status = deployment.get("status", {})
    updated, total, available = (status.get(field, 0) for field in ("updatedReplicas", "replicas", "availableReplicas"))
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return False, f'Waiting for deployment "{name}": its change has not been seen yet...'
    for condition in status.get("conditions") or []:
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise UsageError(f'deployment "{name}" exceeded its progress deadline: {condition.get("message", "")}')
    if updated < wanted:
        return False, f'Waiting for deployment "{name}": {updated} of {wanted} pods are new...'
    if total > updated:
        return False, f'Waiting for deployment "{name}": {total - updated} old pods are still ending...'
    if available < updated:
        return False, f'Waiting for deployment "{name}": {available} of {updated} new pods are available...'
    return True, f'deployment "{name}" successfully rolled out'


def _status(context: Context, target: Target) -> int:
    current = context.connection.get(target.path(context.namespace))
    done, sentence = progress(current)
    context.say(sentence)
    query = {
        "watch": "true",
        "fieldSelector": f"metadata.name={target.name}",
        "resourceVersion": current["metadata"]["resourceVersion"],
        "timeoutSeconds": str(max(1, round(context.args.timeout))),
    }
    until = time.monotonic() + context.args.timeout
    if done:
        return 0
    with context.connection.stream(Target(target.kind).path(context.namespace), query) as events:
        for line in events:
            event = json.loads(line)
            if event["type"] == "DELETED":
                raise UsageError(f"{target.title}: was deleted")
            if event["type"] != "MODIFIED":
                continue
            done, news = progress(event["object"])
            if news != sentence:
                context.say(news)
                sentence = news
            if done:
                return 0
            if time.monotonic() > until:
                break
    raise UsageError(
        f"{target.title}: not complete after {context.args.timeout:g} s; see `wherry describe {target.title}`"
    )


def _history(context: Context, target: Target) -> int:
    deployment = context.connection.get(target.path(context.namespace))
    rows = []
    for replicaset in replicasets_of(context.connection, deployment):
        containers = replicaset["spec"]["template"]["spec"]["containers"]
        cause = replicaset["metadata"].get("annotations", {}).get(CHANGE_CAUSE, "")
        images = ",".join(container["image"] for container in containers)
        rows.append((revision_of(replicaset), replicaset["spec"].get("replicas", 0), images, cause))
    context.say(table(("REVISION", "PODS", "IMAGES", "CHANGE-CAUSE"), rows))
    return 0


def _undo(context: Context, target: Target) -> int:
    deployment = context.connection.get(target.path(context.namespace))
    if deployment["spec"].get("paused"):
        raise UsageError(f"{target.title}: is paused; `wherry rollout resume {target.name}` first")
    current = revision_of(deployment)
    earlier = [one for one in replicasets_of(context.connection, deployment) if revision_of(one) != current]
    asked = context.args.to_revision
    chosen = [one for one in earlier if revision_of(one) == asked] if asked else earlier[-1:]
    if not chosen:
        known = ", ".join(str(revision_of(one)) for one in earlier) or "none"
        raise UsageError(f"{target.title}: no revision {asked or 'before this one'} to go back to; there is: {known}")
    template = json.loads(json.dumps(chosen[0]["spec"]["template"]))
    template["metadata"].get("labels", {}).pop(HASH_LABEL, None)
    patch = [{"op": "replace", "path": "/spec/template", "value": template}]
    context.connection.send("PATCH", target.path(context.namespace), patch, content_type=PatchType.JSON.value)
    context.say(f"{target.title} rolled back to revision {revision_of(chosen[0])}")
    return 0


def _restart(context: Context, target: Target) -> int:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    _merge(context, target, {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: now}}}}})
    context.say(f"{target.title} restarted")
    return 0


def _pause(context: Context, target: Target) -> int:
    _merge(context, target, {"spec": {"paused": True}})
    context.say(f"{target.title} paused")
    return 0


def _resume(context: Context, target: Target) -> int:
    _merge(context, target, {"spec": {"paused": None}})
    context.say(f"{target.title} resumed")
    return 0


def _merge(context: Context, target: Target, patch: Json) -> None:
    context.connection.send("PATCH", target.path(context.namespace), patch, content_type=PatchType.MERGE.value)
