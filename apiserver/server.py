"""Put an API server together, start it, and stop it.

Reads and writes the store and the directory of keys. Started in this order: keys, store, cache, listener, the cluster's
own objects; /readyz is ok after the last. Stopped in the opposite one.
"""

import asyncio
import errno
import gc
import socket
from contextlib import AsyncExitStack
from typing import Final, Self

import uvloop
from aiohttp import http_parser

from apiserver.allocators import AddressRange, StoredAllocators
from apiserver.authentication import Authenticator, read_token_table
from apiserver.authorization import EverythingForComponents, JoiningNodes, LittleForAll, NodeAgents
from apiserver.bootstrap import Basics, bootstrap, keep_up, tell_what_is_served
from apiserver.cache import Cache
from apiserver.components import Components
from apiserver.connections import BOUNDS, Bounds, HttpServer
from apiserver.credentials import AUTHORITY, NODE_CLIENT, SERVER, Credentials, ensure_credentials
from apiserver.handlers import Handlers
from apiserver.health import Health
from apiserver.http import Shell, server_tls
from apiserver.identity import User
from apiserver.local import LocalClient, component
from apiserver.measuring import Measuring
from apiserver.metrics import Metrics
from apiserver.pipeline import Pipeline
from apiserver.reading import CachedObjects, Readings
from apiserver.relay.agents import Agents, agent_tls
from apiserver.relay.nodes import NodeRelay
from apiserver.relay.proxy import Proxy
from apiserver.reviews import Reviews
from apiserver.settings import ApiServerSettings
from apiserver.store.contract import Store, StoreUnavailable
from apiserver.store.open import open_store
from apiserver.tokens import TokenKeeper
from apiserver.writing import Writings
from kube.api.core_v1 import Service
from kube.clock import Clock, SystemClock
from kube.config import Access
from kube.runner import Runner

COMPACT_S: Final = 300.0
BOOKMARK_S: Final = 60.0
SHUTDOWN_S: Final = 0.5
BACKLOG: Final = 1024
SELF: Final = component("system:apiserver")
MANAGER: Final = "kube-apiserver"
"""Who manages the fields that this server writes by itself."""
GC_GENERATIONS: Final = (10_000, 50, 100)


class StartError(Exception):
    """Why a server can't start: where, what was found, what would do."""


