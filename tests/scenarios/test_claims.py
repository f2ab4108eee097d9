"""The way from a claim to a volume and back, with the scheduler, the controllers and a real API server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from kube.api.core_v1 import (
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimVolumeSource,
    Pod,
    Volume,
)
from kube.client import Client
from kube.errors import ApiError
from kube.objects import condition, with_metadata
from kube.volumes import LOCAL_PATH, NO_PROVISIONER, NODE_LABEL, SELECTED_NODE
from tests import make
from tests.scenarios.rooms import Cluster, cluster

HOST = "kubernetes.io/hostname"


def user(*claims: str, name: str = "user") -> Pod:
    """Return a pod with these claims."""
    sources = [PersistentVolumeClaimVolumeSource(claim_name=claim) for claim in claims]
    pod = make.pod(name, volumes=tuple(Volume(name=s.claim_name, persistent_volume_claim=s) for s in sources))
    return replace(pod, metadata=replace(pod.metadata, uid=""))


def bare(obj: Any) -> Any:
    """Return an object as a person writes it: without an identity."""
    return replace(obj, metadata=replace(obj.metadata, uid=""))


@asynccontextmanager
async def started(client: Client, *, grows: bool = True) -> AsyncIterator[Cluster]:
    """Run a cluster of two nodes that offer directories, with the class `fast` that makes volumes there."""
    await client.create(
        make.storage_class(
            provisioner=LOCAL_PATH, waits=True, default=True, reclaim_policy="Delete", allow_volume_expansion=grows
        )
    )
    async with cluster(client) as rooms:
        for name in ("node-0", "node-1"):
            own = {"metadata": {"annotations": {LOCAL_PATH: f"/srv/{name}"}, "labels": {HOST: name}}}
            await client.patch(Node, name, own)
        yield rooms


async def bound(rooms: Cluster, name: str = "data") -> PersistentVolume:
    """Wait for a claim to be bound; return its volume."""

    def is_bound() -> bool:
        found = rooms.get(PersistentVolumeClaim, name)
        return found is not None and found.status.phase == "Bound"

    await rooms.until(is_bound, f"claim {name} to be bound")
    volume = rooms.one(PersistentVolumeClaim, name).spec.volume_name
    await rooms.until(lambda: rooms.one(PersistentVolume, volume, "").status.phase == "Bound", "the volume to say so")
    return rooms.one(PersistentVolume, volume, "")


async def test_a_claim_gets_a_volume_on_the_node_of_its_first_pod(server_client: Client) -> None:
    async with started(server_client) as rooms:
        await server_client.create(bare(make.claim(storage_class=None)))
        await server_client.create(user("data"))

        volume = await bound(rooms)

        await rooms.until(lambda: rooms.one(Pod, "user").spec.node_name, "the pod to be bound")
        node = rooms.one(Pod, "user").spec.node_name
        assert volume.metadata.labels[NODE_LABEL] == node
        assert volume.spec.local is not None
        assert volume.spec.local.path == f"/srv/{node}/{volume.metadata.name}"


async def test_a_claim_whose_node_is_gone_before_its_volume_was_made_gets_one_elsewhere(server_client: Client) -> None:
    """Else its pod would wait for a node that never comes back."""
    async with started(server_client) as rooms:
        claim = bare(make.claim(storage_class="fast"))
        chosen = with_metadata(claim, annotations={SELECTED_NODE: "gone"})
        await server_client.create(chosen)
        await server_client.create(user("data"))

        await bound(rooms)

        await rooms.until(lambda: rooms.one(Pod, "user").spec.node_name, "the pod to be bound")


async def test_a_pod_whose_claim_needs_a_directory_goes_to_a_node_that_has_one(server_client: Client) -> None:
    async with started(server_client) as rooms:
        await server_client.patch(Node, "node-0", {"metadata": {"annotations": {LOCAL_PATH: None}}})
        for number in range(4):
            await server_client.create(bare(make.claim(f"data-{number}", storage_class="fast")))
            await server_client.create(user(f"data-{number}", name=f"user-{number}"))

        for number in range(4):
            volume = await bound(rooms, f"data-{number}")
            assert volume.metadata.labels[NODE_LABEL] == "node-1"


async def test_a_claim_that_is_deleted_stays_while_a_pod_has_it_and_then_its_volume_is_released(
    server_client: Client,
) -> None:
    async with started(server_client) as rooms:
        await server_client.create(bare(make.claim(storage_class="fast")))
        await server_client.create(user("data"))
        volume = await bound(rooms)
        await rooms.until(lambda: rooms.one(Pod, "user").spec.node_name, "the pod to be bound")

        await server_client.delete(PersistentVolumeClaim, "data", namespace="default")
        await server_client.create(user("data", name="late"))
        await rooms.until(lambda: rooms.get(Pod, "late") and _refusal(rooms, "late"), "the second pod to be refused")
        assert "is being deleted" in _refusal(rooms, "late")
        assert rooms.one(PersistentVolumeClaim, "data").metadata.deletion_timestamp

        await server_client.delete(Pod, "user", namespace="default")

        await rooms.until(lambda: rooms.get(PersistentVolumeClaim, "data") is None, "the claim to go")
        name = volume.metadata.name
        await rooms.until(lambda: rooms.one(PersistentVolume, name, "").status.phase == "Released", "the volume")

        for node in ("node-0", "node-1"):
            await server_client.delete(Node, node)

        await rooms.until(lambda: rooms.get(PersistentVolume, name, "") is None, "the volume to go without its node")


def _refusal(rooms: Cluster, pod: str) -> str:
    told = condition(rooms.one(Pod, pod).status.conditions, "PodScheduled")
    return told.message if told is not None and told.status == "False" else ""


async def test_a_claim_grows_where_its_class_lets_it(server_client: Client) -> None:
    async with started(server_client) as rooms:
        await server_client.create(bare(make.claim(storage_class="fast")))
        await server_client.create(user("data"))
        await bound(rooms)

        more = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        await server_client.patch(PersistentVolumeClaim, "data", more, namespace="default")

        def has_grown() -> bool:
            return rooms.one(PersistentVolumeClaim, "data").status.capacity["storage"].text == "2Gi"

        await rooms.until(has_grown, "the claim to have grown")


async def test_a_claim_whose_class_does_not_let_it_grow_is_told_so(server_client: Client) -> None:
    async with started(server_client, grows=False) as rooms:
        await server_client.create(bare(make.claim(storage_class="fast")))
        await server_client.create(user("data"))
        await bound(rooms)

        more = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        with pytest.raises(ApiError, match="must support resize"):
            await server_client.patch(PersistentVolumeClaim, "data", more, namespace="default")


async def test_a_free_volume_is_kept_for_the_claim_whose_pod_reaches_it(server_client: Client) -> None:
    async with started(server_client) as rooms:
        await server_client.create(make.storage_class("manual", provisioner=NO_PROVISIONER, waits=True))
        for number in (0, 1):
            await server_client.create(
                bare(make.volume(f"disk-{number}", storage_class="manual", node=f"node-{number}"))
            )
        await server_client.create(bare(make.claim(storage_class="manual")))
        pod = user("data")
        await server_client.create(replace(pod, spec=replace(pod.spec, node_selector={HOST: "node-1"})))

        volume = await bound(rooms)

        assert volume.metadata.name == "disk-1"


async def test_two_claims_that_want_one_volume_do_not_both_get_it(server_client: Client) -> None:
    async with started(server_client) as rooms:
        for name in ("one", "two"):
            await server_client.create(bare(make.claim(name, storage_class="")))

        await server_client.create(bare(make.volume()))

        def bound_claims() -> list[str]:
            return [c.metadata.name for c in rooms.all(PersistentVolumeClaim) if c.status.phase == "Bound"]

        await rooms.until(bound_claims, "one of them to be bound")
        assert len(bound_claims()) == 1
