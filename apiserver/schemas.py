"""Turn the API's types into OpenAPI schemas: fields, descriptions, and how lists and maps merge.

Source: spec.openapis.org/oas/v3.0.3#schema-object; kubernetes.io/docs/reference/using-api/server-side-apply, the
section on merge strategy; KEP-555.
"""

import inspect
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Any, Final

import msgspec

from kube.api.object import Atomic, Granular, ListAtomic, ListMap, ListSet, Patch, is_atomic
from kube.api.scalars import RawObject
from kube.kinds import Kind
from kube.quantity import Quantity

Schema = dict[str, Any]

_PACKAGES: Final = {
    "meta": "io.k8s.apimachinery.pkg.apis.meta",
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
}
_SCALARS: Final[Mapping[Any, Schema]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    float: {"type": "number"},
    bytes: {"type": "string", "format": "byte"},
    Any: {},
    RawObject: {"type": "object"},
}
QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
TIME: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.Time"
_SHARED: Final[Mapping[str, Schema]] = {
    QUANTITY: {
        "description": 'A number with a unit: "500m" is half of one, "64Mi" is 64 times 1024 times 1024.',
        "oneOf": [{"type": "string"}, {"type": "number"}],
    },
    INT_OR_STRING: {
        "description": 'A number, or a name or percentage: 8080, "http", "25%".',
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
    TIME: {"description": 'A moment: "2026-01-02T15:04:05Z".', "type": "string", "format": "date-time"},
}


def schema_name(cls: type) -> str:
    """Return the name under which a type stands among a document's components."""
    group, _, version = cls.__module__.rpartition(".")[2].rpartition("_")
    package = _PACKAGES.get(group, f"io.k8s.api.{group}")
    return f"{package}.{version}.{cls.__name__}"


def components(kinds: Iterable[Kind]) -> dict[str, Schema]:
    """Return the schemas of some kinds and of everything that they are made of.

    What a kind is for stands with its schema; what any other type is for, with the fields of that type: `kubectl
    explain` prints both the field's description and its type's, and one sentence need not stand there twice.
    """
    found: dict[str, Schema] = {}
    for kind in kinds:
        waiting: list[type] = [kind.type]
        while waiting:
            cls = waiting.pop()
            if schema_name(cls) not in found:
                found[schema_name(cls)] = _struct(cls)
                waiting += _structs_in(cls)
        found[schema_name(kind.type)] = {
            "description": _told(kind.type),
            **found[schema_name(kind.type)],
            "x-kubernetes-group-version-kind": [{"group": kind.group, "version": kind.version, "kind": kind.kind}],
        }
    return dict(sorted({**found, **_SHARED}.items()))


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _struct(cls: type) -> Schema:
    hints = _hints(cls)
    fields = msgspec.structs.fields(cls)
    properties = {field.encode_name: _property(hints[field.name]) for field in fields}
    schema: Schema = {"type": "object", "properties": properties}
    if is_atomic(cls):
        schema["x-kubernetes-map-type"] = "atomic"
    required = [field.encode_name for field in fields if _is_required(field)]
    return {**schema, "required": required} if required else schema


def _told(cls: type) -> str:
    return inspect.getdoc(cls) or ""


def _is_required(field: msgspec.structs.FieldInfo) -> bool:
    """A field that is always written has to be given, but for those that the server fills in itself."""
    is_always_written = inspect.isfunction(field.default_factory)  # An empty map has a factory too: dict itself.
    return is_always_written and field.name not in ("api_version", "kind", "metadata", "status")


def _structs_in(cls: type) -> Iterator[type]:
    for hint in _hints(cls).values():
        yield from _structs_of(hint)


def _structs_of(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
        return
    for part in typing.get_args(hint):
        yield from _structs_of(part)


def _property(hint: Any) -> Schema:
    """Return the schema of a field: its type's, with what the field says about merging."""
    extras = hint.__metadata__ if typing.get_origin(hint) is typing.Annotated else ()
    bare = _without_none(hint.__origin__ if extras else hint)
    merging: Schema = {}
    for extra in extras:
        merging |= _merging(extra)
    if typing.get_origin(bare) is tuple and not merging:
        merging = {"x-kubernetes-list-type": "atomic"}
    schema = _schema(hint if _is_time(hint) else bare)
    described = {"description": _told(found)} if (found := next(_structs_of(bare), None)) is not None else {}
    if "$ref" not in schema:
        return {**described, **schema, **merging}
    return {**described, "allOf": [schema], **merging} if merging or described else schema


def _schema(hint: Any) -> Schema:
    hint = _without_none(hint)
    if _is_time(hint):
        return _reference(TIME)
    if typing.get_origin(hint) is typing.Annotated:
        return _schema(hint.__origin__)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is not None and issubclass(_class_of(origin), Mapping):
        values = _schema(arguments[1])
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
    if origin in (UnionType, typing.Union):
        return _reference(INT_OR_STRING)
    if hint is Quantity:
        return _reference(QUANTITY)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _reference(schema_name(hint))
    return _SCALARS[hint]


def _class_of(origin: Any) -> type:
    return origin if isinstance(origin, type) else object


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _without_none(hint: Any) -> Any:
    """Return the type of a field that may be absent, without the None."""
    if typing.get_origin(hint) not in (UnionType, typing.Union):
        return hint
    parts = tuple(part for part in typing.get_args(hint) if part is not type(None))
    return parts[0] if len(parts) == 1 else typing.Union[parts]  # noqa: UP007 - made at run time.


def _is_time(hint: Any) -> bool:
    """Say whether a type is a moment: text with a pattern."""
    hint = _without_none(hint)
    extras = getattr(hint, "__metadata__", ())
    return any(isinstance(extra, msgspec.Meta) and extra.pattern is not None for extra in extras)


def _merging(extra: Any) -> Schema:
    """Return what a field's annotation says about merging, in the words of OpenAPI extensions."""
    match extra:
        case ListMap(keys=keys, patch=patch, retain_keys=retains):
            listed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
            return {**listed, **_patching(patch, retains=retains)}
        case ListSet(patch=patch):
            return {"x-kubernetes-list-type": "set", **_patching(patch, retains=False)}
        case ListAtomic(patch=patch, retain_keys=retains):
            return {"x-kubernetes-list-type": "atomic", **_patching(patch, retains=retains)}
        case Patch(patch="replace"):
            return {"x-kubernetes-patch-strategy": "replace"}
        case Patch(patch=patch, retain_keys=retains):
            return _patching(patch, retains=retains)
        case Atomic():
            return {"x-kubernetes-map-type": "atomic"}
        case Granular():
            return {"x-kubernetes-map-type": "granular"}
    return {}


def _patching(patch: str | bool, *, retains: bool) -> Schema:
    words = [word for word, is_meant in (("merge", bool(patch)), ("retainKeys", retains)) if is_meant]
    if not words:
        return {}
    strategy = {"x-kubernetes-patch-strategy": ",".join(words)}
    return {**strategy, "x-kubernetes-patch-merge-key": patch} if isinstance(patch, str) and patch else strategy
