"""Tokens that come due while nothing can, or has to, be done about them: nobody spins."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from kube.api.authentication_v1 import TokenRequest, TokenRequestStatus
from kube.clock import SystemClock
from kube.errors import unavailable
from kube.kinds import Resource
from kube.times import to_micro_time
from tests.kube.fake_client import FakeClient
from tests.kube.fake_clock import settle
from tests.nodeagent.fake_cri import FakeRuntime
from tests.nodeagent.make import container, pod
from tests.nodeagent.one_node import agent, until

T = TypeVar("T", bound=Resource)
A = TypeVar("A")
LIFE = timedelta(seconds=1)
TOKEN = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
TURNS = 1000
FEW = 50


class CountingClock(SystemClock):
    """Counts how often it is looked at."""

    looks = 0

    def now(self) -> datetime:
        """Return the time."""
        self.looks += 1
        return super().now()


class Issuer(FakeClient):
    """Gives out one token, which is soon due."""

    has_issued = False

    async def create_subresource(self, cls: type[T], name: str, subresource: str, body: A, *, namespace: str = "") -> A:
        """Issue a token."""
        if not isinstance(body, TokenRequest):
            return await super().create_subresource(cls, name, subresource, body, namespace=namespace)
        if self.has_issued:
            raise unavailable("the store is away")
        self.has_issued = True
        ends = to_micro_time(SystemClock().now() + LIFE)
        return TokenRequest(status=TokenRequestStatus(token="t", expiration_timestamp=ends))  # type: ignore[return-value]


async def is_left_alone(clock: CountingClock) -> bool:
    """Say whether next to nobody looks at the clock for as long as a loop that never waits would look at it often."""
    before = clock.looks
    await settle(TURNS)
    return clock.looks - before < FEW


async def test_a_pod_that_has_ended_is_left_alone_when_its_token_is_due(runtime: FakeRuntime, tmp_path: Path) -> None:
    clock = CountingClock()
    async with agent(Issuer(), runtime, tmp_path, clock=clock) as node:
        node.api.put(pod("web", container(command=["exit", "0"]), volumes=[TOKEN], restartPolicy="Never"))
        await until(lambda: "stop sandbox-1" in runtime.calls)
        due = clock.now() + LIFE
        await until(lambda: clock.now() > due)

        assert await is_left_alone(clock)


async def test_a_token_that_can_not_be_renewed_is_asked_for_with_back_off(runtime: FakeRuntime, tmp_path: Path) -> None:
    api, clock = Issuer(), CountingClock()
    async with agent(api, runtime, tmp_path, clock=clock) as node:
        node.api.put(pod(volumes=[TOKEN]))
        await until(lambda: node.is_ready() and "FailedMount" in node.reasons())

        assert await is_left_alone(clock)
