"""Server-side apply on values: what it makes of an object, and who manages what then."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.api.apps_v1 import Deployment
from kube.api.core_v1 import ConfigMap, Pod
from kube.api.meta_v1 import ManagedFieldsEntry
from kube.codec import from_plain, to_plain
from kube.fields.layout import layout_of_object
from kube.fields.managers import APPLY, UPDATE, Entries, Manager, Owned, capped, read, same_but_times, write
from kube.fields.sets import FieldSet, contains, from_text, path_text, paths
from kube.fields.tracking import Change, compare, updated
from kube.kinds import Resource
from kube.objects import with_metadata
from kube.patch.apply import Application, ApplyConflicts, ConfigurationError, apply, merge

NOW = "2026-01-02T03:04:05Z"
LATER = "2026-01-02T03:05:00Z"


def one_version(obj: Resource, api_version: str) -> Resource | None:
    """Know no version but the object's own."""
    return obj if obj.api_version == api_version else None


def applied(
    live: Resource, config: dict[str, Any], name: str = "me", *, force: bool = False, now: str = NOW
) -> Resource:
    """Return the object with its managers after an application."""
    how = Application(Manager(name, APPLY), live.api_version, one_version, force=force)
    found = apply(live, config, how, now)
    return with_metadata(found.obj, managed_fields=found.entries)


def changed(live: Resource, name: str, plain: dict[str, Any], *, now: str = NOW) -> Resource:
    """Return the object with its managers after an update to what `plain` says."""
    new: Resource = from_plain(plain, type(live))
    manager = Manager(name, UPDATE, live.api_version)
    entries = updated(live.metadata.managed_fields, Change(live, new, one_version), manager, now)
    return with_metadata(new, managed_fields=entries)


def owned(obj: Resource, name: str) -> list[str]:
    """Return the fields that a manager has."""
    found = read(obj.metadata.managed_fields)
    return [path_text(path) for manager in found if manager.name == name for path in paths(found[manager].fields)]


def conflicts(live: Resource, config: dict[str, Any], name: str = "me") -> list[str]:
    """Return what an application conflicts with, the whole message first."""
    with pytest.raises(ApplyConflicts) as refused:
        applied(live, config, name)
    return [str(refused.value), *(path for _, path in refused.value.causes())]


def config_map(**data: str) -> dict[str, Any]:
    """Return a configuration of a ConfigMap."""
    return {"metadata": {"name": "settings"}, "data": data}


def web(**spec: Any) -> dict[str, Any]:
    """Return a configuration of a Pod."""
    return {"metadata": {"name": "web"}, "spec": spec}


def test_what_is_no_longer_applied_goes_but_what_others_have_stays() -> None:
    obj = applied(ConfigMap(), config_map(a="1", b="2", c="3"), "one")
    obj = applied(obj, config_map(b="2"), "two")

    obj = applied(obj, config_map(a="1"), "one")

    assert to_plain(obj)["data"] == {"a": "1", "b": "2"}
    assert (owned(obj, "one"), owned(obj, "two")) == ([".data.a"], [".data.b"])


def test_a_manager_that_applies_nothing_more_is_forgotten_and_its_fields_go() -> None:
    obj = applied(ConfigMap(), config_map(a="1"), "one")

    obj = applied(obj, {"metadata": {"name": "settings"}}, "one")

    assert (to_plain(obj).get("data"), obj.metadata.name, obj.metadata.managed_fields) == (None, "settings", ())


def test_an_update_takes_fields_over_and_an_apply_then_conflicts() -> None:
    obj = applied(ConfigMap(), config_map(a="1", b="2"), "one")
    obj = changed(obj, "editor", config_map(a="9", b="2"))

    told = conflicts(obj, config_map(a="1", b="2"), "one")
    forced = applied(obj, config_map(a="1", b="2"), "one", force=True)

    assert told == ['Apply failed with 1 conflict: conflict with "editor" using v1: .data.a', ".data.a"]
    assert (owned(forced, "one"), owned(forced, "editor")) == ([".data.a", ".data.b"], [])


def test_to_empty_what_another_has_is_a_conflict() -> None:
    obj = applied(Pod(), web(nodeSelector={"disk": "fast"}), "one")

    assert conflicts(obj, web(nodeSelector={}), "two")[1:] == [".spec.nodeSelector"]
    assert to_plain(applied(obj, web(nodeSelector={}), "two", force=True))["spec"] == {"containers": []}


