"""Turn the API's types into OpenAPI schemas: fields, descriptions, and how lists and maps merge.

Source: spec.openapis.org/oas/v3.0.3#schema-object; kubernetes.io/docs/reference/using-api/server-side-apply, the
section on merge strategy; KEP-555.
"""

import inspect
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from types import UnionType
from typing import Any, Final

import msgspec

from apiserver.schema.tables import DEFAULTS, ENUMS, OPTIONAL, REQUIRED, UNIONS
from apiserver.schema.words import EVERYWHERE, FIELDS
from kube.api.meta_v1 import ListMeta
from kube.api.object import Atomic, Granular, ListAtomic, ListMap, ListSet, Patch, is_atomic
from kube.api.scalars import Int32, Int64, MicroTime, RawObject
from kube.codec import encode
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
    Int32: {"type": "integer", "format": "int32"},
    Int64: {"type": "integer", "format": "int64"},
    bool: {"type": "boolean"},
    float: {"type": "number", "format": "double"},
    bytes: {"type": "string", "format": "byte"},
}
_ZEROS: Final[Mapping[Any, Any]] = {str: "", int: 0, bool: False}
QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
JSON_VALUE: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON"
SCHEMA_NODE: Final = f"{JSON_VALUE}SchemaProps"
TIME: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.Time"
FIELD_SET: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"
RAW: Final = "io.k8s.apimachinery.pkg.runtime.RawExtension"
MICRO_TIME: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"
WATCH_EVENT: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent"
_WATCH_EVENT: Final[Schema] = {
    "description": "One change that a watch tells of.",
    "type": "object",
    "properties": {"object": {"$ref": f"#/components/schemas/{RAW}"}, "type": {"type": "string", "default": ""}},
    "required": ["type", "object"],
}
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
    MICRO_TIME: {
        "description": 'A moment to the microsecond: "2026-01-02T15:04:05.123456Z".',
        "type": "string",
        "format": "date-time",
    },
    FIELD_SET: {"description": "A set of fields: each as a key, with those below it as its value.", "type": "object"},
    RAW: {"description": "Any JSON object; its meaning is that of its reader.", "type": "object"},
    JSON_VALUE: {"description": "Any JSON value."},
    f"{SCHEMA_NODE}OrArray": {"description": "A schema node, or a list of them."},
    f"{SCHEMA_NODE}OrBool": {"description": "A schema node, or whether anything goes."},
    f"{SCHEMA_NODE}OrStringArray": {"description": "A schema node, or a list of names."},
}


def schema_name(cls: type) -> str:
    """Return the name under which a type stands among a document's components."""
    group, _, version = cls.__module__.rpartition(".")[2].rpartition("_")
    package = _PACKAGES.get(group, f"io.k8s.api.{group}")
    return f"{package}.{version}.{cls.__name__}"


def list_type(kind: Kind) -> type:
    """Return the type of a list of a kind's objects."""
    found: type = getattr(import_module(kind.type.__module__), f"{kind.kind}List")
    return found


def components(kinds: Iterable[Kind], extra: Iterable[type] = ()) -> dict[str, Schema]:
    """Return the schemas of some kinds and of everything that they are made of. extra: types that are needed beside.

    What a kind is for stands with its schema; what any other type is for, with the fields of that type: `kubectl
    explain` prints both the field's description and its type's, and one sentence need not stand there twice.
    """
    found: dict[str, Schema] = {}
    for kind in kinds:
        for top in (kind.type, list_type(kind)) if "list" in kind.verbs else (kind.type,):
            _collect(top, found)
            gvk = {"group": kind.group, "version": kind.version, "kind": top.__name__}
            described = {"description": _told(top), **found[schema_name(top)]}
            found[schema_name(top)] = {**described, "x-kubernetes-group-version-kind": [gvk]}
    for top in extra:
        _collect(top, found)
    if extra:
        found[WATCH_EVENT] = _WATCH_EVENT
    text = encode(found)
    shared = {name: schema for name, schema in _SHARED.items() if f'/{name}"'.encode() in text}
    return dict(sorted({**found, **shared}.items()))


def _collect(top: type, found: dict[str, Schema]) -> None:
    """Add the schemas of a type and of all that it is made of."""
    waiting = [top]
    while waiting:
        cls = waiting.pop()
        if schema_name(cls) not in found:
            found[schema_name(cls)] = _struct(cls)
            waiting += _structs_in(cls)


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _struct(cls: type) -> Schema:
    hints, name = _hints(cls), _table_name(cls)
    fields = msgspec.structs.fields(cls)
    properties = {
        field.encode_name: _told_of(
            _zeroed(_property(hints[field.name]), hints[field.name], field), (name, field.encode_name)
        )
        for field in fields
    }
    if hints.get("metadata") is ListMeta and "items" in properties:
        del properties["items"]["x-kubernetes-list-type"]  # A list is never merged with another.
    schema: Schema = {"type": "object", "properties": properties}
    if is_atomic(cls):
        schema["x-kubernetes-map-type"] = "atomic"
    if name in UNIONS:
        schema["x-kubernetes-unions"] = [UNIONS[name]]
    required = [field.encode_name for field in fields if _is_required(cls, field)]
    return {**schema, "required": required} if required else schema


