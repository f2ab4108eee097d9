"""Strategic merge patch: lists merge by key, directives do what they say, and an apply meets in the middle."""

import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.api.apps_v1 import Deployment
from kube.api.core_v1 import Node, Pod, Service
from kube.patch.strategic import StrategicPatchError, apply_strategic_patch
from tests.kube.three_way import three_way

Json = dict[str, Any]


def pod_with(*containers: Json, **spec: Any) -> Json:
    return {"metadata": {"name": "web"}, "spec": {"containers": list(containers), **spec}}


def containers_after(patch: Json, *containers: Json) -> Any:
    return apply_strategic_patch(pod_with(*containers), {"spec": patch}, Pod)["spec"]["containers"]


def test_items_with_the_same_key_merge_and_others_stay() -> None:
    patch = {"containers": [{"name": "web", "image": "web:2"}]}

    after = containers_after(patch, {"name": "web", "image": "web:1", "tty": True}, {"name": "log"})

    assert after == [{"name": "web", "image": "web:2", "tty": True}, {"name": "log"}]


def test_a_new_item_comes_before_those_that_the_patch_does_not_name() -> None:
    """As Kubernetes orders them: the patch's items keep their order and nothing in the live list places a new one."""
    assert containers_after({"containers": [{"name": "new"}]}, {"name": "a"}, {"name": "b"}) == [
        {"name": "new"},
        {"name": "a"},
        {"name": "b"},
    ]


def test_an_item_marked_for_deletion_goes() -> None:
    patch = {"containers": [{"name": "a", "$patch": "delete"}, {"name": "never-there", "$patch": "delete"}]}

    assert containers_after(patch, {"name": "a"}, {"name": "b"}) == [{"name": "b"}]


def test_an_owner_reference_is_taken_away_as_the_controller_manager_does_it() -> None:
    pod = {"metadata": {"ownerReferences": [{"uid": "1", "name": "a"}, {"uid": "2", "name": "b"}]}}

    after = apply_strategic_patch(pod, {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": "1"}]}}, Pod)

    assert after == {"metadata": {"ownerReferences": [{"uid": "2", "name": "b"}]}}


def test_a_list_marked_for_replacement_has_only_what_the_patch_has() -> None:
    assert containers_after({"containers": [{"$patch": "replace"}, {"name": "z"}]}, {"name": "a"}) == [{"name": "z"}]


def test_the_element_order_sorts_what_it_names() -> None:
    patch = {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [{"name": "c", "tty": True}]}

    after = containers_after(patch, {"name": "a"}, {"name": "b"}, {"name": "c"})

    assert [item["name"] for item in after] == ["b", "c", "a"]


def test_an_item_that_takes_the_place_of_a_deleted_one_comes_last() -> None:
    """Seen in kubectl 1.33: an apply that swaps one container for another keeps the order of the others."""
    patch = {
        "$setElementOrder/containers": [{"name": "c"}],
        "containers": [{"name": "a", "$patch": "delete"}, {"name": "c"}],
    }

    assert containers_after(patch, {"name": "b"}, {"name": "a"}) == [{"name": "b"}, {"name": "c"}]


def test_lists_without_a_rule_are_replaced() -> None:
    pod = pod_with({"name": "a", "args": ["1", "2"]}, tolerations=[{"key": "x"}])

    after = apply_strategic_patch(
        pod, {"spec": {"containers": [{"name": "a", "args": ["3"]}], "tolerations": [{"key": "y"}]}}, Pod
    )

    assert after["spec"] == {"containers": [{"name": "a", "args": ["3"]}], "tolerations": [{"key": "y"}]}


def test_finalizers_merge_as_a_set() -> None:
    node = {"metadata": {"finalizers": ["a", "b"]}}

    added = apply_strategic_patch(node, {"metadata": {"finalizers": ["c", "a"]}}, Node)
    removed = apply_strategic_patch(node, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, Node)

    assert sorted(added["metadata"]["finalizers"]) == ["a", "b", "c"]
    assert removed["metadata"]["finalizers"] == ["b"]


def test_retained_keys_drop_the_other_members_of_a_union() -> None:
    """Else a Deployment turned to Recreate would keep the settings of its rolling update, which is refused."""
    deployment = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}

    after = apply_strategic_patch(
        deployment, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}, Deployment
    )

    assert after == {"spec": {"strategy": {"type": "Recreate"}}}


