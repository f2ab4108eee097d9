"""YAML as kubectl reads and writes it.

Reading: YAML 1.1's booleans (on, yes, y), octals and 1e3 as numbers, but no dates and no sexagesimals; keys become
text; a key that stands twice is refused, unless the caller has a list for such; aliases may not blow the document up.
Writing: block style, no aliases, keys in the order given, and text in quotes wherever it would be read as something
else.
Source: sigs.k8s.io/yaml, as seen in what kubectl makes of a document; yaml.org/spec/1.1.
"""

import base64
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

NODES_PER_BYTE_MAX: Final = 20
NODES_FREE: Final = 10_000
LETTERS_PER_BYTE_MAX: Final = 20
LETTERS_FREE: Final = 1_000_000
DEPTH_MAX: Final = 200
DIGITS_MAX: Final = 100  # More than 64 bits take in any notation, leading zeros aside.
# Text as short as this can't nest so deeply that libyaml's recursion leaves the C stack (about 30,000 levels).
BYTES_HARMLESS: Final = 4_000


class YamlError(ValueError):
    """Text that is not the YAML it should be; the message tells the line."""


_BOOL: Final = re.compile(r"y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF")
_TRUE: Final = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_NULL: Final = re.compile(r"|~|null|Null|NULL")
_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9_]*|0o_*[0-7][0-7_]*|0[0-7_]+|0x_*[0-9a-fA-F][0-9a-fA-F_]*|0b_*[01][01_]*)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_PREFIX: Final = "tag:yaml.org,2002:"


