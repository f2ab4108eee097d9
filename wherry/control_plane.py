"""The control plane in one process: the API server, the scheduler and the controllers, sharing their objects.

The scheduler and the controllers speak to the API server as anybody does, with permissions of their own; only the way
is shorter.
"""

from collections.abc import Callable
from dataclasses import dataclass

from apiserver.local import component
from apiserver.server import ApiServer, tune_garbage_collector
from apiserver.settings import ApiServerSettings
from controllers.run import run_controllers
from controllers.world import ControllerSettings
from kube.clock import SystemClock
from kube.informers import Informers
from kube.runner import Runner
from scheduler.run import SchedulerSettings, run_scheduler


@dataclass(frozen=True)
class ControlPlaneSettings:
    """What the three rooms are told."""

    apiserver: ApiServerSettings
    controllers: ControllerSettings
    scheduler: SchedulerSettings


async def run_control_plane(
    settings: ControlPlaneSettings, with_authority: Callable[[ControllerSettings, ApiServer], ControllerSettings]
) -> None:
    """Run all three until the process is told to end. Raises StartError.

    with_authority: completes the controllers' settings with what the server has made at its start.
    """
    clock = SystemClock()
    async with ApiServer(settings.apiserver, clock) as server, Runner(clock) as runner:
        runner.stop_on_signals()
        controllers = with_authority(settings.controllers, server)
        client = server.client(component("system:kube-controller-manager"))
        informers = Informers(client, clock)
        runner.start("informers", informers.run)
        runner.start("controllers", lambda: run_controllers(client, controllers, clock, informers))
        binder = server.client(component("system:kube-scheduler"))
        runner.start("scheduler", lambda: run_scheduler(binder, settings.scheduler, clock, informers))
        await server.ready()
        tune_garbage_collector()
        await runner.stopped()
