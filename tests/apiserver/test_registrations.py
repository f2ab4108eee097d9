"""The APIServices that tell what is served."""

from msgspec.structs import replace

from apiserver.discovery import paths
from apiserver.registrations import AT_START, AUTOMANAGED, register, served
from kube.api.apiregistration_v1 import APIService, APIServiceSpec
from kube.api.meta_v1 import ObjectMeta
from kube.objects import with_metadata
from tests.apiserver.material import context, parsed, rules_of, told, wrongs
from tests.kube.fake_client import FakeClient

ELSEWHERE = "{metadata: {name: v1.x.io}, spec: {group: x.io, version: v1, groupPriorityMinimum: 9, versionPriority: 9}}"


async def named(client: FakeClient) -> dict[str, APIService]:
    """Return the APIServices by name."""
    return {service.metadata.name: service for service in (await client.list(APIService)).items}


async def test_every_group_version_that_is_served_is_told() -> None:
    client = FakeClient()

    await register(client)

    found = await named(client)
    told_paths = {f"/apis/{service.spec.group}/{service.spec.version}" for service in found.values()}
    versions = {path for path in paths() if path.count("/") == 3}
    assert told_paths - {"/apis//v1"} == versions - {"/apis/apiregistration.k8s.io/v1"}
    assert found["v2.autoscaling"].spec.version_priority > found["v1.autoscaling"].spec.version_priority
    assert [wrong for service in served() for wrong in wrongs(service)] == []


async def test_a_start_puts_back_what_was_changed_and_takes_away_what_is_no_longer_served() -> None:
    client = FakeClient()
    await register(client)
    apps = (await named(client))["v1.apps"]
    await client.update(replace(apps, spec=replace(apps.spec, group_priority_minimum=1)))
    labels = {AUTOMANAGED: AT_START}
    gone = APIService(
        metadata=ObjectMeta(name="v9.apps", labels=labels), spec=APIServiceSpec(group="apps", version="v9")
    )
    await client.create(gone)

    await register(client)

    found = await named(client)
    assert found["v1.apps"].spec == apps.spec
    assert "v9.apps" not in found


async def test_what_somebody_else_keeps_stays_as_it_is() -> None:
    client = FakeClient()
    await register(client)
    apps = with_metadata((await named(client))["v1.apps"], labels={})
    own = replace(apps, spec=replace(apps.spec, group_priority_minimum=1))
    await client.update(own)
    await client.create(parsed(APIService, ELSEWHERE))

    await register(client)

    found = await named(client)
    assert found["v1.apps"].spec == own.spec
    assert "v1.x.io" in found


def test_what_is_served_here_is_available_from_the_start() -> None:
    service = next(served())

    made = rules_of(service).prepare_create(service, context())

    [condition] = made.status.conditions
    assert (condition.type, condition.status, condition.reason) == ("Available", "True", "Local")


def test_another_server_for_a_group_is_refused() -> None:
    """Requests would not reach it: better to hear of it at once than to wait for an answer."""
    service = parsed(
        APIService, ELSEWHERE.replace("versionPriority", "service: {name: a, namespace: b}, versionPriority")
    )

    told_wrong = "spec.service: Forbidden: this server passes no requests on to other API servers; leave it out"
    assert wrongs(service) == [told_wrong]


def test_the_status_of_a_condition_is_one_of_three() -> None:
    old = rules_of(APIService).prepare_create(parsed(APIService, ELSEWHERE), context())
    [condition] = old.status.conditions
    new = replace(old, status=replace(old.status, conditions=(replace(condition, status="Maybe"),)))

    errors = told(rules_of(APIService).validate_status_update(new, old))

    assert errors[0].startswith('status.conditions[0].status: Unsupported value: "Maybe"')
