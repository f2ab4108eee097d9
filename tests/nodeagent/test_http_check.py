"""What a container is asked over HTTP, and which answers are good."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kube import codec
from kube.api.core_v1 import Container, HTTPGetAction
from nodeagent.pods.checks import Outcome
from nodeagent.pods.http_check import REDIRECTS_MAX, check_http
from tests.nodeagent.make import container

WEB = codec.from_plain(container(), Container)


class Site:
    """A server on loopback that gives each path its answer; requests: what it was asked, whole."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.requests: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one request of a connection."""
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(request)
        answer = self.answers[request.split(" ")[1]]
        writer.write(f"HTTP/1.1 {answer.format(port=self.port)}".encode())
        writer.close()

    async def asked(self, path: str, **action: Any) -> Outcome:
        """Return what a check of a path finds."""
        wanted = codec.from_plain({"path": path, "port": self.port, **action}, HTTPGetAction)
        return await check_http(wanted, WEB, "127.0.0.1", 5)


@asynccontextmanager
async def site(**answers: str) -> AsyncIterator[Site]:
    """Run a site. answers: by path without its slash: the status line, headers and body."""
    made = Site({f"/{path}": answer for path, answer in answers.items()})
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as listening:
        made.port = listening.sockets[0].getsockname()[1]
        yield made


def leading_to(location: str, body: str = "") -> str:
    """Return a redirect."""
    return f"302 Found\r\nLocation: {location}\r\nContent-Length: {len(body)}\r\n\r\n{body}"


GOOD = "200 OK\r\nContent-Length: 0\r\n\r\n"
BAD = "404 Not Found\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(("answer", "worked"), [(GOOD, True), (BAD, False), ("399 Odd\r\n\r\n", True)])
async def test_an_answer_from_200_to_399_is_good(answer: str, worked: bool) -> None:
    async with site(x=answer) as web:
        assert (await web.asked("/x")).worked is worked
        assert (await web.asked("x")).worked is worked


async def test_a_redirect_is_followed_within_the_host() -> None:
    async with site(a=leading_to("/b"), b=leading_to("http://127.0.0.1:{port}/c"), c=BAD) as web:
        found = await web.asked("/a")

    assert found == Outcome(False, "HTTP probe failed with statuscode: 404")


async def test_a_redirect_to_another_host_is_good_but_warned_of() -> None:
    async with site(a=leading_to("http://0.0.0.0:{port}/c", "<a>Found</a>")) as web:
        found = await web.asked("/a")

    assert found == Outcome(True, "Probe terminated redirects, Response body: <a>Found</a>", is_warning=True)
    assert len(web.requests) == 1


async def test_redirects_in_a_circle_end() -> None:
    async with site(a=leading_to("/a")) as web:
        found = await web.asked("/a")

    assert found.seen.endswith("stopped after 10 redirects")
    assert (found.worked, len(web.requests)) == (False, REDIRECTS_MAX)


async def test_headers_are_sent_as_given() -> None:
    given = [("Host", "shop.test"), ("X-Turn", "1"), ("X-Turn", "2"), ("accept", "")]
    async with site(x=GOOD) as web:
        await web.asked("/x", httpHeaders=[{"name": name, "value": value} for name, value in given])

    lines = web.requests[0].rstrip().split("\r\n")[1:]
    assert sorted(lines) == ["Host: shop.test", "User-Agent: kube-probe/1.36", "X-Turn: 1", "X-Turn: 2"]


async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        outcome = await check_http(HTTPGetAction(path="/", port=port), WEB, "127.0.0.1", 0.05)

    assert outcome.seen.endswith("no answer within 0.05s")
