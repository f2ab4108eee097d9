"""JSON patch: a list of operations on plain JSON.

The document that is given is never changed; what an operation doesn't touch is shared between it and the result.
Source: RFC 6902; pointers, RFC 6901. A remove of a path that isn't there, a failed test and a bad pointer are errors.
As in Kubernetes, and beyond the RFC: an index may count from the end (-1 is the last); a key that an object hasn't is
null to test and copy, and is set by replace.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kube.codec import encode, is_deeper_than, to_plain

OPERATIONS_MAX: Final = 10_000
DEPTH_MAX: Final = 200
COPIED_MAX_BYTES: Final = 3 * 1024 * 1024


class JsonPatchError(ValueError):
    """A patch that can't be carried out. The message names the operation by its place in the list."""


class JsonPatchTestFailed(JsonPatchError):  # noqa: N818 - RFC 6902's word.
    """A "test" operation found another value."""


_INDEX: Final = re.compile(r"-?(0|[1-9][0-9]*)")
_ESCAPE: Final = re.compile(r"~(?![01])")


def apply_json_patch(document: Any, patch: Sequence[Mapping[str, Any]]) -> Any:
    """Return `document` after all operations of `patch`, in order. Raises JsonPatchError."""
    if not isinstance(patch, list | tuple):
        raise JsonPatchError(f"a JSON patch is a list of operations, not {_type_name(patch)}")
    if len(patch) > OPERATIONS_MAX:
        raise JsonPatchError(f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(patch)}")
    copy = _Copy(document)
    for number, operation in enumerate(patch):
        try:
            _operate(copy, operation)
        except JsonPatchError as error:
            raise type(error)(f"operation {number}: {error}") from error
    if is_deeper_than(copy.root, DEPTH_MAX):
        raise JsonPatchError(f"the result is nested too deeply; at most {DEPTH_MAX} levels are taken")
    return copy.root


def _operate(copy: "_Copy", operation: Mapping[str, Any]) -> None:
    if not isinstance(operation, Mapping):
        raise JsonPatchError(f"must be an object, not {_type_name(operation)}")
    path = _pointer(operation, "path")
    match operation.get("op"):
        case "add":
            copy.add(path, _value(operation))
        case "remove":
            copy.remove(path)
        case "replace":
            _value_at(copy.root, path)
            copy.put(path, _value(operation))
        case "move":
            source = _pointer(operation, "from")
            if path[: len(source)] == source and path != source:
                raise JsonPatchError(f'move: "{operation["from"]}" can\'t be moved into itself')
            value = _find(copy.root, source)
            if path != source:
                copy.remove(source)
                copy.add(path, value)
        case "copy":
            copy.add(path, copy.duplicate(_pointer(operation, "from")))
        case "test":
            if not _same(_value_at(copy.root, path), operation.get("value")):
                raise JsonPatchTestFailed(f"testing value {operation['path']} failed")
        case None:
            raise JsonPatchError('has no "op"; one of add, remove, replace, move, copy, test')
        case unknown:
            raise JsonPatchError(f"unexpected kind: {unknown}; one of add, remove, replace, move, copy, test")