def load_all(text: str | bytes, where: str = "", *, doubled: list[str] | None = None) -> list[Any]:
    """Return the documents of a stream; an empty one is None. Raises YamlError.

    where: the file's name, for errors. doubled: gets what is to be told of keys that stand twice, the last of which
    counts then; None refuses them.
    """
    try:
        return [_Builder(node, len(text), doubled).build() for node in _compose_all(text)]
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(f"{_at(where)}{line}{problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise YamlError(f"{_at(where)}is not YAML: {error}") from error
    except YamlError as error:
        raise YamlError(f"{_at(where)}{error}") from error
    except RecursionError as error:
        raise YamlError(f"{_at(where)}is nested too deeply; at most {DEPTH_MAX} levels are read") from error


def load(text: str | bytes, where: str = "") -> Any:
    """Return the one document of a text, None where it is empty. Raises YamlError."""
    documents = load_all(text, where)
    if len(documents) > 1:
        raise YamlError(f"{_at(where)}holds {len(documents)} documents; one is wanted")
    return documents[0] if documents else None


def dump(value: Any) -> str:
    """Return plain JSON data as one YAML document."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=2**31 - 1
    )
    return text.removesuffix("...\n")


def dump_all(values: list[Any]) -> str:
    """Return several documents as one stream."""
    return "---\n".join(map(dump, values))


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def _check_depth(text: str | bytes) -> None:
    """Refuse what is nested too deeply before it is composed: composing recurses in C and would end the process."""
    loader = yaml.CSafeLoader(text)
    depth = 0
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEPTH_MAX:
                    raise YamlError(f"{_line(event)}is nested too deeply; at most {DEPTH_MAX} levels are read")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    finally:
        loader.dispose()


def _compose_all(text: str | bytes) -> Iterator[Any]:
    if len(text) > BYTES_HARMLESS:
        _check_depth(text)
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_node():
            yield loader.get_node()
    finally:
        loader.dispose()


class _Builder:
    """Turns one document's nodes into plain data, counting them and their letters as aliases repeat them."""

    def __init__(self, root: Any, size: int, doubled: list[str] | None) -> None:
        self._root = root
        self._doubled = doubled
        self._nodes_left = NODES_FREE + size * NODES_PER_BYTE_MAX
        self._letters_left = LETTERS_FREE + size * LETTERS_PER_BYTE_MAX
        self._open: set[int] = set()

    def build(self) -> Any:
        return self._value(self._root)

    def _value(self, node: Any) -> Any:
        self._count(node)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if id(node) in self._open:
            raise YamlError(f"{_line(node)}an alias stands within what it names")
        if len(self._open) >= DEPTH_MAX:
            raise YamlError(f"{_line(node)}is nested too deeply; at most {DEPTH_MAX} levels are read")
        self._open.add(id(node))
        try:
            return self._mapping(node) if isinstance(node, yaml.MappingNode) else list(map(self._value, node.value))
        finally:
            self._open.remove(id(node))

    def _count(self, node: Any) -> None:
        self._nodes_left -= 1
        if isinstance(node, yaml.ScalarNode):
            self._letters_left -= len(node.value)
        if self._nodes_left < 0 or self._letters_left < 0:
            raise YamlError(f"{_line(node)}the document's aliases make it too large")

    def _mapping(self, node: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        inherited: list[dict[str, Any]] = []
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.value == "<<" and not key_node.style:
                inherited += self._merged(value_node)
                continue
            self._count(key_node)
            key = _key(key_node)
            if key in found:
                self._tell_doubled(f'{_line(key_node)}key "{key}" already set in map')
            found[key] = self._value(value_node)
        for other in inherited:
            for key, value in other.items():
                found.setdefault(key, value)
        return found

    def _tell_doubled(self, told: str) -> None:
        if self._doubled is None:
            raise YamlError(told)
        self._doubled.append(told)

    def _merged(self, node: Any) -> list[dict[str, Any]]:
        values = self._value(node)
        maps = values if isinstance(values, list) else [values]
        if not all(isinstance(value, dict) for value in maps):
            raise YamlError(f"{_line(node)}map merge requires map or sequence of maps as the value")
        return maps


def _key(node: Any) -> str:
    value = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if value is None:
        raise YamlError(f"{_line(node)}a key must be text; this one is a list, a map or null")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _scalar(node: Any) -> Any:
    text: str = node.value
    if node.tag == _PREFIX + "binary":
        try:
            return base64.b64decode(text, validate=False).decode()
        except ValueError as error:
            raise YamlError(f"{_line(node)}!!binary is not base64 of text ({error})") from error
    if node.style or (node.tag == _PREFIX + "str" and _was_tagged(node)):
        return text
    return _resolved(text, node)


def _was_tagged(node: Any) -> bool:
    """Say whether "!!str" stands in the text: an untagged scalar that looks like a number doesn't resolve to text."""
    start, end = node.start_mark.index, node.end_mark.index
    return bool(end - start > len(node.value.encode()))


def _resolved(text: str, node: Any) -> Any:
    """Return what a plain scalar means."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text in _TRUE
    if _INT.fullmatch(text) and (whole := _whole(text.replace("_", ""))) is not None:
        return whole
    if _FLOAT.fullmatch(text):
        number = float(text.replace("_", ""))
        if abs(number) == float("inf"):
            return text
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if _SPECIAL_FLOAT.fullmatch(text):
        raise YamlError(f"{_line(node)}{text} is no number that JSON has")
    return text


def _whole(text: str) -> int | None:
    """Return a whole number, None for one that 64 bits don't hold."""
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
    if len(digits) > DIGITS_MAX:
        return None
    radix = {"0x": 16, "0b": 2, "0o": 8}.get(digits[:2])
    number = sign * (int(digits[2:], radix) if radix else int(digits, 8 if digits.startswith("0") else 10))
    return number if -(1 << 63) <= number < 1 << 64 else None


def _line(node: Any) -> str:
    return f"line {node.start_mark.line + 1}: "


class _Dumper(yaml.CSafeDumper):
    """Writes without aliases, lists at their parent's indentation, text in quotes only where it needs them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - no value has one.
        return True


_AMBIGUOUS: Final = (_BOOL, _NULL, _INT, _FLOAT, _SPECIAL_FLOAT)
_DATE: Final = re.compile(r"\d{4}-\d\d?-\d\d?.*")
_SEXAGESIMAL: Final = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> Any:
    if "\n" in text and not re.search(r"[ \t]\n|\t|^[\n ]", text) and text.isprintable() is False and _is_plain(text):
        return dumper.represent_scalar(_PREFIX + "str", text, style="|")
    if any(form.fullmatch(text) for form in (*_AMBIGUOUS, _DATE, _SEXAGESIMAL)) or text in ("=", "<<"):
        return dumper.represent_scalar(_PREFIX + "str", text, style='"')
    return dumper.represent_scalar(_PREFIX + "str", text)


def _is_plain(text: str) -> bool:
    """Say whether a text of several lines holds nothing but printable letters and line ends."""
    return all(line.isprintable() for line in text.split("\n"))


_Dumper.add_representer(str, _represent_text)