def test_a_map_can_be_replaced_or_emptied() -> None:
    service = {"spec": {"selector": {"app": "web", "tier": "front"}}}

    replaced = apply_strategic_patch(service, {"spec": {"selector": {"$patch": "replace", "app": "db"}}}, Service)
    emptied = apply_strategic_patch(service, {"spec": {"selector": {"$patch": "delete"}}}, Service)
    merged = apply_strategic_patch(service, {"spec": {"selector": {"app": "db", "tier": None}}}, Service)

    assert replaced == merged == {"spec": {"selector": {"app": "db"}}}
    assert emptied == {"spec": {"selector": {}}}


def test_directives_never_reach_the_object() -> None:
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "a"}],
            "containers": [
                {"name": "a", "$setElementOrder/ports": [{"containerPort": 80}], "ports": [{"containerPort": 80}]}
            ],
            "securityContext": {"$patch": "replace", "runAsUser": 1},
            "affinity": {"$patch": "replace", "podAffinity": {}},
            "volumes": [{"name": "v", "$patch": "delete"}, {"name": "w", "emptyDir": None}],
            "$deleteFromPrimitiveList/nothing": ["x"],
        }
    }

    after = apply_strategic_patch({"spec": {"securityContext": {"runAsGroup": 1}}}, patch, Pod)

    assert after == {
        "spec": {
            "containers": [{"name": "a", "ports": [{"containerPort": 80}]}],
            "securityContext": {"runAsUser": 1},
            "volumes": [{"name": "w"}],
        }
    }


def test_an_item_that_is_to_be_deleted_is_not_kept_because_the_patch_adds_it() -> None:
    patch = {"metadata": {"finalizers": ["a/x", "a/y"], "$deleteFromPrimitiveList/finalizers": ["a/x"]}}

    assert apply_strategic_patch({"metadata": {"finalizers": ["a/z"]}}, patch, Pod)["metadata"]["finalizers"] == [
        "a/y",
        "a/z",
    ]


