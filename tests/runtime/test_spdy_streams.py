"""Exec, attach and port-forward over SPDY/3.1: crictl's way, and kubelet's."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest

from proto import cri_v1 as cri
from tests.runtime.machine import Client, until
from tests.runtime.spdy_client import SpdyClient, tunnelled, upgraded

pytestmark = pytest.mark.root

V5, V4, V1, FORWARD = "v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io", "portforward.k8s.io"
Way = Callable[..., AbstractAsyncContextManager[SpdyClient]]
ways = pytest.mark.parametrize("way", [upgraded, tunnelled])


async def _exec_url(client: Client, container: str, *command: str, **wanted: bool) -> str:
    return (await client.runtime.exec(cri.ExecRequest(container_id=container, cmd=command, **wanted))).url


async def _forward_url(client: Client, pod: str) -> str:
    return (await client.runtime.port_forward(cri.PortForwardRequest(pod_sandbox_id=pod))).url


async def _serving_pod(client: Client, *command: str, port: int = 8080) -> str:
    """Return a pod where every connection to `port` gets its own `command`."""
    pod = await client.pod()
    container = await client.run(pod, "nc", "-ll", "-p", str(port), "-e", *command)

    async def listens() -> bool:
        listing = (await client.exec(container, "cat", "/proc/net/tcp", "/proc/net/tcp6")).stdout
        return f":{port:04X} ".encode() in listing

    await until(listens, "the pod listens")
    return pod


async def _pair(spdy: SpdyClient, port: int, request: int) -> tuple[int, int]:
    """Open the streams of one connection: those for errors and for data."""
    error = await spdy.open(streamtype="error", port=str(port), requestid=str(request))
    return error, await spdy.open(streamtype="data", port=str(port), requestid=str(request))


@ways
async def test_a_command_has_its_streams_and_its_exit_code(client: Client, way: Way) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")
    wanted = {"stdin": True, "stdout": True, "stderr": True}
    url = await _exec_url(client, container, "sh", "-c", "cat; echo err >&2; exit 5", **wanted)

    async with way(url, V5) as spdy:
        error, stdin = await spdy.open(streamtype="error"), await spdy.open(streamtype="stdin")
        out, err = await spdy.open(streamtype="stdout"), await spdy.open(streamtype="stderr")
        await spdy.send(stdin, b"typed", fin=True)
        await spdy.until(lambda: {error, out, err} <= spdy.ended)

    status = json.loads(spdy.received[error])
    assert (spdy.received[out], spdy.received[err]) == (b"typed", b"err\n")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "5"}]


async def test_a_terminal_has_the_size_that_comes_on_the_resize_stream(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")
    url = await _exec_url(client, container, "sh", "-c", "read wait; stty size", stdin=True, stdout=True, tty=True)

    async with upgraded(url, V4) as spdy:
        error, stdin = await spdy.open(streamtype="error"), await spdy.open(streamtype="stdin")
        out, resize = await spdy.open(streamtype="stdout"), await spdy.open(streamtype="resize")
        await spdy.send(resize, b'{"Width":100,"Hei')
        await spdy.send(resize, b'ght":40}\n')
        await spdy.send(stdin, b"go\n")
        await spdy.until(lambda: {error, out} <= spdy.ended)

    assert b"40 100" in spdy.received[out]


async def test_a_client_of_the_first_protocol_hears_a_failure_as_a_sentence(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")
    url = await _exec_url(client, container, "sh", "-c", "exit 3", stdout=True)

    async with upgraded(url, V1) as spdy:
        error, out = await spdy.open(streamtype="error"), await spdy.open(streamtype="stdout")
        await spdy.until(lambda: {error, out} <= spdy.ended)

    assert spdy.received[error] == b"command terminated with non-zero exit code: exit status 3"


async def test_a_stream_of_an_unknown_kind_is_refused_and_the_others_go_on(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")
    url = await _exec_url(client, container, "echo", "fine", stdout=True)

    async with upgraded(url, V5) as spdy:
        odd = await spdy.open(streamtype="odd")
        error, out = await spdy.open(streamtype="error"), await spdy.open(streamtype="stdout")
        await spdy.until(lambda: {odd, error, out} <= spdy.ended)

    assert spdy.received[out] == b"fine\n"


async def test_eight_megabytes_pass_whole_both_ways(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")
    url = await _exec_url(client, container, "cat", stdin=True, stdout=True)

    async with upgraded(url, V5) as spdy:
        error, stdin = await spdy.open(streamtype="error"), await spdy.open(streamtype="stdin")
        out = await spdy.open(streamtype="stdout")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_feed(spdy, stdin))
            await spdy.until(lambda: {error, out} <= spdy.ended)

    assert spdy.received[out] == b"".join(bytes([number]) * 65536 for number in range(128))


async def _feed(spdy: SpdyClient, stream: int) -> None:
    for number in range(128):
        await spdy.send(stream, bytes([number]) * 65536, fin=number == 127)


async def test_a_client_that_leaves_ends_its_command(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")
    url = await _exec_url(client, container, "sleep", "764", stdout=True)

    async def runs() -> bool:
        return b"764" in (await client.exec(container, "ps", "-o", "args")).stdout

    async def runs_not() -> bool:
        return not await runs()

    async with upgraded(url, V5) as spdy:
        await spdy.open(streamtype="error")
        await spdy.open(streamtype="stdout")
        await until(runs, "the command runs")

    await until(runs_not, "the command has been ended")


async def test_attach_feeds_the_container_and_hears_it(client: Client) -> None:
    container = await client.run(await client.pod(), "cat", stdin=True, stdin_once=True)
    request = cri.AttachRequest(container_id=container, stdin=True, stdout=True, stderr=True)
    url = (await client.runtime.attach(request)).url

    async with upgraded(url, V5) as spdy:
        error, stdin = await spdy.open(streamtype="error"), await spdy.open(streamtype="stdin")
        out, _ = await spdy.open(streamtype="stdout"), await spdy.open(streamtype="stderr")
        await spdy.send(stdin, b"hello\n")
        await spdy.until(lambda: spdy.received.get(out) == b"hello\n")
        await spdy.send(stdin, b"", fin=True)
        await spdy.until(lambda: error in spdy.ended)

    assert (await client.ended(container)).exit_code == 0


@ways
async def test_one_client_has_many_connections_to_a_pods_own_loopback(client: Client, way: Way) -> None:
    pod = await _serving_pod(client, "cat")

    async with way(await _forward_url(client, pod), FORWARD) as spdy:
        pairs = [await _pair(spdy, 8080, number) for number in range(5)]
        for number, (_, data) in enumerate(pairs):
            await spdy.send(data, b"hello %d" % number, fin=True)
        await spdy.until(lambda: {stream for pair in pairs for stream in pair} <= spdy.ended)

    assert [spdy.received[data] for _, data in pairs] == [b"hello %d" % number for number in range(5)]
    assert [spdy.received.get(error) for error, _ in pairs] == [None] * 5


async def test_a_port_where_nothing_listens_costs_that_connection_alone(client: Client) -> None:
    pod = await _serving_pod(client, "cat")

    async with upgraded(await _forward_url(client, pod), FORWARD) as spdy:
        error, data = await _pair(spdy, 81, 0)
        await spdy.until(lambda: {error, data} <= spdy.ended)
        _, other = await _pair(spdy, 8080, 1)
        await spdy.send(other, b"still here", fin=True)
        await spdy.until(lambda: other in spdy.ended)

    assert b"port 81: nothing in the pod accepts connections there" in spdy.received[error]
    assert spdy.received[other] == b"still here"


async def test_a_connection_that_the_client_drops_is_dropped_in_the_pod(client: Client) -> None:
    pod = await _serving_pod(client, "sh", "-c", "trap '' PIPE; cat; exec sleep 763")
    (container,) = (
        await client.runtime.list_containers(cri.ListContainersRequest(filter=cri.ContainerFilter(pod_sandbox_id=pod)))
    ).containers

    async def sockets(state: str) -> int:
        lines = (await client.exec(container.id, "cat", "/proc/net/tcp")).stdout.decode().splitlines()[1:]
        return sum(line.split()[2].endswith(":1F90") and line.split()[3] == state for line in lines)

    async def is_connected() -> bool:
        return await sockets("01") == 1

    async def is_dropped() -> bool:
        return await sockets("01") == 0

    async with upgraded(await _forward_url(client, pod), FORWARD) as spdy:
        _, data = await _pair(spdy, 8080, 0)
        await spdy.send(data, b"hello")
        await until(is_connected, "the connection stands")
        await spdy.reset(data)
        await until(is_dropped, "the connection has been dropped")


async def test_a_pod_that_takes_nothing_holds_its_client_back(client: Client) -> None:
    """What is not taken must not pile up in the runtime's memory."""
    pod = await _serving_pod(client, "sleep", "1000")

    async with upgraded(await _forward_url(client, pod), FORWARD) as spdy:
        _, data = await _pair(spdy, 8080, 0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_flood(spdy, data), 2)


async def _flood(spdy: SpdyClient, stream: int) -> None:
    """Send more than the buffers on the way may hold."""
    for _ in range(64):
        await spdy.send(stream, bytes(1 << 20))


async def test_a_protocol_that_is_not_known_is_refused_with_those_that_are(client: Client) -> None:
    url = await _forward_url(client, await client.pod())
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v9"}

    async with aiohttp.ClientSession() as session, session.post(url, headers=headers) as answer:
        told = await answer.text()

    assert (answer.status, FORWARD in told) == (403, True)


async def test_a_port_forward_to_the_nodes_network_reaches_the_node(client: Client) -> None:
    pod = await client.pod(network=cri.NODE)
    async with upgraded(await _forward_url(client, pod), FORWARD) as spdy:
        error, data = await _pair(spdy, 1, 0)
        await spdy.until(lambda: {error, data} <= spdy.ended)

    assert b"port 1" in spdy.received[error]
