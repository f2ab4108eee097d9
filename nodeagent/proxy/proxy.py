"""The service proxy of a node: hear of Services and EndpointSlices, plan their rules, write them to the kernel.

Keeps true: the kernel's table says what the informers say, a moment later. The first change of a burst is written at
once; those that arrive meanwhile go together in the next batch. Reads Services and EndpointSlices; writes one nftables
table and ends stale UDP flows. Decides in rules.plan_service(), acts in ProxyTable.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network
from typing import Final, TypeVar

from kube.api.core_v1 import Service
from kube.api.discovery_v1 import EndpointSlice
from kube.client import Client
from kube.clock import Clock, SystemClock
from kube.objects import ObjectKey, key_of
from kube.runner import Runner
from nodeagent.network import namespaces
from nodeagent.proxy.health_ports import HealthPorts
from nodeagent.proxy.rules import Backend, Frontend, NodeView, Rules, plan_service, services_of
from nodeagent.proxy.services import BY_SERVICE, ServiceInformers, service_informers
from nodeagent.proxy.table import ProxyTable

RESYNC_S: Final = 30.0
RETRY_S: Final = 1.0

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """prefix: names the table, as it does the node's links. namespace: path of the network namespace, None: ours."""

    prefix: str
    cluster_cidr: IPv4Network
    node: NodeView
    namespace: str | None = None

    @property
    def table(self) -> str:
        """Name of the nftables table."""
        return f"wherry-{self.prefix}-proxy"


class Claims:
    """Which Service has which frontend: where several claim one, the first by name."""

    def __init__(self) -> None:
        self._by_service: dict[ObjectKey, Rules] = {}
        self._by_frontend: dict[Frontend, dict[ObjectKey, Backend]] = {}

    def set(self, service: ObjectKey, rules: Rules) -> Mapping[Frontend, Backend | None]:
        """Replace the claims of one Service; return what the frontends concerned lead to now."""
        before = self._by_service.pop(service, {})
        if rules:
            self._by_service[service] = rules
        for frontend in before:
            del self._by_frontend[frontend][service]
        for frontend, backend in rules.items():
            self._by_frontend.setdefault(frontend, {})[service] = backend
        return {frontend: self._winner(frontend) for frontend in {**before, **rules}}

    def _winner(self, frontend: Frontend) -> Backend | None:
        claims = self._by_frontend[frontend]
        if claims:
            return claims[min(claims)]
        del self._by_frontend[frontend]
        return None

    def rules(self) -> Rules:
        """Return what every frontend leads to."""
        return {frontend: claims[min(claims)] for frontend, claims in self._by_frontend.items()}


class ServiceProxy:
    """One node's proxy. run() keeps the kernel in step until it is cancelled; the rules stay when it ends."""

    def __init__(self, informers: ServiceInformers, settings: ProxySettings, clock: Clock | None = None) -> None:
        self._informers = informers
        self._settings = settings
        self._clock = clock or SystemClock()
        self._claims = Claims()
        self._changed: set[ObjectKey] = set()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Write all rules as soon as everything was heard of, then every change; once for each object."""
        stops = (
            self._informers.services.on_change(self._service_changed),
            self._informers.slices.on_change(self._slice_changed),
        )
        try:
            await self._write()
        finally:
            for stop in stops:
                stop()

    async def _write(self) -> None:
        worker = namespaces.start_worker(self._settings.namespace, "service-proxy")
        try:
            await self._informers.wait_synced()
            table = await _in(worker, lambda: ProxyTable(self._settings.table, self._settings.cluster_cidr))
            try:
                await self._follow(worker, table)
            finally:
                table.close()
        finally:
            worker.shutdown(wait=False)

    async def _follow(self, worker: ThreadPoolExecutor, table: ProxyTable) -> None:
        self._replan({key_of(service) for service in self._informers.services.all()} | self._changed)
        self._changed.clear()
        rules = self._claims.rules()
        await _in(worker, partial(table.replace, rules))
        _log.info("service proxy: %d frontends written to table %s", len(rules), table.name)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._resync(worker, table), name="service proxy resync")
            while True:
                await self._wake.wait()
                self._wake.clear()
                keys, self._changed = self._changed, set()
                changes = self._replan(keys)
                try:
                    await _in(worker, partial(table.update, changes))
                except OSError as error:
                    _log.error("service proxy: table %s: %s; trying again in %g s", table.name, error, RETRY_S)
                    await self._clock.sleep(RETRY_S)
                    await _in(worker, partial(table.replace, self._claims.rules()))

    async def _resync(self, worker: ThreadPoolExecutor, table: ProxyTable) -> None:
        """Put the table back where someone has deleted it."""
        while True:
            await self._clock.sleep(RESYNC_S)
            if not await _in(worker, table.is_present):
                _log.warning("service proxy: table %s was gone; writing it anew", table.name)
                await _in(worker, partial(table.replace, self._claims.rules()))

    def _replan(self, keys: Iterable[ObjectKey]) -> dict[Frontend, Backend | None]:
        changes: dict[Frontend, Backend | None] = {}
        for key in keys:
            service = self._informers.services.get(key.name, key.namespace)
            slices = self._informers.slices.by_index(BY_SERVICE, key)
            rules = plan_service(service, slices, self._settings.node) if service is not None else {}
            changes.update(self._claims.set(key, rules))
        return changes

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        self._note(key_of(service) for service in (old, new) if service is not None)

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        self._note(key for found in (old, new) if found is not None for key in services_of(found))

    def _note(self, keys: Iterable[ObjectKey]) -> None:
        self._changed.update(keys)
        self._wake.set()


async def _in(worker: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """Do `work` in the thread that may block on the kernel."""
    return await asyncio.get_running_loop().run_in_executor(worker, work)


async def run(client: Client, settings: ProxySettings, informers: ServiceInformers | None = None) -> None:
    """Run a node's proxy and health ports. informers: those of the node where it runs them, None for own ones."""
    shared = informers or service_informers(client)
    async with Runner() as runner:
        if informers is None:
            shared.start(runner)
        runner.start("health ports", HealthPorts(shared, settings.node.name, settings.namespace).run)
        await ServiceProxy(shared, settings).run()


def remove(settings: ProxySettings) -> None:
    """Delete the proxy's table; nothing there is fine, and so is a namespace that is gone."""

    def delete() -> None:
        table = ProxyTable(settings.table, settings.cluster_cidr)
        table.remove()
        table.close()

    if settings.namespace is None:
        delete()
    else:
        namespaces.run_in(settings.namespace, delete)
