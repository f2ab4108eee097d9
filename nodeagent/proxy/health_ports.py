"""Answer load balancers that ask which nodes have endpoints of a Service whose traffic from outside stays on the node.

Keeps true: while a Service has a health port, this node answers there, 200 where it has endpoints that are ready, else
503, with their number. Reads Services and EndpointSlices; opens sockets in the node's network namespace.
Source: kubernetes.io/docs/tutorials/services/source-ip, KEP-3458 (the weight's header).
"""

import asyncio
import json
import logging
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from kube.api.core_v1 import Service
from kube.api.discovery_v1 import EndpointSlice
from kube.objects import ObjectKey, key_of
from nodeagent.network import namespaces
from nodeagent.proxy.rules import services_of
from nodeagent.proxy.services import BY_SERVICE, ServiceInformers

RETRY_S: Final = 5.0
WEIGHT_HEADER: Final = "X-Load-Balancing-Endpoint-Weight"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """What is said on a port. endpoints: how many that are ready the Service has on this node."""

    service: ObjectKey
    port: int
    endpoints: int


def health_of(service: Service | None, slices: Iterable[EndpointSlice], node_name: str) -> Health | None:
    """Return what is to be said of a Service, None where it has no health port."""
    if service is None or not service.spec.health_check_node_port:
        return None
    here = {
        address
        for found in slices
        for endpoint in found.endpoints
        if endpoint.node_name == node_name and endpoint.conditions.ready in (None, True)
        for address in endpoint.addresses
    }
    return Health(key_of(service), service.spec.health_check_node_port, len(here))


class HealthPorts:
    """The health ports of one node; run() serves them until it is cancelled. namespace: its path, None: ours."""

    def __init__(self, informers: ServiceInformers, node_name: str, namespace: str | None = None) -> None:
        self._informers = informers
        self._node_name = node_name
        self._namespace = namespace
        self._told: dict[ObjectKey, Health] = {}
        self._sites: dict[int, web.SockSite] = {}
        self._changed: set[ObjectKey] = set()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Follow the Services and their endpoints."""
        stops = (
            self._informers.services.on_change(self._service_changed),
            self._informers.slices.on_change(self._slice_changed),
        )
        runner = web.ServerRunner(web.Server(self._answer))
        await runner.setup()
        try:
            await self._informers.wait_synced()
            self._note(key_of(service) for service in self._informers.services.all())
            while True:
                await self._wake.wait()
                self._wake.clear()
                keys, self._changed = self._changed, set()
                for key in keys:
                    await self._settle(key, runner)
        finally:
            for stop in stops:
                stop()
            self._sites.clear()
            await runner.cleanup()

    async def _settle(self, key: ObjectKey, runner: web.ServerRunner) -> None:
        """Have one Service's port open, or closed, and know what is said there."""
        service = self._informers.services.get(key.name, key.namespace)
        before = self._told.pop(key, None)
        now = health_of(service, self._informers.slices.by_index(BY_SERVICE, key), self._node_name)
        if before is not None and (now is None or now.port != before.port):
            await self._close(before.port)
        if now is None:
            return
        self._told[key] = now
        if now.port not in self._sites:
            try:
                await self._open(now.port, runner)
            except OSError as error:
                _log.warning("health port %d of %s: %s; trying again in %g s", now.port, key, error, RETRY_S)
                asyncio.get_running_loop().call_later(RETRY_S, self._note, [key])

    async def _open(self, port: int, runner: web.ServerRunner) -> None:
        sock = await asyncio.to_thread(_listening, self._namespace, port)
        site = web.SockSite(runner, sock)
        await site.start()
        self._sites[port] = site

    async def _close(self, port: int) -> None:
        site = self._sites.pop(port, None)
        if site is not None:
            with suppress(RuntimeError):  # It has ended with its runner.
                await site.stop()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        port = request.transport.get_extra_info("sockname")[1] if request.transport else 0
        health = next((health for health in self._told.values() if health.port == port), None)
        if health is None:
            return web.Response(status=404)
        told = {
            "service": {"namespace": health.service.namespace, "name": health.service.name},
            "localEndpoints": health.endpoints,
            "serviceProxyHealthy": True,
        }
        return web.Response(
            status=200 if health.endpoints else 503,
            text=json.dumps(told),
            content_type="application/json",
            headers={"X-Content-Type-Options": "nosniff", WEIGHT_HEADER: str(health.endpoints)},
        )

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        self._note(key_of(service) for service in (old, new) if service is not None)

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        self._note(key for found in (old, new) if found is not None for key in services_of(found))

    def _note(self, keys: Iterable[ObjectKey]) -> None:
        self._changed.update(keys)
        self._wake.set()


def _listening(namespace: str | None, port: int) -> socket.socket:
    def opened() -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("", port))
        except OSError:
            sock.close()
            raise
        return sock

    return opened() if namespace is None else namespaces.run_in(namespace, opened)
