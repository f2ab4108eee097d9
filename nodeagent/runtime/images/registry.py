"""Pull images from OCI and Docker registries.

Keeps true: nothing enters the store but what has the digest that names it; credentials go to the registry (or its
token service) alone, never to its mirrors or to where it redirects. Speaks http only with loopback and the registries
named insecure.
Source: OCI distribution specification v1.1; Docker's token authentication.
"""

import asyncio
import hashlib
import ipaddress
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple

import aiohttp
import msgspec

from kube.image_names import Reference
from nodeagent.runtime.errors import Reason, RuntimeRefusal
from nodeagent.runtime.images import layers, manifest
from nodeagent.runtime.images.model import Credentials, Image
from nodeagent.runtime.images.progress import Arrivals, Progress
from nodeagent.runtime.images.store import ImageStore

_LOG = logging.getLogger(__name__)
PARALLEL_LAYERS = 3
ATTEMPTS = 4
FIRST_PAUSE_S = 0.2
PAUSE_S_MAX = 30.0
_PIECE_BYTES = 1 << 18
_SMALL_BYTES_MAX = 8 << 20
_ACCEPT = ", ".join((*manifest.MANIFEST_TYPES, *manifest.INDEX_TYPES))
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=20, sock_read=60)


class _Token(msgspec.Struct):
    token: str = ""
    access_token: str = ""


class Registries(msgspec.Struct, frozen=True):
    """How registries are reached.

    insecure: those to speak http with. mirrors: `REGISTRY=HOST[:PORT][/PREFIX]` each, asked in this order before the
    registry itself.
    """

    insecure: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()

    def mirrors_of(self, registry: str) -> list[str]:
        """Return the mirrors of a registry."""
        pairs = (mirror.partition("=") for mirror in self.mirrors)
        return [place for name, _, place in pairs if name == registry]

    def url(self, place: str) -> str:
        """Return where the API of `place` (HOST[:PORT][/PREFIX]) begins."""
        host, slash, prefix = place.partition("/")
        scheme = "http" if host in self.insecure or is_loopback(host) else "https"
        return f"{scheme}://{host}/v2{slash}{prefix}"


async def pull(
    name: Reference,
    credentials: Credentials,
    registries: Registries,
    store: ImageStore,
    *,
    arrivals: Arrivals,
    progress: Progress,
) -> Image:
    """Bring an image into the store, from a mirror where one has it; raises what the registry itself refuses with."""
    into = _Into(store, arrivals, progress)
    for mirror in registries.mirrors_of(name.registry):
        try:
            return await RegistryClient(name, Credentials(), registries.url(mirror)).pull(into)
        except (RuntimeRefusal, ValueError) as error:
            _LOG.warning("image %s: mirror %s can't serve it: %s", name, mirror, error)
    host = "registry-1.docker.io" if name.registry == "docker.io" else name.registry
    return await RegistryClient(name, credentials, registries.url(host)).pull(into)


class _Into(NamedTuple):
    """Where a pull's layers go, who else fetches some of them, and who is told."""

    store: ImageStore
    arrivals: Arrivals
    progress: Progress


