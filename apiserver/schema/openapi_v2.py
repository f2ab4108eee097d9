"""The older OpenAPI document, v2, made of the same schemas as v3: every type with its words, no paths.

kubectl reads it in protobuf (`explain --output=plaintext-openapiv2`, and how lists merge where v3 can't be had). The
document is made when first asked for and kept packed, at a sixth of its size: few ask.
Source: spec.openapis.org/oas/v2.0; github.com/google/gnostic-models, openapiv2/OpenAPIv2.proto
"""

import zlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from apiserver.schema.schemas import INT_OR_STRING, JSON_VALUE, QUANTITY, Schema, components
from apiserver.version import VERSION
from kube.codec import encode
from kube.kinds import KINDS

_REFERENCE: Final = ("#/components/schemas/", "#/definitions/")
_SIMPLER: Final[Mapping[str, Schema]] = {
    QUANTITY: {"type": "string"},
    INT_OR_STRING: {"type": "string", "format": "int-or-string"},
    JSON_VALUE: {},
}
"""What v2 has no words for: a value of one type or another."""
_PASSED_OVER: Final = ("default", "enum", "oneOf", "allOf")
_VARINT_BITS: Final = 7


def as_protobuf() -> bytes:
    """Return the document as a message of gnostic's openapi.v2."""
    return zlib.decompress(_packed_protobuf())


def as_json() -> bytes:
    """Return the document as JSON."""
    return zlib.decompress(_packed_json())


@cache
def _packed_protobuf() -> bytes:
    named = [_text(1, name) + _bytes(2, _message(schema)) for name, schema in definitions().items()]
    info = _text(1, "Kubernetes") + _text(2, VERSION["gitVersion"])
    parts = (_text(1, "2.0"), _bytes(2, info), _bytes(8, b""), _bytes(9, _each(1, named)))
    return zlib.compress(b"".join(parts))


@cache
def _packed_json() -> bytes:
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return zlib.compress(encode({"swagger": "2.0", "info": info, "paths": {}, "definitions": definitions()}))


def definitions() -> dict[str, Schema]:
    """Return the schemas of all kinds as v2 has them."""
    return {name: _plainer(schema) | _SIMPLER.get(name, {}) for name, schema in components(KINDS).items()}


def _plainer(schema: Schema) -> Schema:
    """Return a schema without what v2 hasn't: a reference stands beside its words, not in a list of its own."""
    found = {name: value for name, value in schema.items() if name not in _PASSED_OVER}
    for whole in schema.get("allOf", ()):
        found |= whole
    if "$ref" in found:
        found["$ref"] = found["$ref"].replace(*_REFERENCE)
    for inner in ("items", "additionalProperties"):
        if inner in found:
            found[inner] = _plainer(found[inner])
    if "properties" in found:
        found["properties"] = {name: _plainer(value) for name, value in found["properties"].items()}
    return found


def _message(schema: Schema) -> bytes:
    """Return a schema as a message; its fields in the order of their numbers."""
    parts = [_text(number, schema.get(name, "")) for number, name in ((1, "$ref"), (2, "format"), (4, "description"))]
    parts += [_text(19, name) for name in schema.get("required", ())]
    if "additionalProperties" in schema:
        parts.append(_bytes(21, _bytes(1, _message(schema["additionalProperties"]))))
    if "type" in schema:
        parts.append(_bytes(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_bytes(23, _bytes(1, _message(schema["items"]))))
    if "properties" in schema:
        named = [_text(1, name) + _bytes(2, _message(value)) for name, value in schema["properties"].items()]
        parts.append(_bytes(25, _each(1, named)))
    parts += [_bytes(31, _extension(name, value)) for name, value in schema.items() if name.startswith("x-")]
    return b"".join(parts)


def _extension(name: str, value: Any) -> bytes:
    """Return what a schema says beyond OpenAPI; the value is YAML, which JSON is too."""
    return _text(1, name) + _bytes(2, _bytes(2, encode(value)))


def _each(number: int, values: Iterable[bytes]) -> bytes:
    return b"".join([_bytes(number, value) for value in values])


def _text(number: int, value: str) -> bytes:
    """Return a field of text, nothing where it is empty."""
    return _bytes(number, value.encode()) if value else b""


def _bytes(number: int, value: bytes) -> bytes:
    """Return a field of a number with its length and its bytes."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value >> _VARINT_BITS:
        parts.append(value & 0x7F | 0x80)
        value >>= _VARINT_BITS
    parts.append(value)
    return bytes(parts)
