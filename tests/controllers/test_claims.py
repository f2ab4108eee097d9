"""Whose is which object."""

from controllers.claims import apply_claims, plan_claims
from kube.api.core_v1 import Pod
from kube.objects import controller_of, with_metadata
from kube.selectors import label_selector_from_map
from tests import make
from tests.kube.fake_client import FakeClient

OWNER = make.replicaset()
OTHER = make.replicaset("other")
SELECTOR = label_selector_from_map(make.WEB)


def test_an_orphan_that_is_meant_is_adopted() -> None:
    orphan = make.pod()

    assert plan_claims(OWNER, SELECTOR, [orphan]).adopt == (orphan,)


def test_a_pod_of_somebody_else_is_never_touched() -> None:
    found = plan_claims(OWNER, SELECTOR, [make.pod(of=OTHER)])

    assert (found.owned, found.adopt, found.release) == ((), (), ())


def test_an_owned_pod_that_no_longer_matches_is_released() -> None:
    stranger = make.pod(of=OWNER, labels={"app": "debug"})

    assert plan_claims(OWNER, SELECTOR, [stranger]).release == (stranger,)


def test_an_owner_that_is_going_away_neither_adopts_nor_releases() -> None:
    owner = with_metadata(OWNER, deletion_timestamp=make.ago(1))

    found = plan_claims(owner, SELECTOR, [make.pod("orphan"), make.pod("mine", of=OWNER, labels={})])

    assert (found.adopt, found.release) == ((), ())


def test_a_terminating_orphan_and_one_in_another_namespace_are_left_alone() -> None:
    orphans = [make.pod(terminating=True), make.pod(namespace="elsewhere")]

    assert plan_claims(OWNER, SELECTOR, orphans).adopt == ()


async def test_adoption_and_release_are_written() -> None:
    client = FakeClient(OWNER, make.pod("orphan"), make.pod("mine", of=OWNER, labels={"app": "debug"}))
    claims = plan_claims(OWNER, SELECTOR, client.stored(Pod))

    owned = await apply_claims(client, OWNER, claims)

    assert [pod.metadata.name for pod in owned] == ["orphan"]
    adopted = controller_of(await client.get(Pod, "orphan", namespace="default"))
    assert adopted is not None
    assert (adopted.uid, adopted.block_owner_deletion) == ("uid-web", True)
    assert controller_of(await client.get(Pod, "mine", namespace="default")) is None


async def test_an_owner_that_is_gone_by_now_adopts_nobody() -> None:
    """The cache may be behind; a dead owner's orphan would be collected as garbage at once."""
    client = FakeClient(make.pod("orphan"))

    owned = await apply_claims(client, OWNER, plan_claims(OWNER, SELECTOR, client.stored(Pod)))

    assert owned == []
    assert controller_of(await client.get(Pod, "orphan", namespace="default")) is None
