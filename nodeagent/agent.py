"""Put the node agent together: the runtime beside it, the Node, its pods, its server, its routes, proxy and DNS.

Nothing is decided here: each part is a task of one runner, and they meet at the API and at the CRI socket.
"""

import asyncio
import gc
import logging
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from kube.api.core_v1 import Node, Pod
from kube.client import Client, Selection
from kube.clock import Clock, SystemClock
from kube.events import EventRecorder
from kube.informer import Informer
from kube.objects import ObjectKey
from kube.quantity import Quantity
from kube.runner import Runner
from kube.volumes import LOCAL_PATH
from nodeagent import machine
from nodeagent.access import Access
from nodeagent.cri.client import Cri, CriError
from nodeagent.cri.values import RuntimeVersion
from nodeagent.dns.server import DnsServer, DnsSettings
from nodeagent.empty_dirs import keep_limits
from nodeagent.image_garbage import ImageCollector, Marks, disk_of
from nodeagent.local_volumes import LocalVolumes
from nodeagent.log_rotation import keep_rotating
from nodeagent.node import NodeKeeper
from nodeagent.node_routes import follow_nodes, gateway_of
from nodeagent.node_status import NodeIdentity, node_labels, parse_taint
from nodeagent.other_runtime import connect_runtime, sandbox_image
from nodeagent.pods.images import ImagePuller
from nodeagent.pods.references import ReferenceCache
from nodeagent.pods.resolver import parse_resolv_conf
from nodeagent.pods.resources import ZERO
from nodeagent.pods.room import NodeTrouble, PodRoom, PodSettings
from nodeagent.pods.roster import Roster
from nodeagent.pods.static_keeper import StaticKeeper, follow
from nodeagent.pods.static_pods import read_static_pods
from nodeagent.pods.status import NodeFacts
from nodeagent.pods.user_ranges import UserRanges, node_ids
from nodeagent.pods.view import BackoffLimits
from nodeagent.pods.volumes import NodeDirs
from nodeagent.pressure.keeper import PressureKeeper
from nodeagent.pressure.thresholds import allocatable
from nodeagent.proxy import proxy
from nodeagent.proxy.rules import NodeView
from nodeagent.proxy.services import service_informers
from nodeagent.runtime_child import keep_runtime
from nodeagent.server import NodeServer
from nodeagent.settings import AgentSettings
from nodeagent.shutdown.keeper import ShutdownKeeper
from nodeagent.shutdown.periods import parse_periods
from nodeagent.stats.doors import StatsDoors
from nodeagent.stats.meter import Meter

COMPONENT: Final = "kubelet"
DNS_SERVICE: Final = ObjectKey("kube-system", "kube-dns")
RUNTIME_LOOK_S: Final = 0.02
DNS_INDEX: Final = 10
"""Which address of the service range is cluster DNS's: the tenth."""
DNS_LOOK_S: Final = 0.05

_log = logging.getLogger(__name__)


async def run_agent(settings: AgentSettings, client: Client) -> None:
    """Run a node until SIGTERM or SIGINT. Its pods go on running."""
    NodeDirs(settings.state_dir, settings.run_dir).make()
    cri = Cri(settings.endpoint)
    try:
        async with Runner() as runner, asyncio.TaskGroup() as group:
            runner.stop_on_signals()
            starting = group.create_task(_Agent(settings, client, cri, runner).start())
            await runner.stopped()
            starting.cancel()  # It waits as long as the API is silent.
    finally:
        await cri.close()


