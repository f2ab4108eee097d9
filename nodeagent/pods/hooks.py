"""Run the hooks of a container's life: after its start, before its stop.

Source: kubernetes.io/docs/concepts/containers/container-lifecycle-hooks.
"""

from dataclasses import dataclass

from kube.api.core_v1 import Container, LifecycleHandler
from kube.clock import Clock
from nodeagent.cri.client import Cri
from nodeagent.pods.checks import Outcome, check_exec, check_tcp
from nodeagent.pods.http_check import check_http


@dataclass(frozen=True, slots=True)
class HookPlace:
    """Where a hook runs. ip: the pod's."""

    container: Container
    container_id: str
    ip: str


async def run_hook(handler: LifecycleHandler, place: HookPlace, cri: Cri, clock: Clock, *, most_s: float) -> Outcome:
    """Run one hook for at most `most_s` seconds."""
    container, ip = place.container, place.ip
    if handler.exec is not None:
        return await check_exec(cri, place.container_id, handler.exec.command, most_s)
    if handler.http_get is not None:
        return await check_http(handler.http_get, container, ip, most_s, "lifecycle")
    if handler.tcp_socket is not None:
        return await check_tcp(handler.tcp_socket, container, ip, most_s)
    if handler.sleep is not None:
        await clock.sleep(min(handler.sleep.seconds, most_s))
    return Outcome(True, "")
