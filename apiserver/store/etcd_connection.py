"""Connections to the members of an etcd cluster, and the calls that go over them.

Keeps true: a call has a deadline and goes to the member that answered last; where that one is away the next is asked,
but a write is sent again only when it is certain that it never left. Whatever etcd or gRPC says comes out as one of the
contract's errors. Reads and writes sockets only. Source: etcd.io/docs/v3.5/learning/design-client, grpc status codes
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import grpc
import msgspec

from apiserver.store.contract import StoreError, StoreUnavailable, ValueTooLarge
from proto import etcd_v3

CALL_TIMEOUT_S = 5.0
WRITE_TIMEOUT_S = 10.0
"""etcd gives a write that its disk holds up 7 s (5 s and two elections). So it is etcd that tells how a write ended; no
other member could be asked instead."""
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),  # A page or the events of one revision may be large.
    ("grpc.max_send_message_length", -1),  # etcd has the say about that.
    ("grpc.keepalive_time_ms", 10_000),  # A silent member is noticed in fifteen seconds; etcd allows one ping in five.
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),  # A quiet watch is pinged for as long as it lasts.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 3_000),  # How long a connection may take: a busy member is slow to greet.
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
]
_NEVER_SENT = ("failed to connect to all addresses", "etcdserver: no leader", "etcdserver: not capable")
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_REFUSED = (
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
)

T = TypeVar("T")


class Tls(msgspec.Struct, frozen=True):
    """Files in PEM form: who may sign the members' certificates, and who we are."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


class OutOfRange(StoreError):  # noqa: N818 - to be told apart by whoever knows the revision asked for.
    """etcd has that revision no more, or not yet."""

    def __init__(self, message: str, *, is_compacted: bool) -> None:
        """is_compacted: no more."""
        super().__init__(message)
        self.is_compacted = is_compacted


class Member:
    """One endpoint, its channel, and the stubs on it."""

    def __init__(self, url: str, tls: Tls) -> None:
        """url: `http://host:port` or `https://host:port`."""
        self.url = url
        self.channel = _channel(url, tls)
        self.kv = etcd_v3.KVStub(self.channel)
        self.watch = etcd_v3.WatchStub(self.channel)


class Connection:
    """The members, and which of them is asked first."""

    def __init__(self, urls: list[str], tls: Tls) -> None:
        """urls: one or more; nothing is contacted yet."""
        if not urls:
            raise ValueError("etcd: no endpoint is given; use etcd:https://HOST:2379")
        self._members = [Member(url, tls) for url in urls]
        self._current = 0
        self._is_closed = False

    @property
    def member(self) -> Member:
        """The member to ask."""
        return self._members[self._current]

    def turn_from(self, member: Member) -> None:
        """Ask another member from now on, if `member` is still the one that is asked."""
        if member is self.member:
            self._current = (self._current + 1) % len(self._members)

    async def call(self, ask: Callable[[Member], Awaitable[T]], *, is_write: bool) -> T:
        """Return what `ask` gets out of the first member that answers; raise the contract's errors."""
        if self._is_closed:
            raise _closed(is_uncertain=False)
        errors: dict[str, grpc.aio.AioRpcError] = {}
        for _ in self._members:
            member = self.member
            try:
                return await ask(member)
            except asyncio.CancelledError:
                if (
                    self._was_closed() and not _is_cancelling()
                ):  # Closing the channel cancels its calls, not their task.
                    raise _closed(is_uncertain=is_write) from None
                raise
            except grpc.aio.AioRpcError as error:
                if error.code() not in _AWAY:
                    raise refusal(member.url, error, is_write=is_write) from error
                errors[member.url] = error
                self.turn_from(member)
                if is_write and not _never_sent(error):
                    raise _away(errors, is_uncertain=True) from error
        raise _away(errors, is_uncertain=False)

    def _was_closed(self) -> bool:
        return self._is_closed

    async def close(self) -> None:
        """Close the channels; calls under way end."""
        self._is_closed = True
        for member in self._members:
            await member.channel.close()


class Shared:
    """One call for all who ask at the same time.

    An answer serves those who asked before the call for it began, and nobody else: it is never older than the asking.
    """

    def __init__(self, fetch: Callable[[], Awaitable[int]]) -> None:
        """fetch: makes the call."""
        self._fetch = fetch
        self._lock = asyncio.Lock()
        self._asked = 0
        self._served = 0
        self._answer = 0

    async def get(self) -> int:
        """Return an answer fetched after this was called."""
        self._asked += 1
        ticket = self._asked
        async with self._lock:
            if self._served < ticket:
                serving = self._asked
                self._answer = await self._fetch()
                self._served = serving
            return self._answer


def refusal(url: str, error: grpc.aio.AioRpcError, *, is_write: bool) -> StoreError:
    """Return the contract's error for an answer that another member would give as well.

    A write that ended in any way but a plain refusal (a stream that broke off, say) may have happened.
    """
    code, details = error.code(), error.details() or ""
    if code is grpc.StatusCode.OUT_OF_RANGE:
        return OutOfRange(f"etcd {url}: {details}; ask for another revision", is_compacted="compacted" in details)
    if "request is too large" in details or "larger than max" in details:
        return ValueTooLarge(f"etcd {url}: {details}; make the object smaller, or raise etcd's --max-request-bytes")
    advice = {
        grpc.StatusCode.RESOURCE_EXHAUSTED: "compact and defragment etcd, or raise its --quota-backend-bytes",
        grpc.StatusCode.PERMISSION_DENIED: "give the user of this client certificate rights on the keys",
        grpc.StatusCode.UNAUTHENTICATED: "give a client certificate that etcd accepts",
    }.get(code, "see etcd's log")
    is_uncertain = is_write and code not in _REFUSED
    return StoreUnavailable(f"etcd {url}: {code.name}: {details}; {advice}", is_uncertain=is_uncertain)


def _away(errors: dict[str, grpc.aio.AioRpcError], *, is_uncertain: bool) -> StoreUnavailable:
    found = ", ".join(f"{url}: {error.code().name}: {error.details()}" for url, error in errors.items())
    advice = "read before writing again, for this write may have happened" if is_uncertain else "check that etcd runs"
    return StoreUnavailable(f"etcd: {found}; {advice}", is_uncertain=is_uncertain)


def _closed(*, is_uncertain: bool) -> StoreUnavailable:
    return StoreUnavailable("etcd: the store is closed; open it again", is_uncertain=is_uncertain)


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _never_sent(error: grpc.aio.AioRpcError) -> bool:
    return any(words in (error.details() or "") for words in _NEVER_SENT)


def _channel(url: str, tls: Tls) -> grpc.aio.Channel:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"etcd endpoint {url!r}: is no URL of a member; use http://HOST:PORT or https://HOST:PORT")
    target = f"{parts.hostname}:{parts.port or 2379}" if ":" not in parts.hostname else parts.netloc
    if parts.scheme == "http":
        return grpc.aio.insecure_channel(target, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(_read(tls.ca), _read(tls.key), _read(tls.cert))
    return grpc.aio.secure_channel(target, credentials, options=_OPTIONS)


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreUnavailable(f"etcd {path}: {error.strerror}; give a PEM file that can be read") from error