class _Copy:
    """A document that changes, and the one that it was at first doesn't: what would change is copied, once.

    A copy of a long list for each operation would keep everybody else waiting.
    """

    def __init__(self, document: Any) -> None:
        self.root = document
        self._own: dict[int, Any] = {}
        """The lists and objects that nobody else has, by their ids."""
        self._duplicated_bytes = 0

    def add(self, path: tuple[str, ...], value: Any) -> None:
        """Insert a value into a list, or set that of an object's key."""
        if not path:
            self.root = value
            return
        parent, token = self._opened(path[:-1]), path[-1]
        if isinstance(parent, dict):
            parent[token] = value
        elif isinstance(parent, list):
            parent.insert(len(parent) if token == "-" else _index(parent, token, path, len(parent)), value)  # noqa: S105
        else:
            raise _missing(path)

    def remove(self, path: tuple[str, ...]) -> None:
        """Take away what is at a path."""
        if not path:
            self.root = None
            return
        _find(self.root, path)
        parent = self._opened(path[:-1])
        del parent[_key(parent, path)]

    def put(self, path: tuple[str, ...], value: Any) -> None:
        """Set what is at a path, or the value of a key that its object hasn't yet."""
        if not path:
            self.root = value
            return
        parent = self._opened(path[:-1])
        parent[_key(parent, path)] = value

    def duplicate(self, path: tuple[str, ...]) -> Any:
        """Return a copy of what is at a path: a few copies of copies would make more than any memory holds."""
        text = encode(_value_at(self.root, path))
        self._duplicated_bytes += len(text)
        if self._duplicated_bytes > COPIED_MAX_BYTES:
            raise JsonPatchError(f"copies more than {COPIED_MAX_BYTES} bytes in all")
        return to_plain(_value_at(self.root, path))

    def _opened(self, path: tuple[str, ...]) -> Any:
        """Return what is at a path, to be changed in place."""
        self.root = here = self._owned(self.root)
        for depth in range(1, len(path) + 1):
            inner = _child(here, path[depth - 1], path[:depth])
            mine = self._owned(inner)
            if mine is not inner:
                here[_key(here, path[:depth])] = mine
            here = mine
        return here

    def _owned(self, value: Any) -> Any:
        if not isinstance(value, dict | list) or id(value) in self._own:
            return value
        mine = value.copy()
        self._own[id(mine)] = mine
        return mine


def _key(parent: Any, path: tuple[str, ...]) -> Any:
    """Return by what the last step of a path is found in its list or object."""
    return _index(parent, path[-1], path, len(parent) - 1) if isinstance(parent, list) else path[-1]


def _value(operation: Mapping[str, Any]) -> Any:
    if "value" not in operation:
        raise JsonPatchError(f'{operation["op"]} {operation["path"]}: has no "value"')
    return operation["value"]


def _pointer(operation: Mapping[str, Any], member: str) -> tuple[str, ...]:
    """Return the reference tokens of an operation's pointer."""
    text = operation.get(member)
    if not isinstance(text, str):
        raise JsonPatchError(f'has no "{member}"; write a pointer such as "/spec/replicas"')
    if text and not text.startswith("/"):
        raise JsonPatchError(f'{member} "{text}": must be empty or begin with "/"')
    if _ESCAPE.search(text):
        raise JsonPatchError(f'{member} "{text}": "~" must be written "~0", and "/" within a name "~1"')
    tokens = text.split("/")[1:]
    if len(tokens) > DEPTH_MAX:
        raise JsonPatchError(f"{member}: is deeper than {DEPTH_MAX} levels")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in tokens)


def _find(document: Any, path: tuple[str, ...]) -> Any:
    for depth, token in enumerate(path):
        document = _child(document, token, path[: depth + 1])
    return document


def _value_at(document: Any, path: tuple[str, ...]) -> Any:
    """Return what is at a path, None for a key that its object hasn't."""
    parent = _find(document, path[:-1])
    if path and isinstance(parent, dict) and path[-1] not in parent:
        return None
    return _find(document, path)


def _child(parent: Any, token: str, path: tuple[str, ...]) -> Any:
    if isinstance(parent, dict) and token in parent:
        return parent[token]
    if isinstance(parent, list):
        return parent[_index(parent, token, path, len(parent) - 1)]
    raise _missing(path)


def _index(items: list[Any], token: str, path: tuple[str, ...], last: int) -> int:
    if not _INDEX.fullmatch(token):
        raise JsonPatchError(f'{_shown(path)}: "{token}" is not an index of a list')
    at = int(token) if len(token) < 10 else last + 1
    if at < 0:
        at += last + 1
    if not 0 <= at <= last:
        raise JsonPatchError(f"{_shown(path)}: the list has {len(items)} items")
    return at


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does: true is not 1, and 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _missing(path: tuple[str, ...]) -> JsonPatchError:
    return JsonPatchError(f"{_shown(path)}: there is nothing at this path")


def _shown(path: tuple[str, ...]) -> str:
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in path)


def _type_name(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
