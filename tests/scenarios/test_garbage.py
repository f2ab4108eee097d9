"""What becomes of what is owned when its owner goes."""

from kube.api.apps_v1 import Deployment, ReplicaSet
from kube.api.core_v1 import ConfigMap, Pod
from kube.api.meta_v1 import ObjectMeta, OwnerReference
from kube.client import Client
from kube.objects import controller_of
from tests import make
from tests.scenarios.rooms import Cluster, cluster


async def start(rooms: Cluster, replicas: int = 2) -> None:
    await rooms.client.create(make.deployment(replicas=replicas))

    def is_up() -> bool:
        found = rooms.get(Deployment, "web")
        return found is not None and found.status.available_replicas == replicas

    await rooms.until(is_up, "the pods")


async def test_background_deletion_takes_the_owner_first_and_then_all_it_owned(client: Client) -> None:
    async with cluster(client) as rooms:
        await start(rooms)

        await client.delete(Deployment, "web", namespace="default", propagation="Background")

        await rooms.until(lambda: rooms.get(Deployment, "web") is None, "the Deployment to go")
        await rooms.until(lambda: not rooms.all(ReplicaSet) and not rooms.all(Pod), "all it owned to go")


async def test_foreground_deletion_keeps_the_owner_until_all_it_owned_is_gone(client: Client) -> None:
    async with cluster(client) as rooms:
        await start(rooms)
        left_when_owner_went: list[int] = []

        def watch(_: Deployment | None, new: Deployment | None) -> None:
            if new is None:
                left_when_owner_went.append(len(rooms.all(ReplicaSet)) + len(rooms.all(Pod)))

        rooms.all(ReplicaSet), rooms.all(Pod)
        rooms.informers.of(Deployment).on_change(watch)
        await client.delete(Deployment, "web", namespace="default", propagation="Foreground")

        await rooms.until(lambda: rooms.get(Deployment, "web") is None, "the Deployment to go")
        assert left_when_owner_went == [0]


async def test_orphaning_leaves_the_replicaset_and_its_pods_running_and_adoptable(client: Client) -> None:
    async with cluster(client) as rooms:
        await start(rooms)
        before = {pod.metadata.uid for pod in rooms.pods()}

        await client.delete(Deployment, "web", namespace="default", propagation="Orphan")

        await rooms.until(lambda: rooms.get(Deployment, "web") is None, "the Deployment to go")
        assert controller_of(rooms.all(ReplicaSet)[0]) is None
        await client.create(make.deployment(replicas=2))
        await rooms.until(lambda: controller_of(rooms.all(ReplicaSet)[0]), "the new Deployment to adopt it")
        assert {pod.metadata.uid for pod in rooms.pods()} == before


async def test_a_replicaset_deleted_in_the_foreground_is_made_anew_once_it_is_gone(client: Client) -> None:
    async with cluster(client) as rooms:
        await start(rooms)
        first = rooms.all(ReplicaSet)[0].metadata

        await client.delete(ReplicaSet, first.name, namespace="default", propagation="Foreground")

        await rooms.until(
            lambda: (found := rooms.get(ReplicaSet, first.name)) and found.metadata.uid != first.uid, "a new ReplicaSet"
        )
        await rooms.until(
            lambda: rooms.one(Deployment, "web").status.available_replicas == 2 and len(rooms.pods()) == 2, "new pods"
        )


def owned_map(name: str, *owners: OwnerReference) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", owner_references=owners))


async def test_a_dependent_whose_owner_never_was_is_deleted(client: Client) -> None:
    async with cluster(client) as rooms:
        ghost = OwnerReference(api_version="v1", kind="ConfigMap", name="ghost", uid="no-such-uid")

        await client.create(owned_map("dependent", ghost))
        await rooms.until(lambda: rooms.get(ConfigMap, "dependent"), "the dependent to be seen")

        await rooms.until(lambda: rooms.get(ConfigMap, "dependent") is None, "the dependent to be deleted")


async def test_another_object_of_the_owners_name_does_not_keep_the_dependent(client: Client) -> None:
    """Owners are told by uid: a namesake created later owns nothing."""
    async with cluster(client) as rooms:
        namesake = await client.create(owned_map("owner"))
        reference = OwnerReference(api_version="v1", kind="ConfigMap", name="owner", uid="of-an-earlier-one")
        await client.create(owned_map("dependent", reference))
        await rooms.until(lambda: rooms.get(ConfigMap, "dependent"), "the dependent to be seen")

        await rooms.until(lambda: rooms.get(ConfigMap, "dependent") is None, "the dependent to be deleted")
        assert (await client.get(ConfigMap, "owner", namespace="default")).metadata.uid == namesake.metadata.uid


async def test_a_dependent_of_two_owners_stays_until_both_are_gone(client: Client) -> None:
    async with cluster(client) as rooms:
        references = []
        for name in ("one", "two"):
            uid = (await client.create(owned_map(name))).metadata.uid
            references.append(OwnerReference(api_version="v1", kind="ConfigMap", name=name, uid=uid))
        await client.create(owned_map("dependent", *references))
        await rooms.until(lambda: rooms.get(ConfigMap, "dependent"), "the dependent to be seen")

        await client.delete(ConfigMap, "one", namespace="default")
        await rooms.until(
            lambda: [o.name for o in rooms.one(ConfigMap, "dependent").metadata.owner_references] == ["two"],
            "the owner that is gone to be crossed out",
        )
        await client.delete(ConfigMap, "two", namespace="default")

        await rooms.until(lambda: rooms.get(ConfigMap, "dependent") is None, "the dependent to be deleted")


async def test_an_owner_of_an_unknown_kind_keeps_its_dependents(client: Client) -> None:
    """Nothing is deleted on a guess: the kind may be served by somebody else, or later."""
    async with cluster(client) as rooms:
        unknown = OwnerReference(api_version="example.com/v1", kind="Widget", name="w", uid="w-uid")
        marker = OwnerReference(api_version="v1", kind="ConfigMap", name="ghost", uid="no-such-uid")

        await client.create(owned_map("kept", unknown))
        await client.create(owned_map("marker", marker))
        await rooms.until(lambda: rooms.get(ConfigMap, "marker"), "the marker to be seen")
        await rooms.until(lambda: rooms.get(ConfigMap, "marker") is None, "the marker to be deleted")

        assert rooms.get(ConfigMap, "kept") is not None