@pytest.mark.parametrize("nothing", [{}, None])
def test_to_apply_nothing_takes_nothing_from_what_divides(nothing: Any) -> None:
    obj = applied(ConfigMap(), config_map(a="1"), "one")

    obj = applied(obj, {"metadata": {"name": "settings", "labels": nothing}, "data": nothing}, "two")

    assert (to_plain(obj)["data"], owned(obj, "one")) == ({"a": "1"}, [".data.a"])


def test_an_item_whose_key_has_a_default_is_the_same_with_and_without_it() -> None:
    """Who applied a port's protocol may leave it out again without anybody losing the port."""
    port = {"containerPort": 80}
    obj = applied(Pod(), web(containers=[{"name": "a", "ports": [{**port, "protocol": "TCP"}]}]), "one")
    obj = applied(obj, web(containers=[{"name": "a", "ports": [port]}]), "two")

    obj = applied(obj, web(containers=[{"name": "a", "image": "1"}]), "one")

    assert '.spec.containers[name="a"].ports[containerPort=80,protocol="TCP"].containerPort' in owned(obj, "two")
    assert len(to_plain(obj)["spec"]["containers"][0]["ports"]) == 1


def test_an_application_that_changes_nothing_has_no_time_and_takes_none() -> None:
    obj = applied(ConfigMap(), config_map(a="1"), "one")

    obj = applied(obj, config_map(a="1"), "two", now=LATER)
    obj = applied(obj, config_map(a="1"), "one", now=LATER)

    assert {entry.manager: entry.time for entry in obj.metadata.managed_fields} == {"one": NOW, "two": None}


def test_several_conflicts_are_told_by_manager() -> None:
    obj = applied(ConfigMap(), config_map(a="1", b="2"), "one")
    obj = changed(obj, "editor", {**config_map(a="1", b="3"), "immutable": True})

    told = conflicts(obj, {**config_map(a="2", b="2"), "immutable": False}, "two")

    assert told == [
        "Apply failed with 3 conflicts: "
        'conflicts with "editor" using v1:\n- .data.b\n- .immutable\nconflicts with "one":\n- .data.a',
        ".data.b",
        ".immutable",
        ".data.a",
    ]


def test_the_same_value_is_shared_and_outlives_either_owner() -> None:
    obj = applied(ConfigMap(), config_map(a="1"), "one")
    obj = applied(obj, config_map(a="1"), "two")

    obj = applied(obj, {"metadata": {"name": "settings"}}, "one")

    assert (to_plain(obj)["data"], owned(obj, "two")) == ({"a": "1"}, [".data.a"])


def test_items_are_merged_by_key_and_go_with_all_that_is_in_them() -> None:
    obj = applied(Pod(), web(containers=[{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]), "one")
    filled = to_plain(with_metadata(obj, managed_fields=()))
    filled["spec"]["containers"][1]["imagePullPolicy"] = "Always"
    obj = with_metadata(from_plain(filled, Pod), managed_fields=obj.metadata.managed_fields)

    obj = applied(obj, web(containers=[{"name": "c", "image": "1"}, {"name": "a", "image": "2"}]), "one")

    assert [(item["name"], item["image"]) for item in to_plain(obj)["spec"]["containers"]] == [("c", "1"), ("a", "2")]


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        (["a", "x", "b"], ["b", "a"], ["x", "b", "a"]),
        (["a"], ["n", "a"], ["n", "a"]),
        (["a", "b"], ["c"], ["a", "b", "c"]),
        (["a", "x", "b", "y"], ["a", "n", "b"], ["a", "x", "n", "b", "y"]),
    ],
)
def test_applied_items_keep_their_order_among_the_others(live: list[str], config: list[str], merged: list[str]) -> None:
    layout = layout_of_object(ConfigMap)

    found = merge({"metadata": {"finalizers": live}}, {"metadata": {"finalizers": config}}, layout)

    assert found == {"metadata": {"finalizers": merged}}