class ApiServer:
    """An API server, running for as long as its `async with` block."""

    def __init__(self, settings: ApiServerSettings, clock: Clock | None = None, bounds: Bounds = BOUNDS) -> None:
        """Nothing happens before the block is entered. bounds: of what clients may take."""
        self.settings = settings
        self._bounds = bounds
        self.port = settings.port
        self.credentials: Credentials
        self.authenticator: Authenticator
        self.pipeline: Pipeline
        self._clock = clock or SystemClock()
        self._stack = AsyncExitStack()
        self._is_bootstrapped = asyncio.Event()
        self._runner: Runner
        self._store: Store
        self._cache: Cache

    @property
    def url(self) -> str:
        """Where clients of this machine reach it."""
        host = self.settings.advertise or self.settings.bind
        host = "127.0.0.1" if host in ("", "0.0.0.0") else host
        return f"https://[{host}]:{self.port}" if ":" in host else f"https://{host}:{self.port}"

    def client(self, user: User = SELF) -> LocalClient:
        """Return a client within this process that speaks for `user`."""
        self.pipeline.components.join(user)
        return LocalClient(self.pipeline, user, MANAGER if user is SELF else "")

    def access(self, name: str) -> Access:
        """Return what a client needs that is one of credentials.CLIENTS: "admin", "scheduler", ..."""
        keys = self.credentials
        return Access(
            server=self.url,
            ca_pem=keys.authority.certificate_pem,
            certificate_pem=keys.certificate(name).read_text(),
            key_pem=keys.key(name).read_text(),
        )

    async def ready(self) -> None:
        """Return when the cluster's own objects are there and requests may come."""
        await self._is_bootstrapped.wait()

    async def __aenter__(self) -> Self:
        """Start. Raises StartError."""
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop: no new connections, watches end, the store is closed last."""
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        settings = self.settings
        assert_fast_parser()
        addresses = _checked(settings)
        try:
            self.credentials = ensure_credentials(settings.pki_dir, _names(settings, addresses), self._clock.now())
        except (OSError, ValueError) as error:
            raise StartError(f"keys in {settings.pki_dir}: {error}") from error
        self._store = await self._open_store()
        stack.push_async_callback(self._store.close)
        listener = self._bind()
        stack.callback(listener.close)
        self._runner = await stack.enter_async_context(Runner(self._clock))
        allocators = StoredAllocators(self._store, addresses, self._clock)
        shell = self._assemble(stack, allocators)
        self._runner.start("watch cache", self._cache.run)
        await self._listen(stack, shell.server(self._bounds), listener)
        self._runner.start("bootstrap", lambda: self._bootstrap(allocators))
        self._runner.start("compaction", lambda: self._housekeep(allocators))
        self._runner.start("bookmarks", self._bookmark)

    async def _open_store(self) -> Store:
        settings = self.settings
        try:
            return await open_store(
                settings.store, ca=settings.store_ca, cert=settings.store_cert, key=settings.store_key
            )
        except (ValueError, StoreUnavailable) as error:
            raise StartError(str(error)) from error

    def _assemble(self, stack: AsyncExitStack, allocators: StoredAllocators) -> Shell:
        """Make the parts and connect them."""
        settings, keys = self.settings, self.credentials
        self._cache = Cache(self._store)
        objects = CachedObjects(self._cache)
        keeper = TokenKeeper(keys.token_key)
        try:
            table = read_token_table(settings.token_file) if settings.token_file else {}
        except (OSError, ValueError) as error:
            raise StartError(f"token file: {error}") from error
        self.authenticator = authenticator = Authenticator(objects, keeper, table)
        authorizers = (EverythingForComponents(), LittleForAll(), NodeAgents(objects), JoiningNodes())
        agents = Agents(agent_tls(keys.certificate(AUTHORITY), keys.certificate(NODE_CLIENT), keys.key(NODE_CLIENT)))
        stack.push_async_callback(agents.close)
        self.pipeline = Pipeline(
            Readings(self._cache, self._store),
            Writings(self._cache, self._store, objects, allocators, settings.node_patience_s),
            objects,
            authorizers=authorizers,
            reviews=Reviews(objects, authenticator, authorizers, keeper),
            components=Components(self._store_wrong),
            measuring=Measuring(objects, agents, self._clock),
            clock=self._clock,
        )
        proxy = Proxy(objects, agents)
        stack.push_async_callback(proxy.close)
        health = Health({"ping": lambda: ""}, {"store": self._store_wrong, "bootstrap": self._bootstrap_wrong})
        metrics = Metrics()
        handlers = Handlers(self.pipeline, NodeRelay(objects, agents), proxy, metrics)
        authority_pem = keys.authority.certificate_pem
        return Shell(
            self.pipeline,
            handlers,
            authenticator,
            keeper,
            health=health,
            metrics=metrics,
            authority_pem=authority_pem,
        )

    def _store_wrong(self) -> str:
        return "" if self._cache.is_following else "the store has not been read, or does not answer"

    def _bootstrap_wrong(self) -> str:
        return "" if self._is_bootstrapped.is_set() else "the cluster's own objects are being made"

    def _bind(self) -> socket.socket:
        """Take the port, so that it is known whether it can be had before anything runs."""
        settings = self.settings
        family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((settings.bind, settings.port))
        except OSError as error:
            listener.close()
            raise _listen_error(settings, error) from error
        self.port = listener.getsockname()[1]
        return listener

    async def _listen(self, stack: AsyncExitStack, server: HttpServer, listener: socket.socket) -> None:
        keys = self.credentials
        tls = server_tls(str(keys.certificate(SERVER)), str(keys.key(SERVER)), str(keys.certificate(AUTHORITY)))
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(
            server, sock=listener, ssl=tls, backlog=BACKLOG, ssl_handshake_timeout=server.bounds.handshake_s
        )
        self._runner.start("connections", lambda: server.sweep(self._clock))
        stack.push_async_callback(server.shutdown, SHUTDOWN_S)
        stack.callback(server.pre_shutdown)
        stack.callback(listening.close)

    async def _bootstrap(self, allocators: StoredAllocators) -> None:
        settings = self.settings
        await self._cache.loaded.wait()
        await self._repair(allocators)
        address = settings.advertise or settings.bind
        basics = Basics(address, self.port, settings.service_cidr, settings.has_dns)
        await bootstrap(self.client(), basics, self._clock)
        self._is_bootstrapped.set()
        await tell_what_is_served(self.client(), self._clock.now())
        await keep_up(self.client(), basics, self._clock)

    async def _housekeep(self, allocators: StoredAllocators) -> None:
        """Forget the store's past but for the last minutes; take back what no Service holds."""
        await self._cache.loaded.wait()
        keep_from = self._cache.revision
        while True:
            await self._clock.sleep(COMPACT_S)
            await self.pipeline.readings.compact(keep_from)
            keep_from = self._cache.revision
            await self._cache.catch_up()
            await self._repair(allocators)

    async def _repair(self, allocators: StoredAllocators) -> None:
        """Take back what no Service holds, once it is known what all of them hold."""
        if not any(found.kind.kind == "Service" for found in self._cache.unreadable.values()):
            await allocators.repair(self.pipeline.objects.all(Service))

    async def _bookmark(self) -> None:
        while True:
            await self._clock.sleep(BOOKMARK_S)
            self._cache.bookmark()


def _checked(settings: ApiServerSettings) -> AddressRange:
    try:
        return AddressRange.parse(settings.service_cidr)
    except ValueError as error:
        raise StartError(f"service_cidr: {error}") from error


def _names(settings: ApiServerSettings, addresses: AddressRange) -> tuple[str, ...]:
    """Return the names and addresses that the server's certificate must have."""
    found = ["localhost", "127.0.0.1", "::1", addresses.kubernetes_ip, socket.gethostname()]
    found += [address for address in (settings.bind, settings.advertise) if address not in ("", "0.0.0.0", "::")]
    return tuple(dict.fromkeys((*found, *settings.names)))


def _listen_error(settings: ApiServerSettings, error: OSError) -> StartError:
    where = f"{settings.bind}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return StartError(f"{where}: the port is taken by another program; choose one with --port")
    return StartError(f"{where}: can't listen there ({error.strerror}); choose an address of this machine with --bind")


def assert_fast_parser() -> None:
    """Return if aiohttp's parser is the compiled one. Raises StartError: the other is several times slower."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise StartError("aiohttp: its C extensions are missing; install a wheel of aiohttp for this platform")


def tune_garbage_collector() -> None:
    """Look for garbage less often: what the server keeps are trees that reference counts free."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_GENERATIONS)


async def serve(settings: ApiServerSettings) -> None:
    """Run a server until the process is told to end. Raises StartError."""
    async with ApiServer(settings) as server, Runner() as until:
        until.stop_on_signals()
        await server.ready()
        tune_garbage_collector()
        await until.stopped()


def run(settings: ApiServerSettings) -> None:
    """Run a server in a loop of its own, until the process is told to end. Raises StartError."""
    uvloop.run(serve(settings))
