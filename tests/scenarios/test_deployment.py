"""What people do with a Deployment, from end to end: every room but the real nodes."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from kube.api.apps_v1 import Deployment, ReplicaSet
from kube.api.core_v1 import Pod, PodTemplateSpec
from kube.client import Client, PatchType
from kube.codec import to_plain
from kube.objects import condition
from tests import make
from tests.scenarios.rooms import Cluster, cluster


def is_rolled_out(rooms: Cluster, image: str, replicas: int) -> bool:
    found = rooms.get(Deployment, "web")
    if found is None or found.status.observed_generation < found.metadata.generation:
        return False
    progress = condition(found.status.conditions, "Progressing")
    done = progress is not None and progress.reason == "NewReplicaSetAvailable"
    return done and found.status.available_replicas == replicas and images(rooms.pods()) == {image: replicas}


def images(pods: Sequence[Pod]) -> Counter[str]:
    return Counter(pod.spec.containers[0].image for pod in pods)


async def start(rooms: Cluster, **spec: Any) -> None:
    replicas = spec.get("replicas", 3)
    await rooms.client.create(make.deployment(**spec))
    await rooms.until(lambda: is_rolled_out(rooms, "example/web:1", replicas), "the first rollout")


async def change(client: Client, **spec: Any) -> None:
    await client.patch(Deployment, "web", {"spec": spec}, namespace="default")


async def set_image(client: Client, image: str) -> None:
    await change(client, template=to_plain(PodTemplateSpec(spec=make.template(image).spec)))


async def test_a_deployment_becomes_pods_spread_over_nodes(client: Client) -> None:
    async with cluster(client) as rooms:
        await start(rooms, replicas=4)

        assert Counter(pod.spec.node_name for pod in rooms.pods()) == {"node-0": 2, "node-1": 2}
        replicaset = rooms.all(ReplicaSet)[0]
        assert replicaset.metadata.annotations["deployment.kubernetes.io/revision"] == "1"
        assert replicaset.metadata.name == f"web-{replicaset.metadata.labels['pod-template-hash']}"


async def test_a_new_image_replaces_all_pods_and_keeps_the_old_replicaset(client: Client) -> None:
    async with cluster(client) as rooms:
        await start(rooms)

        await set_image(client, "example/web:2")

        await rooms.until(lambda: is_rolled_out(rooms, "example/web:2", 3), "the second rollout")
        sizes = {
            r.metadata.annotations["deployment.kubernetes.io/revision"]: r.spec.replicas for r in rooms.all(ReplicaSet)
        }
        assert sizes == {"1": 0, "2": 3}


async def test_never_too_few_available_and_never_too_many_at_once(client: Client) -> None:
    """maxSurge 1, maxUnavailable 0: at each moment of the rollout 4 pods are available and at most 5 exist."""
    async with cluster(client) as rooms:
        await start(rooms, replicas=4, surge=1, unavailable=0)
        seen: list[tuple[int, int]] = []

        def watch(_: Pod | None, __: Pod | None) -> None:
            pods = rooms.pods()
            available = sum(1 for pod in pods if condition(pod.status.conditions, "Ready") is not None)
            seen.append((available, len(pods)))

        rooms.informers.of(Pod).on_change(watch)
        seen.clear()
        await set_image(client, "example/web:2")
        await rooms.until(lambda: is_rolled_out(rooms, "example/web:2", 4), "the second rollout")

        assert min(available for available, _ in seen) >= 4
        assert max(total for _, total in seen) <= 5


async def test_undo_brings_the_old_replicaset_back_as_a_new_revision(client: Client) -> None:
    async with cluster(client) as rooms:
        await start(rooms)
        first = rooms.all(ReplicaSet)[0]
        await set_image(client, "example/web:2")
        await rooms.until(lambda: is_rolled_out(rooms, "example/web:2", 3), "the second rollout")

        labels = {"app": "web"}  # As kubectl does it: the old template without its hash.
        template = to_plain(first.spec.template) | {"metadata": {"labels": labels}}
        undo = [{"op": "replace", "path": "/spec/template", "value": template}]
        await client.patch(Deployment, "web", undo, namespace="default", patch_type=PatchType.JSON)

        await rooms.until(lambda: is_rolled_out(rooms, "example/web:1", 3), "the way back")
        notes = rooms.one(ReplicaSet, first.metadata.name).metadata.annotations
        assert notes["deployment.kubernetes.io/revision"] == "3"
        assert notes["deployment.kubernetes.io/revision-history"] == "1"
        await rooms.until(
            lambda: rooms.one(Deployment, "web").metadata.annotations["deployment.kubernetes.io/revision"] == "3",
            "the revision to be shown",
        )
        assert len(rooms.all(ReplicaSet)) == 2


async def test_scaling_up_and_down_changes_no_other_pod(client: Client) -> None:
    async with cluster(client) as rooms:
        await start(rooms, replicas=2)
        before = {pod.metadata.uid for pod in rooms.pods()}

        await change(client, replicas=5)
        await rooms.until(lambda: is_rolled_out(rooms, "example/web:1", 5), "five pods")
        assert before < {pod.metadata.uid for pod in rooms.pods()}
        await change(client, replicas=0)
        await rooms.until(lambda: not rooms.all(Pod), "no pods")


async def test_a_paused_deployment_scales_but_does_not_roll_out(client: Client) -> None:
    async with cluster(client) as rooms:
        await start(rooms, replicas=2)

        await change(client, paused=True)
        await set_image(client, "example/web:2")
        await change(client, replicas=3)
        await rooms.until(lambda: images(rooms.pods()) == {"example/web:1": 3}, "the scaling of the old pods")
        await rooms.until(
            lambda: (
                (c := condition(rooms.one(Deployment, "web").status.conditions, "Progressing"))
                and c.reason == "DeploymentPaused"
            ),
            "the pause to be told",
        )
        assert len(rooms.all(ReplicaSet)) == 1
        await change(client, paused=None)

        await rooms.until(lambda: is_rolled_out(rooms, "example/web:2", 3), "the rollout after the pause")


async def test_recreate_ends_all_old_pods_before_it_starts_new_ones(client: Client) -> None:
    async with cluster(client) as rooms:
        await start(rooms, strategy="Recreate")
        mixed: list[Counter[str]] = []
        rooms.informers.of(Pod).on_change(lambda _, __: mixed.append(images(rooms.all(Pod))))

        await set_image(client, "example/web:2")

        await rooms.until(lambda: is_rolled_out(rooms, "example/web:2", 3), "the second rollout")
        assert all(len(seen) <= 1 for seen in mixed)


async def test_a_rollout_that_stands_still_is_called_failed(client: Client) -> None:
    async with cluster(client, is_stuck=lambda pod: pod.spec.containers[0].image == "example/web:2") as rooms:
        await start(rooms, replicas=2, deadline_s=1)

        await set_image(client, "example/web:2")

        await rooms.until(
            lambda: (
                (c := condition(rooms.one(Deployment, "web").status.conditions, "Progressing"))
                and (c.status, c.reason) == ("False", "ProgressDeadlineExceeded")
            ),
            "the deadline to pass",
        )
        assert images(rooms.pods())["example/web:1"] == 2


async def test_history_beyond_its_limit_is_cleaned_up(client: Client) -> None:
    async with cluster(client) as rooms:
        await start(rooms, replicas=1, revision_history_limit=1)

        for number in (2, 3, 4):
            await set_image(client, f"example/web:{number}")
            await rooms.until(partial(is_rolled_out, rooms, f"example/web:{number}", 1), "a rollout")

        await rooms.until(lambda: len(rooms.all(ReplicaSet)) == 2, "two ReplicaSets to be left")


async def test_a_deleted_pod_comes_back(client: Client) -> None:
    async with cluster(client) as rooms:
        await start(rooms, replicas=2)
        victim = rooms.pods()[0]

        await client.delete(Pod, victim.metadata.name, namespace="default")

        await rooms.until(
            lambda: rooms.get(Pod, victim.metadata.name) is None and is_rolled_out(rooms, "example/web:1", 2),
            "another pod in its place",
        )