def test_very_many_items_are_merged_in_time() -> None:
    """Comparing each with each would keep everybody else waiting."""
    live, config = ([f"example.com/{side}-{number}" for number in range(20_000)] for side in ("old", "new"))
    wanted = [*config, *live[::2]]

    started_s = time.process_time()
    found = merge({"metadata": {"finalizers": live}}, {"metadata": {"finalizers": wanted}}, layout_of_object(ConfigMap))

    assert time.process_time() - started_s < 2
    assert sorted(found["metadata"]["finalizers"]) == sorted([*live, *config])


def test_an_atom_is_replaced_and_conflicts_as_a_whole() -> None:
    obj = applied(Pod(), web(nodeSelector={"a": "1"}, tolerations=[{"key": "a"}]), "one")

    told = conflicts(obj, web(nodeSelector={"b": "1"}), "two")
    forced = applied(obj, web(nodeSelector={"b": "1"}), "two", force=True)

    assert told[1:] == [".spec.nodeSelector"]
    assert to_plain(forced)["spec"]["nodeSelector"] == {"b": "1"}
    assert owned(forced, "one") == [".spec.tolerations"]


def test_what_was_there_before_anybody_counted_is_not_taken_without_force() -> None:
    live: ConfigMap = from_plain(config_map(a="1"), ConfigMap)

    told = conflicts(live, config_map(a="2"))

    assert told[0] == 'Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.a'


def test_a_list_whose_items_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="duplicate entries for key"):
        applied(Pod(), web(containers=[{"name": "a"}, {"name": "a"}]))


def test_an_update_that_changes_what_one_has_already_changes_the_time_alone() -> None:
    obj = changed(applied(ConfigMap(), config_map(a="1"), "one"), "editor", config_map(a="1", b="2"))

    again = changed(obj, "editor", config_map(a="1", b="3"), now=LATER)
    same = changed(again, "editor", config_map(a="1", b="3"), now="2027-01-01T00:00:00Z")

    assert same_but_times(again.metadata.managed_fields, obj.metadata.managed_fields)
    assert [entry.time for entry in again.metadata.managed_fields] == [NOW, LATER]
    assert same.metadata.managed_fields is again.metadata.managed_fields


def test_old_updaters_are_told_together_and_those_that_apply_never() -> None:
    obj = applied(ConfigMap(), config_map(a="1"), "one")
    data = {"a": "1"}
    for number in range(14):
        data[f"k{number}"] = "x"
        obj = changed(obj, f"editor-{number:02}", config_map(**data), now=f"2026-01-02T03:{number:02}:00Z")

    entries = obj.metadata.managed_fields

    assert [entry.manager for entry in entries] == ["one", "ancient-changes", *(f"editor-{n:02}" for n in range(5, 14))]
    assert owned(obj, "ancient-changes") == [f".data.k{number}" for number in range(5)]
    assert entries[1].time == "2026-01-02T03:04:00Z"


def test_versions_have_buckets_of_their_own() -> None:
    fields = from_text(b'{"f:a":{}}')
    managers = {
        Manager(f"m{number:02}", UPDATE, f"v{number % 2}"): Owned(fields, f"v{number % 2}", NOW) for number in range(12)
    }

    left = capped(managers)

    ancient = sorted(manager.api_version for manager in left if manager.name == "ancient-changes")
    assert (len(left), ancient) == (10, ["v0", "v1"])


VALUES = st.sampled_from(["1", "2"])
CONFIGS = st.builds(
    lambda data, labels, finalizers: {
        "metadata": {
            "name": "x",
            **({"labels": labels} if labels is not None else {}),
            **({"finalizers": finalizers} if finalizers is not None else {}),
        },
        **({"data": data} if data is not None else {}),
    },
    st.none() | st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4),
    st.none() | st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2),
    st.none() | st.lists(st.sampled_from(["x/1", "x/2", "x/3"]), unique=True, max_size=3),
)
ENV: st.SearchStrategy[Any] = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("AB")}, optional={"value": VALUES}),
    unique_by=lambda item: item["name"],
    max_size=2,
)
PORTS: st.SearchStrategy[Any] = st.lists(
    st.builds(
        lambda port, rest: {"containerPort": port, **rest},
        st.integers(80, 82),
        st.dictionaries(st.just("name"), VALUES, max_size=1),
    ),
    unique_by=lambda item: item["containerPort"],
    max_size=2,
)
NAMES: st.SearchStrategy[Any] = st.sampled_from("abc")
CONTAINERS: st.SearchStrategy[Any] = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES},
        optional={
            "image": VALUES,
            "env": ENV,
            "ports": PORTS,
        },
    ),
    unique_by=lambda item: item["name"],
    max_size=3,
)
PODS = st.builds(
    lambda containers, selector: web(containers=containers, **({"nodeSelector": selector} if selector else {})),
    CONTAINERS,
    st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2),
)
EITHER = st.one_of(
    st.tuples(st.just(ConfigMap), st.lists(CONFIGS, min_size=2, max_size=5)),
    st.tuples(st.just(Pod), st.lists(PODS, min_size=2, max_size=5)),
)