class RegistryClient:
    """Pulls one image from one place; made per pull."""

    def __init__(self, name: Reference, credentials: Credentials, url: str) -> None:
        """url: where the place's API begins, up to the image's path."""
        self._name = name
        self._credentials = credentials
        self._base = f"{url}/{name.path}"
        self._authorization = f"Bearer {credentials.token}" if credentials.token else ""
        self._session: aiohttp.ClientSession | None = None

    async def pull(self, into: _Into) -> Image:
        """Bring the image and its layers into the store, and name it there."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT, auto_decompress=False) as self._session:
            asked = self._name.digest or self._name.tag
            data = await self._small(f"manifests/{asked}", self._name.digest)
            top = f"sha256:{hashlib.sha256(data).hexdigest()}"
            found = manifest.decode(data, str(self._name))
            if found.manifests is not None:
                chosen = manifest.choose(found.manifests, manifest.here(), str(self._name))
                data = await self._small(f"manifests/{chosen.digest}", chosen.digest)
                found = manifest.decode(data, str(self._name))
            if found.config is None:
                raise ValueError(f"{self._name}: its index leads to another index; push it with another tool")
            config = manifest.decode_config(
                await self._small(f"blobs/{found.config.digest}", found.config.digest), str(self._name)
            )
            await self._layers(into, manifest.pairs(found, config, str(self._name)))
            size = sum(item.size for item in found.layers) + found.config.size
            names = [f"{self._name.repository}@{top}"]
            names += [f"{self._name.repository}:{self._name.tag}"] if not self._name.digest else []
            return into.store.add(manifest.image_of(found.config.digest, config, size), names)

    async def _layers(self, into: _Into, wanted: list[tuple[manifest.Descriptor, str]]) -> None:
        slots = asyncio.Semaphore(PARALLEL_LAYERS)

        async def fetch(descriptor: manifest.Descriptor, diff_id: str) -> None:
            async with slots, into.arrivals.turn(diff_id):
                if not into.store.has_layer(diff_id):
                    await self._layer(into, descriptor, diff_id)
            into.progress.arrived(descriptor.digest)

        missing = {diff_id: descriptor for descriptor, diff_id in wanted if not into.store.has_layer(diff_id)}
        for descriptor, diff_id in wanted:
            into.progress.expect(descriptor, is_here=diff_id not in missing)
        try:
            async with asyncio.TaskGroup() as tasks:
                for diff_id, descriptor in missing.items():
                    tasks.create_task(fetch(descriptor, diff_id))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _layer(self, into: _Into, descriptor: manifest.Descriptor, diff_id: str) -> None:
        """Fetch and unpack one layer."""
        try:
            async with aclosing(self._pieces(descriptor, into.progress)) as pieces:
                await layers.take_stream(into.store, pieces, digest=descriptor.digest, diff_id=diff_id)
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise _unreachable(self._name, error) from None

    async def _pieces(self, descriptor: manifest.Descriptor, progress: Progress) -> AsyncGenerator[bytes]:
        """Yield a blob; where the connection breaks in the middle, go on where it broke."""
        taken = 0
        for attempt in range(ATTEMPTS):
            try:
                async with self._open(f"blobs/{descriptor.digest}", start=taken) as response:
                    known = taken if response.status == 200 else 0  # A registry may know no ranges.
                    async for piece in response.content.iter_chunked(_PIECE_BYTES):
                        fresh, known = piece[known:], max(0, known - len(piece))
                        taken += len(fresh)
                        progress.came(descriptor.digest, len(fresh))
                        if fresh:
                            yield fresh
                    return
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
                if attempt == ATTEMPTS - 1:
                    raise
            await asyncio.sleep(FIRST_PAUSE_S * 2**attempt)

    async def _small(self, path: str, digest: str) -> bytes:
        """Return a manifest or config whole; digest: what it must have, where that is known."""
        try:
            async with self._open(path) as response:
                data = await response.content.read(_SMALL_BYTES_MAX + 1)
                while len(data) <= _SMALL_BYTES_MAX and (more := await response.content.read(_SMALL_BYTES_MAX)):
                    data += more
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unreachable(self._name, error) from None
        if len(data) > _SMALL_BYTES_MAX:
            raise ValueError(f"{self._name}: {path} is larger than {_SMALL_BYTES_MAX >> 20} MiB; that is no image")
        found = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if digest and found != digest:
            raise layers.CorruptLayerError(f"{path}: what came has the digest {found}; the registry is at fault")
        return data

    @asynccontextmanager
    async def _open(self, path: str, start: int = 0) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET a path with whatever authentication the registry asks for; 429 and 5xx are tried again.

        start: the first byte that is wanted; the answer has status 200 where the registry sends all of them.
        """
        for attempt in range(ATTEMPTS):
            async with self._get(path, start) as response:
                if response.status == 200 or (response.status == 206 and start):
                    yield response
                    return
                if response.status == 401 and await self._answer_challenge(response.headers):
                    continue
                if response.status not in {429, 500, 502, 503, 504} or attempt == ATTEMPTS - 1:
                    raise self._refusal(response.status, path)
                pause_s = max(FIRST_PAUSE_S * 2**attempt, _asked_pause_s(response.headers))
            await asyncio.sleep(pause_s)
        raise self._refusal(401, path)

    @asynccontextmanager
    async def _get(self, path: str, start: int) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None
        headers = {"Accept": _ACCEPT, "User-Agent": "wherry"}
        if start:
            headers["Range"] = f"bytes={start}-"
        if self._authorization:
            headers["Authorization"] = self._authorization
        async with self._session.get(f"{self._base}/{path}", headers=headers) as response:
            yield response

    async def _answer_challenge(self, headers: Mapping[str, str]) -> bool:
        """Prepare the authorization that a 401 asks for; return False where nothing more can be tried."""
        kind, _, rest = headers.get("WWW-Authenticate", "").partition(" ")
        before, basic = self._authorization, self._credentials.basic
        if kind.lower() == "basic":
            self._authorization = basic
        elif kind.lower() == "bearer" and not self._credentials.token:
            self._authorization = await self._fetch_token(dict(_CHALLENGE.findall(rest)), basic)
        return bool(self._authorization) and self._authorization != before

    async def _fetch_token(self, challenge: Mapping[str, str], basic: str) -> str:
        assert self._session is not None
        query = {key: challenge[key] for key in ("service", "scope") if key in challenge}
        query.setdefault("scope", f"repository:{self._name.path}:pull")
        headers = {"Authorization": basic} if basic else {}
        async with self._session.get(challenge.get("realm", ""), params=query, headers=headers) as response:
            if response.status != 200:
                return ""
            token = msgspec.json.decode(await response.read(), type=_Token)
        return f"Bearer {token.token or token.access_token}"

    def _refusal(self, status: int, path: str) -> RuntimeRefusal:
        if status == 404:
            found = f"image {self._name}: its registry has no {path}; check name and tag"
            return RuntimeRefusal(Reason.NOT_FOUND, found)
        if status in {401, 403}:
            found = f"image {self._name}: its registry refused access ({status}); give a pull secret that may read it"
            return RuntimeRefusal(Reason.UNAUTHENTICATED, found)
        return RuntimeRefusal(
            Reason.UNAVAILABLE, f"image {self._name}: its registry answered {status}; try again later"
        )


def _asked_pause_s(headers: Mapping[str, str]) -> float:
    """Return how long a busy registry asks to be left alone, within bounds; 0 where it doesn't say in seconds."""
    asked = headers.get("Retry-After", "")
    return min(float(asked), PAUSE_S_MAX) if asked.isdecimal() else 0.0


def _unreachable(name: Reference, error: BaseException) -> RuntimeRefusal:
    found = f"image {name}: its registry can't be reached ({error or type(error).__name__}); check name and network"
    return RuntimeRefusal(Reason.UNAVAILABLE, found)


def is_loopback(registry: str) -> bool:
    """Whether a registry is on this machine, where http is as good as https."""
    host = registry.rpartition(":")[0] if ":" in registry and not registry.endswith("]") else registry
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
