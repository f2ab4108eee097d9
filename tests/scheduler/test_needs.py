"""What a pod asks of a node."""

from msgspec.structs import replace

from kube.api.core_v1 import ContainerStatus, Pod, PodCondition, ResourceRequirements
from scheduler.needs import UNSTATED_CPU_MILLIS, UNSTATED_MEMORY_BYTES, needs_of, requests_of
from tests import make


def test_the_requests_of_all_containers_add_up() -> None:
    pod = make.pod(
        containers=[make.container("a", requests={"cpu": "100m"}), make.container("b", requests={"cpu": "1"})]
    )

    assert requests_of(pod) == {"cpu": 1100}


def test_a_big_init_container_counts_alone_because_it_runs_alone() -> None:
    pod = make.pod(requests={"cpu": "1", "memory": "1Gi"}, init_containers=(make.container(requests={"cpu": "3"}),))

    assert requests_of(pod) == {"cpu": 3000, "memory": 1 << 30}


def test_a_sidecar_counts_beside_the_containers_and_beside_later_init_containers() -> None:
    sidecar = make.container("s", requests={"cpu": "1"}, restart_policy="Always")
    later = make.container("i", requests={"cpu": "4"})

    assert requests_of(make.pod(requests={"cpu": "2"}, init_containers=(sidecar,))) == {"cpu": 3000}
    assert requests_of(make.pod(requests={"cpu": "2"}, init_containers=(sidecar, later))) == {"cpu": 5000}
    assert requests_of(make.pod(requests={"cpu": "2"}, init_containers=(later, sidecar))) == {"cpu": 4000}


def test_overhead_is_added() -> None:
    pod = make.pod(requests={"cpu": "1"}, overhead=make.quantities({"cpu": "250m", "memory": "64Mi"}))

    assert requests_of(pod) == {"cpu": 1250, "memory": 64 << 20}


def test_requests_of_the_pod_as_a_whole_stand_in_for_those_of_its_containers() -> None:
    whole = ResourceRequirements(requests=make.quantities({"cpu": "2"}))

    assert requests_of(make.pod(requests={"cpu": "1", "memory": "1Gi"}, resources=whole)) == {
        "cpu": 2000,
        "memory": 1 << 30,
    }


def test_a_container_that_states_nothing_still_weighs() -> None:
    needs = needs_of(make.pod())

    assert needs.requests == {}
    assert (needs.weights_cpu_millis, needs.weights_memory_bytes) == (UNSTATED_CPU_MILLIS, UNSTATED_MEMORY_BYTES)


def resizing(asked: str, has: str, *conditions: PodCondition) -> Pod:
    """Return a pod that runs with some cpu and asks for another amount."""
    pod = make.pod(node="node-a", phase="Running", requests={"cpu": asked})
    held = ResourceRequirements(requests=make.quantities({"cpu": has}))
    told = ContainerStatus(name=pod.spec.containers[0].name, resources=held, allocated_resources=held.requests)
    return replace(pod, status=replace(pod.status, container_statuses=(told,), conditions=conditions))


def test_a_pod_takes_the_larger_of_what_it_has_and_what_it_asks_for_while_it_is_resized() -> None:
    assert requests_of(resizing("1", "3")) == {"cpu": 3000}
    assert requests_of(resizing("3", "1")) == {"cpu": 3000}


def test_a_size_that_the_node_will_never_give_takes_no_room() -> None:
    """Else a pod that asks for too much would keep all others off its node."""
    never = PodCondition(type="PodResizePending", status="True", reason="Infeasible")
    later = PodCondition(type="PodResizePending", status="True", reason="Deferred")

    assert requests_of(resizing("999", "1", never)) == {"cpu": 1000}
    assert requests_of(resizing("999", "1", later)) == {"cpu": 999_000}
