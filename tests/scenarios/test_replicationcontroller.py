"""ReplicationControllers do for pods what ReplicaSets do."""

from kube.api.core_v1 import Pod, ReplicationController, ReplicationControllerSpec
from kube.api.meta_v1 import ObjectMeta
from kube.client import Client
from kube.objects import controller_of
from tests import make
from tests.scenarios.rooms import cluster


def controller(replicas: int) -> ReplicationController:
    return ReplicationController(
        metadata=ObjectMeta(name="rc", namespace="default"),
        spec=ReplicationControllerSpec(replicas=replicas, selector={"app": "web"}, template=make.template()),
    )


async def test_it_keeps_its_count_through_scaling_and_loss(client: Client) -> None:
    async with cluster(client) as rooms:
        await client.create(controller(2))
        await rooms.until(
            lambda: (rc := rooms.get(ReplicationController, "rc")) and rc.status.available_replicas == 2, "two pods"
        )

        await client.patch(ReplicationController, "rc", {"spec": {"replicas": 3}}, namespace="default")
        await rooms.until(lambda: rooms.one(ReplicationController, "rc").status.available_replicas == 3, "three pods")
        lost = rooms.pods()[0].metadata
        await client.delete(Pod, lost.name, namespace="default", grace_s=0)

        await rooms.until(
            lambda: (
                rooms.get(Pod, lost.name) is None
                and rooms.one(ReplicationController, "rc").status.available_replicas == 3
                and len(rooms.pods()) == 3
            ),
            "another one",
        )


async def test_a_pod_that_is_relabelled_is_let_go_and_replaced(client: Client) -> None:
    """So a misbehaving pod can be taken out of service and looked at."""
    async with cluster(client) as rooms:
        await client.create(controller(2))
        await rooms.until(lambda: len(rooms.pods()) == 2, "two pods")
        odd = rooms.pods()[0].metadata

        await client.patch(Pod, odd.name, {"metadata": {"labels": {"app": "debug"}}}, namespace="default")

        await rooms.until(lambda: controller_of(rooms.one(Pod, odd.name)) is None, "the pod to be let go")
        await rooms.until(lambda: len(rooms.pods()) == 3, "a pod in its place")


async def test_a_bare_pod_with_the_right_labels_is_adopted(client: Client) -> None:
    async with cluster(client) as rooms:
        await client.create(make.pod("bare"))
        await rooms.until(lambda: rooms.get(Pod, "bare"), "the bare pod")

        await client.create(controller(2))

        await rooms.until(lambda: controller_of(rooms.one(Pod, "bare")), "the pod to be adopted")
        await rooms.until(
            lambda: rooms.one(ReplicationController, "rc").status.available_replicas == 2, "the count to be right"
        )
        assert len(rooms.pods()) == 2
