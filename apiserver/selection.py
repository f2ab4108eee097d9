"""Which objects of a kind a list, a watch or a deletion means, parsed and ready to be asked of every object.

Source: kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors; the fields each kind offers are its
strategy's.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from apiserver.item import Item
from apiserver.shelf import INDEXED_FIELDS
from apiserver.strategies import strategy_of
from apiserver.versions import stored_kind
from kube.errors import bad_request
from kube.kinds import Kind
from kube.selectors import (
    MATCHES_ALL,
    FieldRequirement,
    FieldSelector,
    LabelSelector,
    SelectorError,
    parse_field_selector,
    parse_label_selector,
)

Pin = tuple[str, str]

NO_FIELDS: Final = FieldSelector()
_RENAMED: Final = {"reportingController": "reportingComponent"}


@dataclass(frozen=True)
class Selection:
    """Namespace and name ("" for any), labels, and the fields beyond those."""

    namespace: str = ""
    name: str = ""
    labels: LabelSelector = MATCHES_ALL
    fields: FieldSelector = NO_FIELDS

    @cached_property
    def is_partial(self) -> bool:
        """Whether a selector takes part, so that not all objects of the namespace are meant."""
        return bool(self.name) or not self.labels.is_empty or not self.fields.is_empty

    def matches(self, item: Item) -> bool:
        """Say whether an object is meant."""
        if self.namespace and item.namespace != self.namespace:
            return False
        if self.name and item.name != self.name:
            return False
        if not self.labels.is_empty and not self.labels.matches(item.obj.metadata.labels):
            return False
        return self.fields.is_empty or self.fields.matches(item.fields)

    def pin(self, kind: Kind) -> Pin | None:
        """Return a field with the value it must have, so that most changes needn't be looked at; None if any may do."""
        if self.name:
            return "metadata.name", self.name
        field = INDEXED_FIELDS.get((kind.group, kind.kind), "")
        value = self.fields.required(field) if field else None
        if value is not None:
            return field, value
        return ("metadata.namespace", self.namespace) if self.namespace else None


def parse_selection(kind: Kind, namespace: str, label_selector: str, field_selector: str) -> Selection:
    """Return what a request's path and selectors mean. Raises ApiError 400."""
    try:
        labels = parse_label_selector(label_selector)
        fields = parse_field_selector(field_selector)
    except SelectorError as error:
        raise bad_request(str(error)) from error
    if fields.is_empty:
        return Selection(namespace, "", labels)
    known = {"metadata.name", "metadata.namespace", *strategy_of(stored_kind(kind)).field_names}
    name, rest = "", []
    for asked in fields.requirements:
        requirement = _as_stored(kind, asked)
        if requirement.field not in known:
            raise bad_request(_unknown(asked.field, strategy_of(stored_kind(kind)).field_names))
        if requirement.field == "metadata.name" and requirement.is_equal and requirement.value and not name:
            name = requirement.value
        else:
            rest.append(requirement)
    return Selection(namespace, name, labels, FieldSelector(tuple(rest)))


def _as_stored(kind: Kind, asked: FieldRequirement) -> FieldRequirement:
    """Return the requirement with the name that the stored version's field has."""
    if kind is stored_kind(kind):
        return asked
    field = _RENAMED.get(asked.field, asked.field)
    if field.startswith("regarding."):
        field = "involvedObject." + field.removeprefix("regarding.")
    return FieldRequirement(field, asked.value, asked.is_equal)


def _unknown(field: str, others: tuple[str, ...]) -> str:
    if others:
        return f"field label not supported: {field}"
    return f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
