"""What the controllers do about what they planned: one reconcile at a time, on a client in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from controllers.deployment import Deployments
from controllers.replicas import Replicas
from controllers.world import ControllerSettings, World
from kube import errors
from kube.api.apps_v1 import Deployment, ReplicaSet
from kube.api.core_v1 import Pod
from kube.api.meta_v1 import StatusCause
from kube.errors import ApiError
from kube.informers import Informers
from kube.kinds import kind_of
from kube.objects import condition, key_of
from tests import make
from tests.kube.fake_client import FakeClient
from tests.kube.fake_clock import FakeClock, settle

QUOTA = errors.forbidden(kind_of(Pod), "web", "exceeded quota")


@asynccontextmanager
async def world(*objects: Any) -> AsyncIterator[tuple[FakeClient, World]]:
    """Return a client that holds `objects`, and a world whose informers follow it."""
    client = FakeClient(*objects)
    clock = FakeClock()
    informers = Informers(client, clock)
    task = asyncio.create_task(informers.run())
    yield client, World(client, informers, clock, ControllerSettings())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def created(client: FakeClient) -> int:
    return sum(1 for request in client.requests if request.startswith("create Pod "))


async def test_pods_are_created_in_batches_that_stop_at_the_first_failure() -> None:
    """A template that can't work makes one failure, not five hundred."""
    owner = make.replicaset(replicas=10)
    async with world(owner) as (client, here):
        replicas = Replicas(here, ReplicaSet)
        await settle()
        client.failures.append(QUOTA)

        with pytest.raises(ApiError, match="exceeded quota"):
            await replicas.reconcile(key_of(owner))

        assert created(client) == 1
        stored = client.stored(ReplicaSet)[0]
        failure = condition(stored.status.conditions, "ReplicaFailure")
        assert failure is not None
        assert (failure.status, failure.reason) == ("True", "FailedCreate")
        assert "exceeded quota" in failure.message


async def test_the_failure_is_forgotten_once_creation_works() -> None:
    owner = make.replicaset(replicas=3)
    async with world(owner) as (client, here):
        replicas = Replicas(here, ReplicaSet)
        await settle()
        client.failures.append(QUOTA)
        with pytest.raises(ApiError, match="exceeded quota"):
            await replicas.reconcile(key_of(owner))
        await settle()

        await replicas.reconcile(key_of(owner))

        assert len(client.stored(Pod)) == 3
        assert condition(client.stored(ReplicaSet)[0].status.conditions, "ReplicaFailure") is None


async def test_a_namespace_that_is_going_away_is_no_failure() -> None:
    owner = make.replicaset(replicas=3)
    ending = errors.forbidden(
        kind_of(Pod), "web", "it is being terminated", [StatusCause(reason="NamespaceTerminating")]
    )
    async with world(owner) as (client, here):
        replicas = Replicas(here, ReplicaSet)
        await settle()
        client.failures.append(ending)

        await replicas.reconcile(key_of(owner))

        assert created(client) == 1
        assert condition(client.stored(ReplicaSet)[0].status.conditions, "ReplicaFailure") is None


async def test_a_status_that_is_right_is_not_written_again() -> None:
    owner = make.replicaset(replicas=1)
    async with world(owner) as (client, here):
        replicas = Replicas(here, ReplicaSet)
        await settle()
        for _ in range(3):
            await replicas.reconcile(key_of(owner))
            await settle()
        client.requests.clear()

        await replicas.reconcile(key_of(owner))

        assert client.requests == []


async def test_a_name_taken_by_another_is_counted_as_a_collision() -> None:
    wanted = make.deployment(replicas=1)
    async with world(wanted) as (client, here):
        deployments = Deployments(here)
        await settle()
        await deployments.reconcile(key_of(wanted))
        first = client.stored(ReplicaSet)[0]
        client.drop(ReplicaSet, first.metadata.name, "default")
        client.put(replace(make.replicaset(first.metadata.name, image="other", labels={"app": "other"})))
        await settle()

        for _ in range(3):
            await deployments.reconcile(key_of(wanted))
            await settle()

        assert client.stored(Deployment)[0].status.collision_count == 1
        assert len(client.stored(ReplicaSet)) == 2


async def test_a_replicaset_created_but_not_yet_heard_of_is_no_collision() -> None:
    wanted = make.deployment(replicas=1)
    async with world(wanted) as (client, here):
        deployments = Deployments(here)
        await settle()

        await deployments.reconcile(key_of(wanted))
        await deployments.reconcile(key_of(wanted))

        assert sum(1 for request in client.requests if request.startswith("create ReplicaSet")) == 2
        assert not client.stored(Deployment)[0].status.collision_count
        assert len(client.stored(ReplicaSet)) == 1