def _zeroed(schema: Schema, hint: Any, field: msgspec.structs.FieldInfo) -> Schema:
    """Return the schema of a field with the value that it has where nothing is given but something is written."""
    bare = _bare(hint)
    if _is_struct(bare) and not _may_be_none(hint):
        whole = {"allOf": [schema]} if "$ref" in schema else schema
        return {**whole, "default": {}}
    is_written = inspect.isfunction(field.default_factory) and field.name not in ("api_version", "kind")
    zero = _ZEROS.get(bare) if is_written and not _is_time(hint) else None
    return schema if zero is None else {**schema, "default": zero}


def _may_be_none(hint: Any) -> bool:
    return type(None) in typing.get_args(hint.__origin__ if typing.get_origin(hint) is typing.Annotated else hint)


def _table_name(cls: type) -> str:
    """Return the name of a type in the tables: "core.v1.Pod"."""
    group, _, version = cls.__module__.rpartition(".")[2].rpartition("_")
    return f"{group}.{version}.{cls.__name__}"


def _told_of(schema: Schema, place: tuple[str, str]) -> Schema:
    """Return the schema of a field with its words, which go before those of its type. place: the type and the field."""
    schema = _completed(schema, place)
    words = FIELDS.get(".".join(place), "") or schema.get("description") or EVERYWHERE.get(place[1], "")
    if not words:
        return schema
    whole = {"allOf": [schema]} if "$ref" in schema else schema
    return {**whole, "description": words}


def _completed(schema: Schema, place: tuple[str, str]) -> Schema:
    """Return the schema of a field with its default and values. place: the type and the field."""
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            return {**schema, inner: _completed(schema[inner], place)}
    more: Schema = {}
    if place in DEFAULTS:
        more["default"] = DEFAULTS[place]
    if place in ENUMS:
        more["enum"] = list(ENUMS[place])
    return {**schema, **more}


def _told(cls: type) -> str:
    return inspect.getdoc(cls) or ""


def _is_required(cls: type, field: msgspec.structs.FieldInfo) -> bool:
    """A value that is always written has to be given; objects, and what the tables except, have not."""
    place = (_table_name(cls), field.encode_name)
    if place in REQUIRED or place in OPTIONAL:
        return place in REQUIRED
    factory = field.default_factory
    is_always_written = inspect.isfunction(factory) and factory() is not None  # An empty map has one too: dict itself.
    names_its_type = field.name in ("api_version", "kind") and "metadata" in _hints(cls)
    return is_always_written and not _is_struct(_bare(_hints(cls)[field.name])) and not names_its_type


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _bare(hint: Any) -> Any:
    """Return a field's type without what its annotation says and without None."""
    return _without_none(hint.__origin__ if typing.get_origin(hint) is typing.Annotated else hint)


def _structs_in(cls: type) -> Iterator[type]:
    for hint in _hints(cls).values():
        yield from _structs_of(hint)


def _structs_of(hint: Any) -> Iterator[type]:
    if _is_struct(hint):
        yield hint
        return
    for part in typing.get_args(hint):
        yield from _structs_of(part)


def _property(hint: Any) -> Schema:
    """Return the schema of a field: its type's, with what the field says about merging."""
    extras = hint.__metadata__ if typing.get_origin(hint) is typing.Annotated else ()
    bare = _bare(hint)
    merging: Schema = {}
    for extra in extras:
        merging |= _merging(extra)
    if typing.get_origin(bare) is tuple and not merging:
        merging = {"x-kubernetes-list-type": "atomic"}
    schema = _schema(hint if _is_time(hint) or hint in _SCALARS else bare)
    described = {"description": _told(found)} if (found := next(_structs_of(bare), None)) is not None else {}
    if "$ref" not in schema:
        return {**described, **schema, **merging}
    return {**described, "allOf": [schema], **merging} if merging or described else schema


def _schema(hint: Any) -> Schema:
    hint = _without_none(hint)
    if _is_time(hint):
        return _reference(MICRO_TIME if hint == MicroTime else TIME)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if typing.get_origin(hint) is typing.Annotated:
        return _schema(hint.__origin__)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is not None and issubclass(_class_of(origin), Mapping):
        if arguments[1] is Any:
            return _reference(RAW)
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    if origin in (UnionType, typing.Union):
        return _reference(_either(arguments))
    if hint is Any:
        return _reference(JSON_VALUE)
    if hint is RawObject:
        return _reference(FIELD_SET)
    if hint is Quantity:
        return _reference(QUANTITY)
    if _is_struct(hint):
        return _reference(schema_name(hint))
    return _SCALARS[hint]


def _either(parts: tuple[Any, ...]) -> str:
    """Return the name of what is of one type or another: a number or a name, or a schema node or something simpler."""
    if not any(map(_is_struct, parts)):
        return INT_OR_STRING
    if bool in parts:
        return f"{SCHEMA_NODE}OrBool"
    return f"{SCHEMA_NODE}OrStringArray" if tuple[str, ...] in parts else f"{SCHEMA_NODE}OrArray"


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
