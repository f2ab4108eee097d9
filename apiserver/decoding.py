"""A request's body to a typed object, with what it says beside the point.

A field of the wrong type is an error; a field that the kind doesn't have, or that stands twice, is left out, told in a
warning or refused, as fieldValidation says.
Source: kubernetes.io/docs/reference/using-api/api-concepts, section on field validation.
"""

import json
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from apiserver.protobuf.envelope import decode as decode_protobuf
from apiserver.strictness import strange_fields
from kube.api.meta_v1 import DeleteOptions
from kube.codec import PROBLEMS_MAX, DecodeError, decode_plain, encode, from_plain, member_path
from kube.errors import ApiError, bad_request, unsupported_media_type
from kube.kinds import Kind, Resource
from kube.yaml import YamlError, load_all

JSON: Final = "application/json"
YAML: Final = "application/yaml"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
BODY_TYPES: Final = (JSON, YAML, PROTOBUF)
SPECS_MAX: Final = 128
_SPEC_BYTES: Final = range(512, 32 * 1024)
"""Which specs are kept when they have been read: what is shorter is read as fast as it is found."""
SIGHTED_MAX: Final = 1024
_SIGHTED: Final[dict[int, None]] = {}
"""The hashes of the specs that came last."""
_JSON_TYPES: Final = (JSON, "text/json")
_PARTS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Decoded:
    """An object that came in, and what its sender should be warned of."""

    obj: Resource
    warnings: tuple[str, ...] = ()


def media_type_of(content_type: str) -> str:
    """Return the media type of a Content-Type header without parameters; a missing header means JSON."""
    return content_type.partition(";")[0].strip().lower() or JSON


def plain_body(body: bytes, content_type: str, doubled: list[str] | None = None) -> Any:
    """Return a body as dicts, lists and scalars. Raises ApiError 400 or 415.

    doubled: gets what is to be told of the keys that stand twice in YAML; None refuses them.
    """
    media_type = media_type_of(content_type)
    try:
        match media_type:
            case "application/json" | "text/json":
                return decode_plain(body)
            case "application/yaml" | "text/yaml":
                documents = load_all(body.decode(), doubled=doubled)
                return documents[0] if documents else None
            case "application/vnd.kubernetes.protobuf":
                return decode_protobuf(body)
    except (DecodeError, YamlError, UnicodeDecodeError) as error:
        raise bad_request(str(error)) from error
    message = (
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(BODY_TYPES)}"
    )
    raise unsupported_media_type(message)


def decode_object(body: bytes, content_type: str, kind: Kind, validation: str) -> Decoded:
    """Return the object of `kind` that a body holds. Raises ApiError 400 or 415."""
    if not body.strip():
        raise bad_request("the body of the request was empty; an object is needed")
    apart = spec_apart(body, kind.type) if media_type_of(content_type) in _JSON_TYPES else None
    if apart is None:
        return _decoded(body, content_type, kind, validation)
    rest, spec = apart
    decoded = _decoded(rest, content_type, kind, validation)
    return Decoded(msgspec.structs.replace(decoded.obj, spec=spec), decoded.warnings)  # type: ignore[type-var]


def spec_apart(body: bytes, wanted: type) -> tuple[bytes, Any] | None:
    """Return a JSON body without its spec, and the spec, if there is nothing to be said about that; else None.

    The objects of a crowd are made after one template: a spec whose text comes again is read once for all that follow,
    and its value is one in memory.
    """
    try:
        parts = _PARTS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    text = bytes(parts.pop("spec", b""))
    spec = _read_spec(text, wanted) if len(text) in _SPEC_BYTES and _came_before(text) else None
    if spec is None:
        return None
    rest = b"{%b}" % b",".join([b"%b:%b" % (encode(name), part) for name, part in parts.items()])
    if body.count(b'"') != rest.count(b'"') + text.count(b'"') + len('""'):
        return None  # Some key stands twice.
    return rest, spec


def _came_before(text: bytes) -> bool:
    """Say whether a text came lately: what comes but once is not worth keeping."""
    mark = hash(text)
    if mark in _SIGHTED:
        return True
    _SIGHTED[mark] = None
    if len(_SIGHTED) > SIGHTED_MAX:
        del _SIGHTED[next(iter(_SIGHTED))]
    return False


@lru_cache(maxsize=SPECS_MAX)
def _read_spec(text: bytes, wanted: Any) -> Any:
    """Return the spec that JSON holds, None where it is no good one."""
    spec_type = _spec_type(wanted)
    if spec_type is None:
        return None
    try:
        plain = decode_plain(text)
        return None if strict_problems(plain, text, spec_type) else from_plain(plain, spec_type)
    except DecodeError:
        return None


@lru_cache(maxsize=512)
def _spec_type(wanted: Any) -> Any:
    """Return the type of a kind's spec, None where it has none."""
    return typing.get_type_hints(wanted).get("spec")


