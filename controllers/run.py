"""Put the controllers together and run them, in the server's process or in one of their own."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from controllers.accounts import Accounts
from controllers.certificates import Certificates
from controllers.deployment import Deployments
from controllers.disruption import Disruptions
from controllers.endpoints import EndpointsObjects
from controllers.endpointslice import EndpointSlices
from controllers.endpointslice_mirror import EndpointSliceMirror
from controllers.ephemeral_claims import EphemeralClaims
from controllers.garbage import Garbage
from controllers.local_path import LocalPath
from controllers.namespace import Namespaces
from controllers.nodecidr import NodeCidrs
from controllers.nodelifecycle import NodeLifecycle
from controllers.persistent_volumes import Claims, Volumes
from controllers.podgc import PodGarbage
from controllers.replicas import Replicas
from controllers.storage_protection import AttributesProtection, ClaimProtection, VolumeProtection
from controllers.tainteviction import TaintEviction
from controllers.world import ControllerSettings, World
from kube.api.apps_v1 import ReplicaSet
from kube.api.core_v1 import ReplicationController
from kube.client import Client
from kube.clock import Clock, SystemClock
from kube.controller import Controller
from kube.events import EventRecorder
from kube.informers import Informers
from kube.kinds import Resource
from kube.runner import Runner


class HasController(Protocol):
    """What the modules of this room offer: one controller."""

    controller: Controller


@runtime_checkable
class HasEvents(Protocol):
    """A controller that tells people what it does."""

    events: EventRecorder


async def run_controllers(
    client: Client,
    settings: ControllerSettings | None = None,
    clock: Clock | None = None,
    informers: Informers | None = None,
) -> None:
    """Run all controllers until cancelled.

    informers: those of the process, run by whoever made them; None makes and runs some.
    """
    clock = clock or SystemClock()
    own = informers is None
    informers = informers or Informers(client, clock)
    world = World(client, informers, clock, settings or ControllerSettings())
    async with Runner(clock) as runner:
        if own:
            runner.start("controllers informers", informers.run)
        for part in assemble(world):
            runner.start(f"controller {part.controller.name}", part.controller.run)
            if isinstance(part, HasEvents):
                runner.start(f"events of {part.controller.name}", part.events.run)
        await runner.stopped()


def assemble(world: World) -> list[HasController]:
    """Return all controllers, those that people wait for first."""
    namespaces = Namespaces(world)
    parts: list[HasController] = [
        Deployments(world),
        Replicas(world, ReplicaSet),
        Replicas(world, ReplicationController),
        EndpointSlices(world),
        EndpointsObjects(world),
        EndpointSliceMirror(world),
        Accounts(world),
        namespaces,
        NodeLifecycle(world),
        TaintEviction(world),
        PodGarbage(world),
        EphemeralClaims(world),
        Claims(world),
        Volumes(world),
        LocalPath(world),
        ClaimProtection(world),
        VolumeProtection(world),
        AttributesProtection(world),
        Disruptions(world),
    ]
    if world.settings.cluster_cidr:
        parts.append(NodeCidrs(world))
    if world.settings.authority:
        parts.append(Certificates(world, world.settings.authority))
    garbage = Garbage(world)
    for informer in garbage.informers:
        informer.on_change(_deletions(namespaces.heard_deleted))
    return [*parts, garbage]


def _deletions(tell: Callable[[Resource], None]) -> Callable[[Any, Any], None]:
    def heard(old: Resource | None, new: Resource | None) -> None:
        if old is not None and new is None:
            tell(old)

    return heard
