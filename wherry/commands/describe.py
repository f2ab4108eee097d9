"""`wherry describe`: one object in words: what it is, what it wants, how it is, and what happened to it."""

import argparse
from collections.abc import Iterator
from typing import Any, Final

from kube.kinds import find_kind
from wherry.connection import Json
from wherry.context import Context
from wherry.output import age_of, table
from wherry.selection import pods_of
from wherry.targets import Target, parse_targets

HIDDEN_ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"
INDENT: Final = "  "
WORKLOADS: Final = ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job", "Service")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("target", nargs="+", metavar="TYPE[/NAME]", help="pod web-0, deploy/web, node, ...")


def run(context: Context) -> int:
    """Print what is known of each object."""
    described = [text for target in parse_targets(context.args.target) for text in _described(context, target)]
    context.say("\n\n\n".join(described))
    return 0


def _described(context: Context, target: Target) -> Iterator[str]:
    found = context.connection.get(target.path(context.namespace))
    for obj in [found] if target.name else found["items"]:
        named = {"apiVersion": target.kind.api_version, "kind": target.kind.kind, **obj}
        yield "\n".join([*_identity(named), *_body(named), *_related(context, named), *_events(context, named)])


def _identity(obj: Json) -> Iterator[str]:
    metadata = obj["metadata"]
    annotations = {key: text for key, text in (metadata.get("annotations") or {}).items() if key != HIDDEN_ANNOTATION}
    yield from _aligned("Name", metadata["name"])
    if metadata.get("namespace"):
        yield from _aligned("Namespace", metadata["namespace"])
    yield from _aligned("Kind", f"{obj['kind']} ({obj['apiVersion']})")
    yield from _aligned("Labels", _pairs(metadata.get("labels") or {}))
    yield from _aligned("Annotations", _pairs(annotations))
    yield from _aligned(
        "Created", f"{metadata.get('creationTimestamp')} ({age_of(metadata.get('creationTimestamp'))} ago)"
    )
    for owner in metadata.get("ownerReferences") or []:
        yield from _aligned(
            "Controlled By" if owner.get("controller") else "Owned By", f"{owner['kind']}/{owner['name']}"
        )
    if metadata.get("deletionTimestamp"):
        yield from _aligned("Terminating", f"since {age_of(metadata['deletionTimestamp'])}")


def _aligned(label: str, text: str) -> Iterator[str]:
    first, *rest = text.splitlines() or [""]
    yield f"{label + ':':<16}{first}"
    yield from (" " * 16 + line for line in rest)


def _pairs(values: Json) -> str:
    return "\n".join(f"{key}={text}" for key, text in sorted(values.items())) or "<none>"


def _body(obj: Json) -> Iterator[str]:
    """Yield everything below spec, status and the like, as an indented outline."""
    for field, value in obj.items():
        if field in ("apiVersion", "kind", "metadata"):
            continue
        if obj["kind"] == "Secret" and field == "data":
            value = {key: f"{len(text) * 3 // 4} bytes" for key, text in value.items()}  # noqa: PLW2901 - shown, not told.
        yield f"{_title(field)}:"
        yield from _outline(value, 1)


def _outline(value: Any, depth: int) -> Iterator[str]:
    indent = INDENT * depth
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _entry(f"{indent}{key}:", item, depth)
    elif isinstance(value, list) and _is_table(value):
        yield from _conditions(value, indent)
    elif isinstance(value, list):
        for item in value:
            yield from _entry(f"{indent}-", item, depth)
    else:
        yield from (indent + line for line in str(value).splitlines())


def _entry(label: str, item: Any, depth: int) -> Iterator[str]:
    if isinstance(item, dict | list) and item:
        yield label
        yield from _outline(item, depth + 1)
    else:
        first, *rest = str(item if item not in ({}, []) else "<none>").splitlines() or [""]
        yield f"{label} {first}"
        yield from (INDENT * (depth + 1) + line for line in rest)


def _is_table(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(item, dict) and {"type", "status"} <= item.keys() for item in value)


def _conditions(value: list[Json], indent: str) -> Iterator[str]:
    rows = [
        (item["type"], item["status"], item.get("reason"), age_of(item.get("lastTransitionTime")), item.get("message"))
        for item in value
    ]
    lines = table(("TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"), rows).splitlines()
    yield from (indent + line for line in lines)


def _title(field: str) -> str:
    return field[:1].upper() + field[1:]


def _related(context: Context, obj: Json) -> Iterator[str]:
    """Yield the pods of a workload, a Service or a Node."""
    if obj["kind"] == "Node":
        pods = find_kind("v1", "Pod")
        assert pods is not None
        found = context.connection.get(pods.path(), {"fieldSelector": f"spec.nodeName={obj['metadata']['name']}"})[
            "items"
        ]
    elif obj["kind"] in WORKLOADS and obj["spec"].get("selector"):
        found = pods_of(context.connection, obj)
    else:
        return
    yield "Pods:"
    rows = [
        (
            pod["metadata"]["namespace"],
            pod["metadata"]["name"],
            pod.get("status", {}).get("phase"),
            pod.get("status", {}).get("podIP"),
            pod["spec"].get("nodeName"),
        )
        for pod in found
    ]
    text = table(("NAMESPACE", "NAME", "PHASE", "IP", "NODE"), rows) if rows else "<none>"
    yield from (INDENT + line for line in text.splitlines())


def _events(context: Context, obj: Json) -> Iterator[str]:
    events = find_kind("v1", "Event")
    assert events is not None
    metadata = obj["metadata"]
    terms = [f"involvedObject.name={metadata['name']}", f"involvedObject.kind={obj['kind']}"]
    query = {"fieldSelector": ",".join(terms)}
    found = context.connection.get(events.path(metadata.get("namespace", "")), query)["items"]
    if not found:
        yield "Events:         <none>"
        return
    yield "Events:"
    found.sort(key=lambda event: event.get("lastTimestamp") or event["metadata"]["creationTimestamp"])
    rows = [
        (
            event.get("type"),
            event.get("reason"),
            _when(event),
            (event.get("source") or {}).get("component"),
            event.get("message", "").strip(),
        )
        for event in found
    ]
    lines = table(("TYPE", "REASON", "AGE", "FROM", "MESSAGE"), rows).splitlines()
    yield from (INDENT + line for line in lines)


def _when(event: Json) -> str:
    last = age_of(event.get("lastTimestamp") or event["metadata"]["creationTimestamp"])
    count = event.get("count", 1)
    return f"{last} (x{count} over {age_of(event.get('firstTimestamp'))})" if count > 1 else last
