"""Label and field selectors: which objects a list, a watch, a Service or a ReplicaSet means.

A selector is parsed once and matched very often (by every watch, for every event), so the exact values, which most
selectors are made of, are kept apart from the other tests.
Source: kubernetes.io/docs/concepts/overview/working-with-objects/labels, .../field-selectors
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from kube.api import meta_v1
from kube.memo import by_text
from kube.names import check_label_key, check_label_value


class SelectorError(ValueError):
    """Text or an object that is no selector."""


class Operator(Enum):
    """What a requirement asks of a label; the value is the word in the text form."""

    EQUALS = "="
    NOT_EQUALS = "!="
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"
    GREATER = ">"
    LESS = "<"


_OBJECT_OPERATORS: Final = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.DOES_NOT_EXIST,
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One test of one label. values: what it is compared to, empty for EXISTS and DOES_NOT_EXIST."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether `labels` pass this test. A label that is missing passes NOT_EQUALS and NOT_IN."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.EQUALS | Operator.IN:
                return value is not None and value in self.values
            case Operator.NOT_EQUALS | Operator.NOT_IN:
                return value is None or value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None
            case _:
                return _compares(value, self.operator, next(iter(self.values)))

    def __str__(self) -> str:
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"
            case Operator.IN | Operator.NOT_IN:
                return f"{self.key} {self.operator.value} ({','.join(sorted(self.values))})"
            case _:
                return f"{self.key}{self.operator.value}{next(iter(self.values))}"


def _compares(value: str | None, operator: Operator, limit: str) -> bool:
    if value is None or not re.fullmatch(r"[+-]?[0-9]+", value):
        return False
    return int(value) > int(limit) if operator is Operator.GREATER else int(value) < int(limit)


class LabelSelector:
    """Requirements that labels must meet, all of them. `matches_nothing` makes one that no object meets."""

    __slots__ = ("_exact", "_others", "matches_nothing", "requirements")

    def __init__(self, requirements: Iterable[Requirement] = (), *, matches_nothing: bool = False) -> None:
        self.requirements = tuple(sorted(requirements, key=lambda requirement: requirement.key))
        self.matches_nothing = matches_nothing
        exact = [requirement for requirement in self.requirements if requirement.operator is Operator.EQUALS]
        self._exact = tuple((requirement.key, next(iter(requirement.values))) for requirement in exact)
        self._others = tuple(r for r in self.requirements if r.operator is not Operator.EQUALS)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether labels meet every requirement."""
        if self.matches_nothing:
            return False
        for key, value in self._exact:
            if labels.get(key) != value:
                return False
        return all(requirement.matches(labels) for requirement in self._others)

    @property
    def is_empty(self) -> bool:
        """Whether it asks nothing and so matches everything."""
        return not self.requirements and not self.matches_nothing

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def __repr__(self) -> str:
        return f"LabelSelector({'nothing' if self.matches_nothing else str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelSelector):
            return NotImplemented
        return (self.requirements, self.matches_nothing) == (other.requirements, other.matches_nothing)

    def __hash__(self) -> int:
        return hash((self.requirements, self.matches_nothing))


MATCHES_ALL: Final = LabelSelector()
MATCHES_NONE: Final = LabelSelector(matches_nothing=True)


def label_selector_from_map(labels: Mapping[str, str] | None) -> LabelSelector:
    """Return the selector that a Service or ReplicationController writes as a plain map.

    A map without entries matches everything; callers for whom it means nothing (a Service) ask `is_empty` first.
    """
    return LabelSelector(_equals(key, value) for key, value in (labels or {}).items())


def label_selector_from_object(selector: meta_v1.LabelSelector | None) -> LabelSelector:
    """Return the selector of an object form: None matches nothing, an empty one everything. Raises SelectorError."""
    if selector is None:
        return MATCHES_NONE
    found = [_equals(key, value) for key, value in selector.match_labels.items()]
    found += [_from_expression(expression) for expression in selector.match_expressions]
    return LabelSelector(found) if found else MATCHES_ALL


def _equals(key: str, value: str) -> Requirement:
    return Requirement(key, Operator.EQUALS, frozenset((value,)))


def _from_expression(expression: meta_v1.LabelSelectorRequirement) -> Requirement:
    operator = _OBJECT_OPERATORS.get(expression.operator)
    if operator is None:
        raise SelectorError(f'"{expression.operator}" is not a valid label selector operator')
    return _checked(Requirement(expression.key, operator, frozenset(expression.values)))


def _checked(requirement: Requirement, key_path: str = "key") -> Requirement:
    """Return the requirement. Raises SelectorError where its key, operator and values don't fit one another."""
    if errors := check_label_key(requirement.key):
        raise SelectorError(f'{key_path}: Invalid value: "{requirement.key}": {"; ".join(errors)}')
    values = sorted(requirement.values)
    if requirement.operator in (Operator.IN, Operator.NOT_IN) and not values:
        raise SelectorError("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if requirement.operator in (Operator.EXISTS, Operator.DOES_NOT_EXIST) and values:
        raise SelectorError("values: Invalid value: values set must be empty for exists and does not exist")
    for index, value in enumerate(values):
        if errors := check_label_value(value):
            raise SelectorError(f'values[{index}][{requirement.key}]: Invalid value: "{value}": {"; ".join(errors)}')
        if requirement.operator in (Operator.GREATER, Operator.LESS) and not re.fullmatch(r"[+-]?[0-9]+", value):
            raise SelectorError(
                f"values[{index}]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
            )
    return requirement


_TOKEN: Final = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)")

