"""The built-in flow schemas and priority levels: made, kept, and left to whoever wants them otherwise."""

from msgspec.structs import replace

from apiserver.flow_control import AUTOUPDATE, built_in_levels, built_in_schemas, keep_flows, kept
from kube.api.flowcontrol_v1 import FlowSchema, PriorityLevelConfiguration
from kube.kinds import Resource
from kube.objects import condition, with_metadata
from tests.apiserver.material import NOW, wrongs
from tests.kube.fake_client import FakeClient

SCHEMAS = {schema.metadata.name: schema for schema in built_in_schemas()}
LEVELS = {level.metadata.name: level for level in built_in_levels()}


def changed(name: str, annotation: str | None, generation: int) -> FlowSchema:
    """Return a built-in schema as somebody made it."""
    schema = SCHEMAS[name]
    annotations = {} if annotation is None else {AUTOUPDATE: annotation}
    spec = replace(schema.spec, matching_precedence=77)
    return replace(with_metadata(schema, annotations=annotations, generation=generation), spec=spec)


def test_they_pass_their_own_rules_and_lead_to_each_other() -> None:
    built_in: list[Resource] = [*SCHEMAS.values(), *LEVELS.values()]

    assert [wrong for obj in built_in for wrong in wrongs(obj)] == []
    assert {schema.spec.priority_level_configuration.name for schema in SCHEMAS.values()} == set(LEVELS)


def test_one_that_follows_the_server_is_put_back() -> None:
    for found in (changed("probes", "true", 5), changed("probes", None, 1), changed("exempt", "false", 5)):
        put_back = kept(SCHEMAS[found.metadata.name], found)

        assert put_back.spec == SCHEMAS[found.metadata.name].spec
        assert put_back.metadata.annotations[AUTOUPDATE] == "true"


def test_one_that_somebody_took_over_stays_theirs_and_says_so() -> None:
    theirs = changed("probes", None, 2)

    assert kept(SCHEMAS["probes"], theirs) == with_metadata(theirs, annotations={AUTOUPDATE: "false"})
    said = changed("probes", "false", 2)
    assert kept(SCHEMAS["probes"], said) is said


def test_what_the_exempt_level_lends_is_the_users_affair() -> None:
    level = LEVELS["exempt"]
    assert level.spec.exempt is not None
    lending = replace(level, spec=replace(level.spec, exempt=replace(level.spec.exempt, lendable_percent=9)))

    assert kept(level, lending) is lending


async def test_a_schema_says_whether_its_level_exists() -> None:
    client = FakeClient()
    await keep_flows(client, NOW)
    assert {item.metadata.name for item in (await client.list(FlowSchema)).items} == set(SCHEMAS)
    assert {item.metadata.name for item in (await client.list(PriorityLevelConfiguration)).items} == set(LEVELS)
    spec = SCHEMAS["probes"].spec
    lost = replace(spec, priority_level_configuration=replace(spec.priority_level_configuration, name="mine"))
    await client.create(replace(with_metadata(SCHEMAS["probes"], name="lost"), spec=lost))

    await keep_flows(client, NOW)

    told = condition((await client.get(FlowSchema, "lost")).status.conditions, "Dangling")
    assert told is not None
    assert (told.status, told.reason) == ("True", "NotFound")
