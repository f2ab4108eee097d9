"""What holds of the rules of every kind."""

import random

import pytest

from apiserver import printing
from apiserver.strategies import STRATEGIES, strategy_of
from apiserver.strategies.metadata import validate_metadata, validate_metadata_update
from kube.codec import from_plain
from kube.kinds import KINDS, Kind, find_kind
from tests.apiserver.material import NOW, context
from tests.apiserver.odd_objects import odd_struct

STORED = [kind for kind in KINDS if "list" in kind.verbs and (kind.group, kind.version) != ("autoscaling", "v1")]
STORED = [kind for kind in STORED if kind.group != "events.k8s.io"]


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.resource)
def test_defaults_are_set_once_and_then_cost_nothing(kind: Kind) -> None:
    """Every write runs through `default`: an object that is complete must come back as it is."""
    rules = strategy_of(kind)

    complete = rules.default(kind.type())

    assert rules.default(complete) is complete


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.resource)
def test_every_field_that_can_be_selected_has_a_value(kind: Kind) -> None:
    """A field name without a value would match nothing in silence."""
    rules = strategy_of(kind)

    found = rules.selectable_fields(kind.type())

    assert set(found) == {"metadata.name", "metadata.namespace", *rules.field_names}


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.resource)
def test_a_row_has_a_cell_for_each_column_even_of_an_empty_object(kind: Kind) -> None:
    """Controllers and people store half-filled objects; a table must not fail on one."""
    assert len(printing.row(kind, kind.type(), NOW)) == len(printing.columns(kind))


def test_every_strategy_belongs_to_a_kind_that_is_served() -> None:
    """A misspelt row of the table would leave its kind without rules."""
    assert [row for row in STRATEGIES if find_kind(*row) is None] == []


RETURNED = (
    "pods services namespaces serviceaccounts resourcequotas persistentvolumes persistentvolumeclaims podtemplates"
    " storageclasses.storage.k8s.io csidrivers.storage.k8s.io csinodes.storage.k8s.io"
    " volumeattachments.storage.k8s.io volumeattributesclasses.storage.k8s.io deviceclasses.resource.k8s.io"
    " resourceclaims.resource.k8s.io resourceclaimtemplates.resource.k8s.io resourceslices.resource.k8s.io"
)
MADE_BY_UPDATE = (
    "services endpoints events leases.coordination.k8s.io limitranges roles.rbac.authorization.k8s.io"
    " rolebindings.rbac.authorization.k8s.io clusterroles.rbac.authorization.k8s.io"
    " clusterrolebindings.rbac.authorization.k8s.io runtimeclasses.node.k8s.io"
)


def test_a_deletion_is_answered_with_the_object_where_clients_expect_that() -> None:
    assert {kind.resource for kind in STORED if strategy_of(kind).returns_deleted} == set(RETURNED.split())


def test_an_update_makes_what_is_not_there_where_clients_expect_that() -> None:
    assert {kind.resource for kind in STORED if strategy_of(kind).allow_create_on_update} == set(MADE_BY_UPDATE.split())


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.resource)
def test_whatever_a_client_sends_is_judged_and_never_breaks_the_server(kind: Kind) -> None:
    """A rule that raises would be a 500, and a row that raises would hide every object of its kind."""
    rules, source = strategy_of(kind), random.Random(kind.resource)

    for _ in range(12):
        old, new = (from_plain(odd_struct(kind.type, source), kind.type) for _ in range(2))
        old = rules.prepare_create(rules.default(old), context())
        complete = rules.default(new)
        assert rules.default(complete) == complete
        rules.validate(old)
        validate_metadata(complete.metadata, rules)
        validate_metadata_update(complete.metadata, old.metadata)
        rules.validate_update(rules.prepare_update(complete, old, context()), old)
        if rules.has_status:
            rules.validate_status_update(rules.prepare_status_update(complete, old, context()), old)
        assert all(isinstance(value, str) for value in rules.selectable_fields(complete).values())
        row = printing.row(kind, complete, NOW)
        assert len(row) == len(printing.columns(kind))
