"""`wherry logs`: what a container has printed, and what it goes on to print."""

import argparse

from kube.kinds import find_kind
from wherry.connection import Json
from wherry.context import Context
from wherry.selection import pods_of
from wherry.targets import Target, UsageError, kind_named, parse_one

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
CHUNK = 65536


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("target", nargs="+", metavar="POD|TYPE/NAME", help="a pod, or deploy/web for one of its pods")
    parser.add_argument("-c", "--container", default="", help="which container, where the pod has several")
    parser.add_argument("-f", "--follow", action="store_true", help="stay and print what comes")
    parser.add_argument("-p", "--previous", action="store_true", help="of the container's run before this one")
    parser.add_argument("--tail", type=int, help="only the last lines")
    parser.add_argument("--since", default="", help="only lines not older than 30s, 5m, 2h")
    parser.add_argument("--timestamps", action="store_true", help="with the time of each line")


def run(context: Context) -> int:
    """Copy the log to standard output."""
    pod = find_pod(context, context.args.target)
    container = container_of(pod, context.args.container)
    target = Target(kind_named("pod"), pod["metadata"]["name"])
    with context.connection.stream(target.path(pod["metadata"]["namespace"], "log"), _query(context, container)) as log:
        while chunk := log.read1(CHUNK):
            context.write(chunk)
    return 0


def _query(context: Context, container: str) -> dict[str, str]:
    args = context.args
    query = {"container": container}
    query |= {name: "true" for name in ("follow", "previous", "timestamps") if getattr(args, name)}
    if args.tail is not None:
        query["tailLines"] = str(args.tail)
    if args.since:
        query["sinceSeconds"] = str(_seconds(args.since))
    return query


def _seconds(text: str) -> int:
    from kube.times import parse_duration  # noqa: PLC0415 - only --since needs it.

    try:
        return max(1, round(parse_duration(text).total_seconds()))
    except ValueError as error:
        raise UsageError(f"--since: {error}; write a length of time such as 30s, 5m or 2h") from error


def find_pod(context: Context, words: list[str]) -> Json:
    """Return the pod that is named, or the first running pod of the workload that is. Raises UsageError."""
    target = parse_one(words, default_kind="pod")
    found = context.connection.get(target.path(context.namespace))
    if target.kind is find_kind("v1", "Pod"):
        return found
    pods = pods_of(context.connection, found)
    if not pods:
        raise UsageError(f"{target.title}: has no pods")
    return min(pods, key=lambda pod: (pod.get("status", {}).get("phase") != "Running", pod["metadata"]["name"]))


def container_of(pod: Json, asked: str) -> str:
    """Return the container to use: the one asked for, the pod's default, or its first. Raises UsageError."""
    spec = pod["spec"]
    names = [
        item["name"]
        for field in ("containers", "initContainers", "ephemeralContainers")
        for item in spec.get(field) or []
    ]
    if asked and asked not in names:
        raise UsageError(f'pod {pod["metadata"]["name"]} has no container "{asked}"; it has {", ".join(names)}')
    annotated = pod["metadata"].get("annotations", {}).get(DEFAULT_CONTAINER, "")
    return asked or (annotated if annotated in names else names[0])
