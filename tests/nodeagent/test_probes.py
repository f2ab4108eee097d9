"""What probes ask, how their answers add up, and which of them run; and how tokens are renewed."""

import socket
from datetime import datetime, timedelta
from typing import Any, cast

import grpc.aio
import pytest

from kube import codec
from kube.api.authentication_v1 import TokenRequest, TokenRequestStatus
from kube.api.core_v1 import Container, Probe, TCPSocketAction
from kube.client import Client
from kube.times import to_time
from nodeagent.pods.checks import check_tcp, port_of
from nodeagent.pods.grpc_health import check_grpc
from nodeagent.pods.probes import Tally, early_looks, tallied, wanted_probes
from nodeagent.pods.tokens import PodTokens
from nodeagent.pods.view import KillContainer, ProbeKind, StartContainer, View
from tests.nodeagent.make import NOW, after, container, found, pod, record

PROBE = {"tcpSocket": {"port": 80}}
WEB = codec.from_plain(container(ports=[{"name": "http", "containerPort": 8080}]), Container)
KEY = ("", 3600)


def verdict(*answers: bool, **probe: Any) -> bool | None:
    """Return what a row of answers adds up to."""
    tally = Tally()
    for answer in answers:
        tally = tallied(tally, answer, Probe(**probe))
    return tally.verdict


def test_one_failure_is_not_yet_a_verdict() -> None:
    assert verdict(False, False) is None
    assert verdict(False, False, False) is False
    assert verdict(False, failure_threshold=1) is False


def test_a_good_answer_begins_the_count_anew() -> None:
    assert verdict(False, False, True, False, False) is True


def test_as_many_good_answers_are_needed_as_the_threshold_says() -> None:
    assert verdict(True, success_threshold=2) is None
    assert verdict(True, True, success_threshold=2) is True


def test_only_a_container_that_is_not_judged_yet_gets_early_looks() -> None:
    """They make a quick pod ready within milliseconds, and are never needed again."""
    assert early_looks(ProbeKind.READINESS, Probe(period_seconds=10), Tally())
    assert not early_looks(ProbeKind.READINESS, Probe(), Tally(True))
    assert not early_looks(ProbeKind.LIVENESS, Probe(), Tally())


def wanted(view: View) -> list[ProbeKind]:
    """Return the kinds of the probes that should be running."""
    return [key[1] for key, *_ in wanted_probes(view)]


def test_the_other_probes_wait_for_the_startup_probe() -> None:
    probed = pod("web", container(startupProbe=PROBE, livenessProbe=PROBE, readinessProbe=PROBE))
    has = found(record())

    assert wanted(View(probed, has)) == [ProbeKind.STARTUP]
    assert wanted(View(probed, has, probes={("main-0", ProbeKind.STARTUP): True})) == [
        ProbeKind.LIVENESS,
        ProbeKind.READINESS,
    ]


def test_a_container_that_stops_is_only_asked_whether_it_is_ready() -> None:
    probed = pod("web", container(livenessProbe=PROBE, readinessProbe=PROBE))
    stopping = KillContainer("main", "main-0", 30, "")

    assert wanted(View(probed, found(record()), busy={"main": stopping})) == [ProbeKind.READINESS]
    assert wanted(View(probed, found(record()), busy={"main": StartContainer("main", 0)})) == []


def test_a_port_may_be_given_by_its_name() -> None:
    assert (port_of("http", WEB), port_of(9, WEB)) == (8080, 9)
    with pytest.raises(ValueError, match="has no port of that name"):
        port_of("nope", WEB)


async def test_a_tcp_probe_needs_no_more_than_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert (await check_tcp(TCPSocketAction(port=port), WEB, "127.0.0.1", 5)).worked
    assert not (await check_tcp(TCPSocketAction(port=port), WEB, "127.0.0.1", 5)).worked


@pytest.mark.parametrize(("answer", "worked"), [(b"\x08\x01", True), (b"\x08\x02", False)])
async def test_a_grpc_server_is_asked_for_its_health(answer: bytes, worked: bool) -> None:
    asked: list[bytes] = []

    async def check(request: bytes, _context: Any) -> bytes:
        asked.append(request)
        return answer

    healthy: Any = grpc.unary_unary_rpc_method_handler(cast("Any", check))
    grpc_server = grpc.aio.server()
    grpc_server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": healthy}),)
    )
    port = grpc_server.add_insecure_port("127.0.0.1:0")
    await grpc_server.start()

    outcome = await check_grpc("127.0.0.1", port, "db", 5)
    await grpc_server.stop(None)

    assert (outcome.worked, asked) == (worked, [b"\x0a\x02db"])


class Issuer:
    """Gives out numbered tokens that live for an hour from when they were asked for."""

    def __init__(self) -> None:
        self.now = NOW
        self.asked: list[TokenRequest] = []

    async def create_subresource(
        self, cls: type[Any], name: str, subresource: str, body: TokenRequest, *, namespace: str = ""
    ) -> TokenRequest:
        """Answer a TokenRequest."""
        self.asked.append(body)
        ends = to_time(self.now + timedelta(hours=1))
        return TokenRequest(status=TokenRequestStatus(token=f"token-{len(self.asked)}", expiration_timestamp=ends))


async def token_at(tokens: PodTokens, moment: datetime) -> str:
    """Return the token that a pod has at some time."""
    return (await tokens.get(pod(), {KEY}, moment))[KEY]


async def test_a_token_is_renewed_when_four_fifths_of_its_life_are_over() -> None:
    issuer = Issuer()
    tokens = PodTokens(cast("Client", issuer))

    assert await token_at(tokens, NOW) == "token-1"
    assert await token_at(tokens, after(2879)) == "token-1"
    assert tokens.renew_at == after(2880)
    assert await token_at(tokens, after(2880)) == "token-2"


async def test_a_token_that_is_over_by_the_clock_of_a_node_that_is_ahead_is_not_asked_for_again_and_again() -> None:
    issuer = Issuer()
    tokens = PodTokens(cast("Client", issuer))

    await token_at(tokens, after(7200))

    assert tokens.renew_at == after(7200 + 0.8 * KEY[1])


async def test_a_token_is_bound_to_its_pod() -> None:
    issuer = Issuer()
    await token_at(PodTokens(cast("Client", issuer)), NOW)

    bound = issuer.asked[0].spec.bound_object_ref
    assert bound is not None
    assert (bound.kind, bound.name, bound.uid) == ("Pod", "web", "uid-web")
