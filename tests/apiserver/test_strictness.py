"""The quick way to find unknown fields agrees with the thorough one."""

import pytest

from apiserver.strictness import strange_fields
from kube.api.core_v1 import Pod
from kube.codec import to_plain
from kube.kinds import KINDS, Kind
from tests.apiserver.wire import pod


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.api_version}.{kind.kind}")
def test_no_kind_is_strange_to_itself(kind: Kind) -> None:
    plain = to_plain(kind.type())

    assert strange_fields(plain, kind.type) == []
    assert strange_fields({**plain, "surprise": 1}, kind.type) == ["surprise"]


def test_strange_fields_are_found_at_any_depth_and_nulls_are_not_strange() -> None:
    plain = pod()
    plain["metadata"]["creationTimestamp"] = None
    plain["metadata"]["labels"] = None
    plain["spec"]["containers"][0] |= {"imagee": "x", "ports": None, "resources": {"limit": {}, "limits": {"cpu": 1}}}

    assert strange_fields(plain, Pod) == ["spec.containers[0].imagee", "spec.containers[0].resources.limit"]