_NOT_WORDS: Final = frozenset({"", "=", "==", "!=", "!", "<", ">", "(", ")", ","})


@by_text(1024)
def parse_label_selector(text: str) -> LabelSelector:
    """Return the selector of a text form such as "app=web,tier in (a,b),!old". Raises SelectorError."""
    words = _TOKEN.findall(text)
    if not words:
        return MATCHES_ALL
    return LabelSelector(_Parser(words).requirements())


_NO_PATH: Final = "<nil>"
"""Where a key of the text form stands, as Kubernetes words it."""


class _Parser:
    """Reads one selector's words from first to last."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._next = 0

    def requirements(self) -> Iterator[Requirement]:
        if self._peek() in _NOT_WORDS - {"!"}:
            raise _unexpected(self._peek(), "!, identifier, or 'end of string'")
        while True:
            try:
                found = self._requirement()
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            yield found
            word = self._take()
            if word == "":
                return
            if word != ",":
                raise _unexpected(word, "',' or 'end of string'")
            if self._peek() in _NOT_WORDS - {"!"}:
                raise _unexpected(self._peek(), "identifier after ','")

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._take()
            return _checked(Requirement(self._identifier(), Operator.DOES_NOT_EXIST), _NO_PATH)
        key = self._identifier()
        if self._peek() in ("", ","):
            return _checked(Requirement(key, Operator.EXISTS), _NO_PATH)
        word = self._take()
        if word in ("in", "notin"):
            return _checked(Requirement(key, Operator(word), self._set()), _NO_PATH)
        if word in ("=", "==", "!=", "<", ">"):
            operator = Operator.EQUALS if word == "==" else Operator(word)
            return _checked(Requirement(key, operator, frozenset((self._value(),))), _NO_PATH)
        raise _unexpected(word, "in, notin, =, ==, !=, gt, lt")

    def _identifier(self) -> str:
        word = self._take()
        if word in _NOT_WORDS:
            raise _unexpected(word, "identifier")
        return word

    def _value(self) -> str:
        return "" if self._peek() in ("", ",") else self._identifier()

    def _set(self) -> frozenset[str]:
        if (word := self._take()) != "(":
            raise SelectorError(f"found '{word}' expected: '('")
        values: set[str] = set()
        while True:
            word = self._peek()
            if word in _NOT_WORDS - {",", ")"}:
                raise _unexpected(word, "',', or identifier" if values else "',', ')' or identifier")
            values.add("" if word in (",", ")") else self._take())
            word = self._take()
            if word == ")":
                return frozenset(values)
            if word != ",":
                raise _unexpected(word, "',' or ')'")

    def _peek(self) -> str:
        return self._words[self._next] if self._next < len(self._words) else ""

    def _take(self) -> str:
        word = self._peek()
        self._next += 1
        return word


def _unexpected(word: str, expected: str) -> SelectorError:
    return SelectorError(f"found '{word}', expected: {expected}")


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One test of one field."""

    field: str
    value: str
    is_equal: bool = True

    def __str__(self) -> str:
        escaped = re.sub(r"([\\,=])", r"\\\1", self.value)
        return f"{self.field}{'=' if self.is_equal else '!='}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Fields and the values that they must, or must not, have; all of them."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Say whether the fields meet every requirement; a field that is missing counts as empty."""
        for requirement in self.requirements:
            if (fields.get(requirement.field, "") == requirement.value) is not requirement.is_equal:
                return False
        return True

    @property
    def is_empty(self) -> bool:
        """Whether it asks nothing."""
        return not self.requirements

    def required(self, field: str) -> str | None:
        """Return the value that `field` must have, None where any will do."""
        return next((r.value for r in self.requirements if r.field == field and r.is_equal), None)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


_FIELD_TERM: Final = re.compile(r"((?:[^\\,]|\\.|\\$)*)(,|$)", re.DOTALL)
_FIELD_OPERATOR: Final = re.compile(r"!=|==|=")


@by_text(1024)
def parse_field_selector(text: str) -> FieldSelector:
    """Return the selector of a text form such as "spec.nodeName=a,status.phase!=Failed". Raises SelectorError."""
    terms = [match[1] for match in _FIELD_TERM.finditer(text)]
    return FieldSelector(tuple(_field_requirement(term, text) for term in terms if term))


def _field_requirement(term: str, text: str) -> FieldRequirement:
    operator = _FIELD_OPERATOR.search(term)
    if operator is None:
        raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
    return FieldRequirement(term[: operator.start()], _unescaped(term[operator.end() :]), operator[0] != "!=")


def _unescaped(value: str) -> str:
    for match in re.finditer(r"\\(.?)|([,=])", value, re.DOTALL):
        if match[2]:
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(match[2])}")
        if match[1] not in ("\\", ",", "=") or not match[1]:
            raise SelectorError(f"invalid field selector: invalid escape sequence: \\{match[1]}")
    return re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
