"""Requests gone wrong: sound objects, queries and bytes with something changed at random. One seed, one change."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any, cast

import yaml

from kube.kinds import Kind
from tests.apiserver.protobuf_encoder import body as protobuf_body
from tests.apiserver.protobuf_encoder import message as protobuf_message

ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1 << 31,
    1 << 63,
    -(1 << 70),
    1.5,
    1e308,
    "",
    "a",
    "A_b",
    "é\U0001f6a3",
    "\x00",
    "\ud800",
    "a/b",
    "..",
    "x" * 300,
    "10.0.0.1",
    "50%",
    "1Gi",
    "1e999999999",
    "2026-01-02T03:04:05Z",
    "9999-12-31T23:59:59-14:00",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"": ""},
    {"a": None},
    {"$patch": "delete"},
    {"$patch": "replace"},
    {"$retainKeys": ["a"]},
    {"$setElementOrder/containers": [{"name": "c"}, 1]},
    {"$deleteFromPrimitiveList/finalizers": ["a"]},
    {"key": "a", "operator": "In", "values": ["b"]},
    {"name": "a"},
    {"f:metadata": {"f:labels": {"f:a": {}}}},
)
ODD_QUERIES: dict[str, tuple[str, ...]] = {
    "limit": ("0", "1", "2", "-1", "x", "9" * 30),
    "continue": ("x", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiYVx1MDAwMCJ9", "%00", "===="),
    "resourceVersion": ("0", "1", "2", "-1", "x", "9" * 18),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "x", ""),
    "labelSelector": ("a=b", "a in (b,c)", "!a", "a in (", "=", "%00", "a" * 400, "a!=b,c notin (d)"),
    "fieldSelector": ("metadata.name=web", "spec.nodeName=", "x=y", "a", "=", ",", "metadata.name!=a,metadata.name=b"),
    "watch": ("1", "true", "0", "x", ""),
    "timeoutSeconds": ("1", "0", "-1", "x"),
    "allowWatchBookmarks": ("true", "x"),
    "sendInitialEvents": ("true", "false", "x"),
    "dryRun": ("All", "x", ""),
    "fieldValidation": ("Ignore", "Warn", "Strict", "x"),
    "fieldManager": ("me", "", "\u00e9" * 200, "a" * 129, "%0a"),
    "force": ("true", "false", "x"),
    "pretty": ("true", "x"),
    "includeObject": ("None", "Object", "Metadata", "x"),
    "gracePeriodSeconds": ("0", "5", "-1", "x", "9" * 18),
    "propagationPolicy": ("Orphan", "Foreground", "Background", "x"),
    "orphanDependents": ("true", "x"),
    "container": ("c", "x", "..%2f"),
    "tailLines": ("1", "-1", "x"),
    "%ff": ("%ff", "%", "%zz", "+"),
}
CONTENT_TYPES = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
ODD_CONTENT_TYPES = (
    "",
    "text/plain",
    "application/json; charset=utf-16",
    "application/cbor",
    ";",
    "\u00ff/\u00ff",
    "*/*",
)
ACCEPTS = (
    "application/json",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "*/*;q=0.1",
    "application/vnd.kubernetes.protobuf",
    "application/json;as=Table;v=v9;g=x",
    ";;,q=",
)


def odd_value(source: random.Random) -> Any:
    """Return a value that few fields expect."""
    return copy.deepcopy(source.choice(ODD_VALUES))


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value within a JSON value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        yield (*path, key)
        yield from _places(inner, (*path, key))


def mutated(plain: Any, source: random.Random) -> Any:
    """Return a JSON value with a few things in it changed; the given one is left alone."""
    changed = json.loads(json.dumps(plain))
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        places = list(_places(changed))
        if not places:
            return odd_value(source)
        *above, last = source.choice(places)
        owner = changed
        for step in above:
            owner = owner[step]
        _change(owner, last, source)
    return changed


def _change(owner: Any, key: Any, source: random.Random) -> None:
    match source.randrange(6):
        case 0:
            del owner[key]
        case 1 if isinstance(owner, list):
            owner.append(owner[key])
        case 1:
            owner[source.choice(("x", "", "name", "$patch", f"{key} "))] = owner[key]
        case 2:
            owner[key] = [owner[key]]
        case 3:
            owner[key] = {"x": owner[key]}
        case _:
            owner[key] = odd_value(source)


def mutated_bytes(data: bytes, source: random.Random) -> bytes:
    """Return bytes with some of them lost, doubled, or others."""
    changed = bytearray(data)
    for _ in range(source.choice((1, 1, 2, 8))):
        place = source.randrange(len(changed) + 1)
        end = place + source.choice((1, 1, 2, 8, 64))
        match source.randrange(4):
            case 0:
                del changed[place:end]
            case 1:
                changed[place:place] = changed[place:end]
            case 2:
                changed[place:end] = source.randbytes(source.choice((1, 2, 4)))
            case _:
                changed[place:place] = source.choice(
                    (b"\0", b"\xff\xfe", b'"', b"}", b"{" * 300, b"\r\n", b"&a\n*a", b"\x80" * 11)
                )
    return bytes(changed)


def mutated_query(source: random.Random) -> str:
    """Return a query of a few options, sensible or not."""
    names = source.sample(list(ODD_QUERIES), source.choice((0, 0, 1, 1, 2, 3)))
    options = [f"{name}={source.choice(ODD_QUERIES[name])}" for name in names]
    if any(option.startswith("watch") for option in options):
        options = [*(option for option in options if not option.startswith("timeout")), "timeoutSeconds=1"]
    return "&".join(options)


def json_patch(plain: Any, source: random.Random) -> Any:
    """Return a JSON patch for an object: some operations on places that it has, or nearly."""
    places = list(_places(plain)) or [("metadata",)]
    operations = []
    for _ in range(source.choice((1, 2, 5))):
        path = "/" + "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in source.choice(places))
        operation = {"op": source.choice(("add", "remove", "replace", "move", "copy", "test")), "path": path}
        operation["from"] = "/" + "/".join(map(str, source.choice(places)))
        operation["value"] = odd_value(source)
        operations.append(operation)
    return operations


def written(plain: Any, content_type: str, kind: Kind, source: random.Random) -> bytes:
    """Return a JSON value as bytes of a content type; where it can't be written so, as JSON."""
    if content_type.endswith("protobuf") and isinstance(plain, dict):
        try:
            return protobuf_body(kind.api_version, kind.kind, protobuf_message(cast("Any", kind.type), plain))
        except (AttributeError, TypeError, ValueError, KeyError, OverflowError):
            pass
    if content_type.endswith("yaml") and source.random() < 0.7:
        return yaml.safe_dump(plain, allow_unicode=True).encode(errors="surrogatepass")
    return json.dumps(plain).encode()