class _Agent:
    """The parts of one node, as they are put together."""

    def __init__(self, settings: AgentSettings, client: Client, cri: Cri, runner: Runner) -> None:
        self._settings = settings
        self._client = client
        self._cri = cri
        self._runner = runner
        self._clock: Clock = SystemClock()
        self._nodes = Informer(client, Node)
        self._pods = Informer(client, Pod, Selection(field_selector=f"spec.nodeName={settings.node_name}"))
        self._services = service_informers(client)
        self._trouble = NodeTrouble()
        self._runtime_restarted = asyncio.Event()

    async def start(self) -> None:
        """Start all parts, each as soon as what it needs is there."""
        settings, runner = self._settings, self._runner
        if not settings.cri_endpoint:
            runner.start("runtime", self._keep_runtime)
        runner.start("informer of nodes", self._nodes.run)
        runner.start("informer of pods", self._pods.run)
        self._services.start(runner)
        recorder = EventRecorder(self._client, COMPONENT, host=settings.node_name, clock=self._clock)
        runner.start("events", recorder.run)
        version = await self._runtime_version()
        identity = self._identity(version)
        keeper = NodeKeeper(
            settings,
            identity,
            client=self._client,
            cri=self._cri,
            nodes=self._nodes,
            clock=self._clock,
            trouble=self._trouble,
        )
        room = self._room(identity, version, recorder)
        roster = self._start_pods(room)
        runner.start("pod CIDR without the API", keeper.bridge_silence)
        self._heed_shutdown(room, roster)
        await keeper.register()
        runner.start("node status", keeper.keep_status)
        runner.start("node lease", keeper.keep_lease)
        volumes = LocalVolumes(self._client, self._clock, settings.node_name, room.dirs.local_volumes)
        runner.start("informer of local volumes", volumes.informer.run)
        runner.start("local volumes", volumes.controller.run)
        meter = Meter(roster, self._cri, room.dirs, self._clock, None if settings.cri_endpoint else settings.image_dir)
        pressure = PressureKeeper(settings, room, roster, meter, self._nodes)
        runner.start("pressure", pressure.run)
        runner.start("pod CIDR", lambda: self._tell_restarts(keeper))
        runner.start("limits of emptyDirs", lambda: keep_limits(roster.workers, room.dirs, self._clock))
        runner.start("log rotation", lambda: self._rotate_logs(roster, room.dirs))
        runner.start("images", self._collect_images)
        if settings.serving_cert is not None:
            server = self._server(roster, room.dirs, meter, pressure, room.users)
            runner.start("server", lambda: server.run(identity.addresses[0]))
        runner.start("network", lambda: self._connect(identity))
        gc.freeze()  # What is here now stays: no need to look through it again.

    def _start_pods(self, room: PodRoom) -> Roster:
        """Run the pods: those of the API once it is heard, those of the node's own files at once."""
        folder, name = self._settings.static_pods, self._settings.node_name
        roster = Roster(room, self._pods, read_static_pods(folder, name)[0].values())
        static = StaticKeeper(folder, room, roster, node=name, nodes=self._nodes, pods=self._pods)
        self._runner.start("pods", roster.run)
        self._runner.start("static pods", lambda: follow(static))
        return roster

    def _heed_shutdown(self, room: PodRoom, roster: Roster) -> None:
        """Let pods end in their order when this process is told to, and where that is set when the machine ends."""
        periods = parse_periods(self._settings)
        keeper = ShutdownKeeper(self._settings.node_name, periods, room, roster, self._nodes)
        self._runner.start("shutdown by signal", lambda: keeper.heed_signal(self._runner.stop))
        if periods:
            from nodeagent.shutdown.logind import follow_logind  # noqa: PLC0415 - D-Bus costs memory, and few want it.

            self._runner.start("shutdown by logind", lambda: follow_logind(keeper, self._clock))

    def _server(
        self, roster: Roster, dirs: NodeDirs, meter: Meter, pressure: PressureKeeper, users: UserRanges
    ) -> NodeServer:
        settings, clock = self._settings, self._clock
        stats = StatsDoors(
            settings.node_name,
            meter,
            self._cri,
            clock,
            records=lambda: (worker.record for worker in roster.workers()),
            evictions=pressure.evicted,
            users=users,
        )
        access = Access(settings.node_name, self._client, clock)
        return NodeServer(settings, roster, self._cri, dirs, clock, access=access, stats=stats)

    async def _keep_runtime(self) -> None:
        await keep_runtime(self._settings, self._clock, self._runtime_restarted.set)

    async def _rotate_logs(self, roster: Roster, dirs: NodeDirs) -> None:
        def running() -> Iterator[tuple[str, Path]]:
            for worker in roster.workers():
                for record in worker.record.running:
                    yield record.id, dirs.logs(worker.pod) / record.name / f"{record.restart_count}.log"

        most_bytes, most_files = self._settings.log_max_bytes, self._settings.log_max_files
        await keep_rotating(self._cri, running, self._clock, most_bytes=most_bytes, most_files=most_files)

    async def _collect_images(self) -> None:
        settings = self._settings
        folder, kept = settings.image_dir, ""
        if settings.cri_endpoint:
            folder, kept = Path(await self._cri.image_mountpoint() or "/"), sandbox_image(await self._cri.info())
        marks = Marks(settings.image_high_percent, settings.image_low_percent)
        await ImageCollector(self._cri, self._clock, lambda: disk_of(folder), marks, kept).run()

    async def _tell_restarts(self, keeper: NodeKeeper) -> None:
        while True:
            await self._runtime_restarted.wait()
            self._runtime_restarted.clear()
            keeper.forget_pod_cidr()

    async def _runtime_version(self) -> RuntimeVersion:
        """Return which runtime this is, once it answers."""
        while True:
            try:
                return await self._cri.version()
            except CriError as error:
                _log.debug("the runtime gives no answer yet: %s", error)
                await self._clock.sleep(RUNTIME_LOOK_S)

    def _identity(self, version: RuntimeVersion) -> NodeIdentity:
        settings = self._settings
        has = machine.capacity(settings.state_dir) | {n: Quantity(v) for n, v in settings.capacity.items()}
        return NodeIdentity(
            name=settings.node_name,
            addresses=(settings.node_address or machine.address_towards("192.0.2.1"),),
            port=settings.port,
            capacity=has,
            allocatable=allocatable(settings, has),
            info=machine.system_info(f"{version.name}://{version.version}"),
            labels=node_labels(settings.node_name, settings.labels),
            taints=tuple(parse_taint(text) for text in settings.taints),
            annotations={LOCAL_PATH: str(NodeDirs(settings.state_dir, settings.run_dir).local_volumes)},
        )

    def _room(self, identity: NodeIdentity, version: RuntimeVersion, recorder: EventRecorder) -> PodRoom:
        settings = self._settings
        pod_settings = PodSettings(
            allocatable=identity.allocatable,
            memory_bytes=identity.capacity.get("memory", ZERO).whole,
            node_labels=identity.labels,
            cluster_dns=_cluster_dns(settings),
            cluster_domain=settings.cluster_domain,
            host_dns=parse_resolv_conf(_read(Path("/etc/resolv.conf"))),
            cgroup_parent=settings.cgroup_parent,
            allowed_unsafe_sysctls=settings.allowed_unsafe_sysctls,
            removes_cgroups=bool(settings.cri_endpoint),
            limits=BackoffLimits(settings.backoff_first_s, settings.backoff_most_s),
        )
        dirs = NodeDirs(settings.state_dir, settings.run_dir)
        return PodRoom(
            client=self._client,
            cri=self._cri,
            clock=self._clock,
            runner=self._runner,
            recorder=recorder,
            references=ReferenceCache(self._client, self._runner),
            images=ImagePuller(self._cri),
            dirs=dirs,
            users=UserRanges(dirs.pods, node_ids(_read(Path("/etc/subuid")), _read(Path("/etc/subgid")))),
            node=NodeFacts(identity.addresses, version.name),
            settings=pod_settings,
            services=self._services.services.all,
            trouble=self._trouble,
        )

    async def _connect(self, identity: NodeIdentity) -> None:
        """Start what depends on the node's range of pod addresses: routes, proxy, DNS; a fault of one is its own."""
        cidr = await self._pod_cidr()
        if self._settings.cri_endpoint:
            await connect_runtime(self._settings, self._cri, cidr)
        gateway = gateway_of(cidr)
        self._runner.start("routes", lambda: follow_nodes(self._settings, self._nodes, self._cri))
        if self._settings.runs_proxy:
            self._runner.start("service proxy", lambda: self._balance(identity.name, gateway))
        if self._settings.runs_dns:
            self._runner.start("dns", lambda: self._resolve(gateway))

    async def _resolve(self, gateway: IPv4Address) -> None:
        settings = self._settings
        cidrs = (IPv4Network(settings.cluster_cidr), IPv4Network(settings.service_cidr))
        dns = DnsSettings(
            address=str(gateway),
            domain=settings.cluster_domain,
            cidrs=cidrs,
            own_addresses=(str(gateway), *_cluster_dns(settings)),
        )
        while True:
            try:
                await DnsServer(self._services, dns).run()
            except OSError as error:  # The gateway's address is the runtime's to make; it comes in a moment.
                _log.debug("dns: %s: %s", gateway, error)
            await self._clock.sleep(DNS_LOOK_S)

    async def _pod_cidr(self) -> IPv4Network:
        while True:
            await self._nodes.wait_synced()
            node = self._nodes.get(self._settings.node_name)
            if node is not None and node.spec.pod_cidr:
                return IPv4Network(node.spec.pod_cidr)
            await self._nodes.wait_seen(self._nodes.revision + 1)

    async def _balance(self, name: str, gateway: IPv4Address) -> None:
        settings = proxy.ProxySettings(
            prefix=self._settings.link_prefix,
            cluster_cidr=IPv4Network(self._settings.cluster_cidr),
            node=NodeView(name, {DNS_SERVICE: gateway} if self._settings.runs_dns else {}),
        )
        await proxy.run(self._client, settings, self._services)


def _cluster_dns(settings: AgentSettings) -> tuple[str, ...]:
    """Return the address of the DNS Service: the one that is set, else the tenth of the service range."""
    return settings.cluster_dns or (str(IPv4Network(settings.service_cidr)[DNS_INDEX]),)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
