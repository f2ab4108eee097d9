"""What the EndpointSlices and the Endpoints of a Service hold."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from controllers import endpoints
from controllers.endpointslice_plan import MANAGER, MANAGER_LABEL, SERVICE_LABEL, SLICE_MAX, Changes, plan
from kube.api.core_v1 import Endpoints, Pod, ServicePort
from kube.api.discovery_v1 import EndpointSlice
from kube.objects import controller_of, with_metadata
from tests import make


def serving(count: int, *, first: int = 0, **pod: Any) -> list[Pod]:
    fields: dict[str, Any] = {"ready": True, **pod}
    return [make.pod(f"p{n}", ip=f"10.244.{n // 250}.{n % 250 + 1}", **fields) for n in range(first, first + count)]


def stored(slices: Sequence[EndpointSlice]) -> list[EndpointSlice]:
    return [with_metadata(item, name=f"web-{number}", uid=f"s{number}") for number, item in enumerate(slices)]


def applied(held: Sequence[EndpointSlice], changes: Changes) -> list[EndpointSlice]:
    left = {item.metadata.name: item for item in held}
    for item in changes.delete:
        del left[item.metadata.name]
    left.update({item.metadata.name: item for item in changes.update})
    return stored([*left.values(), *changes.create])


def endpoint_names(slices: Sequence[EndpointSlice]) -> list[str]:
    return sorted(e.target_ref.name for item in slices for e in item.endpoints if e.target_ref)


def test_a_ready_pod_is_told_with_its_node_zone_port_and_name() -> None:
    (created,) = plan(make.service(), serving(1), [], {"node-a": "west"}).create

    assert created.metadata.labels == {SERVICE_LABEL: "web", MANAGER_LABEL: MANAGER}
    owner = controller_of(created)
    assert owner is not None
    assert owner.uid == "uid-web"
    assert [(port.name, port.port, port.protocol) for port in created.ports] == [("", 8080, "TCP")]
    (endpoint,) = created.endpoints
    assert (endpoint.addresses, endpoint.node_name, endpoint.zone) == (("10.244.0.1",), "node-a", "west")
    assert (endpoint.conditions.ready, endpoint.conditions.serving, endpoint.conditions.terminating) == (
        True,
        True,
        False,
    )
    assert endpoint.target_ref is not None
    assert (endpoint.target_ref.kind, endpoint.target_ref.name) == ("Pod", "p0")


def test_slices_of_a_former_service_of_the_name_are_replaced_and_not_taken_over() -> None:
    """The garbage collector is about to take them away: the new Service would lose its endpoints for a moment."""
    pods = serving(2)
    former = stored(plan(make.service(), pods, []).create)
    service = with_metadata(make.service(), uid="uid-new")

    changes = plan(service, pods, former)

    assert (changes.update, changes.delete) == ((), tuple(former))
    assert endpoint_names(changes.create) == ["p0", "p1"]
    owner = controller_of(changes.create[0])
    assert owner is not None
    assert owner.uid == "uid-new"
    assert len(plan(service, [], former).create) == 1, "the empty slice is a new one too"


def conditions(service_publishes: bool, **pod: Any) -> tuple[bool | None, bool | None, bool | None]:
    service = make.service(publish_not_ready_addresses=service_publishes)
    (created,) = plan(service, serving(1, **pod), []).create
    found = created.endpoints[0].conditions
    return found.ready, found.serving, found.terminating


def test_ready_serving_and_terminating_are_told_apart() -> None:
    assert conditions(False, ready=False) == (False, False, False)
    assert conditions(False, terminating=True) == (False, True, True)
    assert conditions(True, ready=False) == (True, False, False)


def test_pods_without_an_address_and_pods_that_have_ended_are_left_out() -> None:
    pods = [make.pod("young"), make.pod("done", ip="10.0.0.1", phase="Succeeded")]

    (created,) = plan(make.service(), pods, []).create

    assert created.endpoints == ()


def test_a_named_port_leads_to_each_pods_own_number() -> None:
    service = make.service(ports=[ServicePort(name="http", port=80, target_port="web", protocol="TCP")])
    pods = [
        make.pod("a", ip="10.0.0.1", ready=True, containers=[make.listening("web", 8080)]),
        make.pod("b", ip="10.0.0.2", ready=True, containers=[make.listening("web", 9090)]),
    ]

    created = plan(service, pods, []).create

    assert sorted((item.ports[0].port or 0, endpoint_names([item])[0]) for item in created) == [
        (8080, "a"),
        (9090, "b"),
    ]


def test_a_slice_holds_at_most_a_hundred() -> None:
    created = plan(make.service(), serving(250), []).create

    assert [len(item.endpoints) for item in created] == [SLICE_MAX, SLICE_MAX, 50]


def test_nothing_is_written_when_nothing_changed() -> None:
    held = stored(plan(make.service(), serving(150), []).create)

    assert plan(make.service(), serving(150), held) == Changes()


def test_one_pod_more_changes_one_slice() -> None:
    held = stored(plan(make.service(), serving(150), []).create)

    changes = plan(make.service(), serving(151), held)

    assert (len(changes.create), len(changes.update), len(changes.delete)) == (0, 1, 0)
    assert endpoint_names(applied(held, changes)) == endpoint_names(plan(make.service(), serving(151), []).create)


def test_a_slice_that_is_empty_goes_and_the_last_one_stays() -> None:
    held = stored(plan(make.service(), serving(150), []).create)

    fewer = applied(held, plan(make.service(), serving(100), held))
    none = applied(fewer, plan(make.service(), [], fewer))

    assert [len(item.endpoints) for item in fewer] == [100]
    assert [len(item.endpoints) for item in none] == [0]
    assert plan(make.service(), [], none) == Changes()


def test_an_empty_slice_is_used_again_or_replaced() -> None:
    empty = stored(plan(make.service(), [], []).create)

    after = applied(empty, plan(make.service(), serving(2), empty))

    assert [len(item.endpoints) for item in after] == [2]


def test_a_headless_service_marks_its_slices_and_names_its_pods() -> None:
    service = make.service(cluster_ip="None", labels={"team": "blue"})
    pods = serving(1, hostname="first", subdomain="web")

    (created,) = plan(service, pods, []).create

    assert created.metadata.labels["service.kubernetes.io/headless"] == ""
    assert created.metadata.labels["team"] == "blue"
    assert created.endpoints[0].hostname == "first"


def test_endpoints_tell_ready_and_unready_addresses_apart() -> None:
    pods = [*serving(2), *serving(1, first=2, ready=False, node="node-a")]

    found = endpoints.plan(make.service(), pods, None)

    assert found is not None
    (subset,) = found.subsets
    assert [entry.ip for entry in subset.addresses] == ["10.244.0.1", "10.244.0.2"]
    assert [entry.ip for entry in subset.not_ready_addresses] == ["10.244.0.3"]
    assert [(port.port, port.protocol) for port in subset.ports] == [(8080, "TCP")]


def test_a_terminating_pod_leaves_the_endpoints() -> None:
    found = endpoints.plan(make.service(), serving(1, terminating=True), None)

    assert found is not None
    assert found.subsets == ()


def test_endpoints_that_are_right_are_not_written_again() -> None:
    found = endpoints.plan(make.service(), serving(3), None)

    assert endpoints.plan(make.service(), serving(3), found) is None


def test_endpoints_beyond_a_thousand_are_cut_and_say_so() -> None:
    found = endpoints.plan(make.service(), serving(1001), None)

    assert found is not None
    assert sum(len(subset.addresses) for subset in found.subsets) == 1000
    assert found.metadata.annotations["endpoints.kubernetes.io/over-capacity"] == "truncated"
    fewer = endpoints.plan(make.service(), serving(2), replace(found, subsets=()))
    assert isinstance(fewer, Endpoints)
    assert fewer.metadata.annotations == {}