def has_all(obj: Resource, config: dict[str, Any]) -> bool:
    """Say whether an object is as a configuration says."""
    layout = layout_of_object(type(obj))
    plain = to_plain(with_metadata(obj, managed_fields=()))
    merged: Resource = from_plain(merge(plain, config, layout), type(obj))
    return not compare(from_plain(plain, type(obj)), merged)


@settings(max_examples=150, deadline=None)
@given(EITHER)
def test_to_apply_again_changes_nothing(drawn: tuple[type[Resource], list[dict[str, Any]]]) -> None:
    cls, configs = drawn
    obj = cls()
    for number, config in enumerate(configs):
        obj = applied(obj, config, f"manager-{number % 2}", force=True)

    again = applied(obj, configs[-1], f"manager-{(len(configs) - 1) % 2}", now=LATER)

    assert has_all(obj, configs[-1])
    assert again == with_metadata(obj, managed_fields=again.metadata.managed_fields)
    assert same_but_times(again.metadata.managed_fields, obj.metadata.managed_fields)


@settings(max_examples=150, deadline=None)
@given(EITHER)
def test_two_managers_never_lose_each_others_fields_without_force(
    drawn: tuple[type[Resource], list[dict[str, Any]]],
) -> None:
    """Whatever each of them applies, the other one's last configuration holds."""
    cls, configs = drawn
    obj, last = cls(), dict[str, dict[str, Any]]()
    for number, config in enumerate(configs):
        name = f"manager-{number % 2}"
        try:
            obj = applied(obj, config, name)
        except ApplyConflicts:
            continue
        last[name] = config
        for mine in last.values():
            assert has_all(obj, mine)


@settings(max_examples=150, deadline=None)
@given(EITHER)
def test_force_takes_every_field_that_was_in_conflict(drawn: tuple[type[Resource], list[dict[str, Any]]]) -> None:
    cls, (first, second, *_) = drawn
    obj = applied(cls(), first, "one")
    before = fields_of_manager(obj, "one")
    try:
        applied(obj, second, "two")
        taken: FieldSet = {}
    except ApplyConflicts as error:
        taken = next(iter(error.conflicts.values()))

    forced = applied(obj, second, "two", force=True)

    assert has_all(forced, second)
    assert contains(before, taken)
    assert not set(paths(taken)) & set(paths(fields_of_manager(forced, "one")))


def fields_of_manager(obj: Resource, name: str) -> FieldSet:
    """Return what a manager has."""
    found = read(obj.metadata.managed_fields)
    return next((found[manager].fields for manager in found if manager.name == name), {})


@settings(max_examples=150, deadline=None)
@given(EITHER, st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_after_any_writes_managers_have_only_fields_that_are_there(
    drawn: tuple[type[Resource], list[dict[str, Any]]], ways: list[int]
) -> None:
    cls, configs = drawn
    obj: Resource = cls()
    for config, way in zip(configs, ways, strict=False):
        obj = changed(obj, "editor", config) if way == 0 else applied(obj, config, f"manager-{way}", force=True)

    there = compare(cls(), obj).changed
    for manager, has in read(obj.metadata.managed_fields).items():
        for path in set(paths(has.fields)) - set(paths(there)):
            below = [found for found in paths(there) if found[: len(path)] == path]
            assert below or manager.operation == APPLY, (manager, path_text(path))


def test_entries_read_and_written_are_the_same() -> None:
    obj = applied(Deployment(), {"spec": {"replicas": 2}}, "one")
    entries: Entries = obj.metadata.managed_fields

    assert write(read(entries)) == entries
    assert isinstance(entries[0], ManagedFieldsEntry)
