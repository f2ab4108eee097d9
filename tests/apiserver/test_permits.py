"""What a request may do, found out once and carried along."""

import pytest

from apiserver.identity import User
from apiserver.paths import Target
from apiserver.pipeline import Permit
from kube.api.core_v1 import ConfigMap
from kube.kinds import kind_of

ADA = User("ada", ())
COLOURS = Target(kind_of(ConfigMap), "default", "colours")


def test_a_permit_says_who_may_do_what_to_what() -> None:
    assert Permit(ADA, "update", COLOURS).of("update") == (ADA, COLOURS)


def test_a_permit_to_do_one_thing_is_none_to_do_another() -> None:
    with pytest.raises(AssertionError, match="a permit to update was used to delete"):
        Permit(ADA, "update", COLOURS).of("delete")
