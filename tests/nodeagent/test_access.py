"""Who may ask a node what: as kubelets decide it."""

from typing import Any, cast

import pytest
from msgspec.structs import replace

from kube.api.authentication_v1 import TokenReview, TokenReviewStatus, UserInfo
from kube.api.authorization_v1 import SubjectAccessReview, SubjectAccessReviewStatus
from kube.client import Client, ConnectionLost
from nodeagent.access import REFUSED_KEPT_S, Access, Wanted, user_of_certificate, wanted
from tests.kube.fake_clock import FakeClock

PROMETHEUS = UserInfo(username="prometheus", groups=("system:authenticated",))


class Judge:
    """An API server that knows the token "good", and allows some subresources of nodes."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = set(allowed)
        self.asked: list[str] = []
        self.is_away = False

    async def create(self, obj: Any, *, dry_run: bool = False) -> Any:
        assert not dry_run
        if self.is_away:
            raise ConnectionLost("away")
        if isinstance(obj, TokenReview):
            self.asked.append("token")
            is_known = obj.spec.token == "good"
            return replace(obj, status=TokenReviewStatus(authenticated=is_known, user=PROMETHEUS))
        assert isinstance(obj, SubjectAccessReview)
        about = obj.spec.resource_attributes
        assert about is not None
        assert (about.resource, about.name, obj.spec.user) == ("nodes", "n1", "prometheus")
        self.asked.append(f"{about.verb} {about.subresource}")
        return replace(obj, status=SubjectAccessReviewStatus(allowed=about.subresource in self.allowed))


async def answered(access: Access, path: str, token: str = "good") -> int:
    """Return the code of the refusal of who has a token and no certificate, 200 where there is none."""
    refusal = await access.refusal("GET", path, f"Bearer {token}" if token else "", None)
    return 200 if refusal is None else refusal.status


def access_by(judge: Judge, clock: FakeClock) -> Access:
    """Return the access to a node."""
    return Access("n1", cast("Client", judge), clock)


async def test_who_may_read_metrics_may_read_no_logs_and_run_nothing() -> None:
    judge = Judge("metrics")
    access = access_by(judge, FakeClock())

    paths = ("/metrics/cadvisor", "/containerLogs/default/web/main", "/exec/default/web/main", "/stats/summary")
    codes = [await answered(access, path) for path in paths]

    assert codes == [200, 403, 403, 403]
    assert judge.asked == ["token", "get metrics", "get proxy", "create proxy", "get stats"]


async def test_the_rights_to_all_of_a_node_are_enough_for_its_parts() -> None:
    access = access_by(Judge("proxy"), FakeClock())

    assert [await answered(access, path) for path in ("/pods", "/healthz", "/configz")] == [200] * 3


async def test_nobody_known_is_told_nothing() -> None:
    access = access_by(Judge("metrics"), FakeClock())

    assert [await answered(access, "/metrics", token) for token in ("", "bad")] == [401, 401]


async def test_answers_are_remembered_for_a_while() -> None:
    judge, clock = Judge(), FakeClock()
    access = access_by(judge, clock)
    for _ in range(3):
        assert await answered(access, "/metrics") == 403
    assert judge.asked == ["token", "get metrics"]

    judge.allowed.add("metrics")
    await clock.advance(REFUSED_KEPT_S + 1)

    assert await answered(access, "/metrics") == 200


async def test_without_the_api_server_nobody_else_is_let_in() -> None:
    judge = Judge("metrics")
    judge.is_away = True

    assert await answered(access_by(judge, FakeClock()), "/metrics") == 500


def test_a_certificate_names_the_user_and_its_groups() -> None:
    held = {"subject": ((("organizationName", "system:masters"),), (("commonName", "admin"),))}

    assert user_of_certificate(held) == UserInfo(username="admin", groups=("system:masters", "system:authenticated"))
    assert user_of_certificate({}) is None


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/metrics/resource", Wanted("get", ("metrics",))),
        ("GET", "/attach/default/web/main", Wanted("create", ("proxy",))),
        ("POST", "/portForward/default/web", Wanted("create", ("proxy",))),
        ("GET", "/metricsx", Wanted("get", ("proxy",))),
        ("OPTIONS", "/pods", Wanted("", ("pods", "proxy"))),
    ],
)
def test_a_path_is_named_as_rules_name_it(method: str, path: str, expected: Wanted) -> None:
    assert wanted(method, path) == expected