@pytest.mark.parametrize(
    ("patch", "complaint"),
    [
        ({"spec": {"containers": [{"image": "x"}]}}, "does not contain declared merge key: name"),
        ({"spec": {"containers": [{"name": "a", "$patch": "merge"}]}}, "use delete or replace"),
        ({"spec": {"$patch": "explode"}}, "spec: unknown .patch 'explode'"),
        ({"spec": {"$setElementOrder/containers": "a"}}, "must be a list"),
        (
            {"spec": {"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "a"}]}},
            r"\['a'\] is not in the order of its",
        ),
        ({"spec": {"$retainKeys": ["a"], "nodeName": "n"}}, "nodeName is set by the patch but missing"),
        ([], "is an object"),
    ],
)
def test_a_senseless_patch_is_refused(patch: Any, complaint: str) -> None:
    with pytest.raises(StrategicPatchError, match=complaint):
        apply_strategic_patch(pod_with({"name": "a"}), patch, Pod)


NAMES = st.sampled_from("abcde")
CONTAINER = st.fixed_dictionaries({"image": st.sampled_from(["1", "2"])}, optional={"tty": st.just(True)})
SPEC = st.fixed_dictionaries(
    {},
    optional={
        "containers": st.dictionaries(NAMES, CONTAINER, max_size=4).map(
            lambda found: [{"name": name, **rest} for name, rest in found.items()]
        ),
        "nodeName": NAMES,
        "nodeSelector": st.dictionaries(NAMES, NAMES, max_size=2),
    },
)
OBJECTS = st.builds(
    lambda spec, finalizers: {"metadata": {"finalizers": finalizers}, "spec": spec},
    SPEC,
    st.lists(NAMES, unique=True, max_size=3),
)


@given(OBJECTS, OBJECTS)
def test_the_patch_to_an_object_leads_there(old: Json, new: Json) -> None:
    """With nothing in the live object but what was applied, an apply makes it what the file says."""
    before = copy.deepcopy((old, new))

    after = apply_strategic_patch(old, three_way(old, new, old, Pod), Pod)

    assert _without_empty(after) == _without_empty(new)
    assert (old, new) == before


@given(OBJECTS, OBJECTS, OBJECTS)
def test_applying_twice_changes_nothing_more(original: Json, new: Json, live: Json) -> None:
    once = apply_strategic_patch(live, three_way(original, new, live, Pod), Pod)

    assert three_way(new, new, once, Pod) == {}


@given(OBJECTS, OBJECTS)
def test_what_others_added_outlives_an_apply(applied: Json, new: Json) -> None:
    live = copy.deepcopy(applied)
    live["spec"].setdefault("containers", []).append({"name": "injected", "image": "proxy"})
    live["metadata"]["labels"] = {"by": "somebody"}

    after = apply_strategic_patch(live, three_way(applied, new, live, Pod), Pod)

    if "containers" in new["spec"] or "containers" not in applied["spec"]:
        assert {"name": "injected", "image": "proxy"} in after["spec"]["containers"]
    assert after["metadata"]["labels"] == {"by": "somebody"}


def test_the_patch_of_an_apply_is_the_one_that_kubectl_makes() -> None:
    live = {
        "spec": {
            "replicas": 3,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
            "template": {"spec": {"containers": [{"name": "a", "image": "1", "tty": True}, {"name": "b"}]}},
        }
    }
    applied = {
        "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b"}]}}}
    }
    wanted = {
        "spec": {
            "strategy": {"type": "Recreate"},
            "template": {"spec": {"containers": [{"name": "a", "image": "2"}]}},
        }
    }

    assert three_way(applied, wanted, live, Deployment) == {
        "spec": {
            "replicas": None,
            "strategy": {"$retainKeys": ["type"], "type": "Recreate"},
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "a"}],
                    "containers": [{"name": "a", "image": "2"}, {"name": "b", "$patch": "delete"}],
                }
            },
        }
    }


def test_a_kind_whose_type_is_unknown_has_its_lists_replaced() -> None:
    live, wanted = {"spec": {"list": [{"name": "a"}], "keep": 1}}, {"spec": {"list": [{"name": "b"}]}}

    assert three_way({}, wanted, live, None) == {"spec": {"list": [{"name": "b"}]}}


def _without_empty(value: Any) -> Any:
    """Return JSON without empty lists and maps, which stay where all their items were removed."""
    if isinstance(value, dict):
        return {key: kept for key, item in value.items() if (kept := _without_empty(item)) not in ({}, [])}
    return value


def test_a_patch_of_very_many_items_is_merged_in_time() -> None:
    """Comparing each with each would keep everybody else waiting."""
    containers = [{"name": f"c-{number}"} for number in range(20_000)]
    names = [f"example.com/{number}" for number in range(20_000)]
    volumes = [{"name": f"v-{number}"} for number in range(20_000)]
    patch = {
        "metadata": {"$deleteFromPrimitiveList/finalizers": names},
        "spec": {
            "containers": containers,
            "$setElementOrder/containers": containers,
            "volumes": [{**volume, "$patch": "delete"} for volume in volumes],
        },
    }
    old = {
        "metadata": {"finalizers": [*names, "example.com/kept"]},
        "spec": {"volumes": [*volumes, {"name": "kept"}]},
    }

    started_s = time.process_time()
    merged = apply_strategic_patch(old, patch, Pod)

    assert time.process_time() - started_s < 2
    assert merged["metadata"]["finalizers"] == ["example.com/kept"]
    assert merged["spec"] == {"containers": containers, "volumes": [{"name": "kept"}]}