def _decoded(body: bytes, content_type: str, kind: Kind, validation: str) -> Decoded:
    doubled: list[str] = []
    plain = plain_body(body, content_type, doubled)
    if plain is None:
        plain = {}
    if not isinstance(plain, dict):
        raise bad_request(f"the body of the request is no object; a {kind.kind} is needed")
    _check_kind(plain, kind)
    tell_forgetting(plain)
    obj = typed(plain, kind)
    if validation == "Ignore":
        return Decoded(obj)
    text = body if media_type_of(content_type) in _JSON_TYPES else b""
    problems = strict_problems(plain, text, kind.type)
    if (problems or doubled) and validation == "Strict":
        told = ", ".join([*([doubled_keys_told(doubled)] if doubled else []), *problems])
        raise bad_request(f"{_handled(kind)}: strict decoding error: {told}")
    return Decoded(obj, (*doubled, *problems))


def tell_forgetting(plain: dict[str, Any]) -> None:
    """Write an empty list of managers' entries, which forgets them all, as the one empty entry that says the same.

    A typed object can't tell an empty list from none, which changes nothing.
    """
    meta = plain.get("metadata")
    if isinstance(meta, dict) and meta.get("managedFields") == []:
        plain["metadata"] = {**meta, "managedFields": [{}]}


def doubled_keys_told(doubled: Sequence[str]) -> str:
    """Return what a refusal says of the keys that stand twice in YAML."""
    return "\n  ".join(("yaml: unmarshal errors:", *doubled))


def typed(plain: Any, kind: Kind) -> Resource:
    """Return the object of `kind` that plain JSON describes. Raises ApiError 400."""
    try:
        return from_plain(plain, kind.type)
    except DecodeError as error:
        raise bad_request(f"{_handled(kind)}: {error}") from error


def strict_problems(plain: Any, text: bytes, wanted: type) -> Sequence[str]:
    """Return what strict decoding objects to, in the order of the text: unknown fields, and keys that stand twice.

    text: JSON that `plain` was read from, b"" where keys can't stand twice.
    """
    strange = strange_fields(plain, wanted)
    if not (text and may_repeat_keys(text, plain)):
        return first_told(f'unknown field "{path}"' for path in strange)
    unknown = set(strange)
    return first_told(
        f'{"duplicate" if is_again else "unknown"} field "{path}"'
        for path, is_again in keys_in_order(text)
        if is_again or path in unknown
    )


def first_told(problems: Iterable[str]) -> list[str]:
    """Return the first PROBLEMS_MAX different ones; the others are not even found."""
    found: dict[str, None] = {}
    for problem in problems:
        found[problem] = None
        if len(found) == PROBLEMS_MAX:
            break
    return list(found)


def may_repeat_keys(text: bytes, plain: Any) -> bool:
    """Say whether keys may stand twice in the JSON that `plain` was read from, so that it is worth looking.

    The last of equal keys wins, so a text with any has more quotes than what it decodes to, if none hides in an escape.
    """
    return text.count(b'"') != encode(plain).count(b'"') or b"\\u0022" in text


def duplicate_keys(text: bytes) -> list[str]:
    """Return the paths of the first PROBLEMS_MAX keys that stand more than once in one object of a JSON text."""
    return first_told(path for path, is_again in keys_in_order(text) if is_again)


def keys_in_order(text: bytes) -> Iterator[tuple[str, bool]]:
    """Yield the path of each key of a JSON text, and whether it stood in its object before."""
    return _keys_in(json.loads(text, object_pairs_hook=_Pairs), "")


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object in order, equal keys included."""


def _keys_in(value: Any, path: str) -> Iterator[tuple[str, bool]]:
    if isinstance(value, _Pairs):
        seen = set()
        for key, inner in value:
            here = member_path(path, key)
            yield here, key in seen
            seen.add(key)
            yield from _keys_in(inner, here)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _keys_in(inner, f"{path}[{index}]")


def decode_delete_options(body: bytes, content_type: str) -> DeleteOptions:
    """Return the options in the body of a DELETE. Raises ApiError 400 or 415."""
    plain = plain_body(body, content_type)
    if plain is None:
        return DeleteOptions()
    if not isinstance(plain, dict) or plain.get("kind", "DeleteOptions") != "DeleteOptions":
        raise bad_request("the body of the request is no DeleteOptions")
    try:
        return from_plain(plain, DeleteOptions)
    except DecodeError as error:
        raise bad_request(f"DeleteOptions: {error}") from error


def _handled(kind: Kind) -> str:
    return f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'


def _check_kind(plain: dict[str, Any], kind: Kind) -> None:
    """Fill in a missing apiVersion and kind from the path; refuse others."""
    found_version = plain.setdefault("apiVersion", kind.api_version) or kind.api_version
    found_kind = plain.setdefault("kind", kind.kind) or kind.kind
    if found_kind != kind.kind:
        raise _mismatch(found_kind, found_version, kind)
    if found_version != kind.api_version:
        message = (
            f"the API version in the data ({found_version}) does not match the expected API version "
            f"({kind.api_version})"
        )
        raise bad_request(message)


def _mismatch(found_kind: Any, found_version: Any, kind: Kind) -> ApiError:
    version = str(found_version).rpartition("/")[2]
    return bad_request(f'{found_kind} in version "{version}" cannot be handled as a {kind.kind}: the path is for those')
