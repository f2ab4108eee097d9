"""Further commands in a container: ExecSync, and Exec and Attach over WebSocket."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proto import cri_v1 as cri
from tests.runtime.machine import Client, until

pytestmark = pytest.mark.root

V5 = "v5.channel.k8s.io"


class Stream:
    """What one WebSocket session gave."""

    def __init__(self) -> None:
        self.channels: dict[int, bytes] = {}

    @property
    def end(self) -> Any:
        """The Status on the error channel."""
        return json.loads(self.channels[3])

    async def read(self, socket: aiohttp.ClientWebSocketResponse) -> "Stream":
        """Read until the server closes."""
        async with asyncio.timeout(10):
            async for message in socket:
                channel, data = message.data[0], message.data[1:]
                self.channels[channel] = self.channels.get(channel, b"") + data
        return self


async def _exec(client: Client, container: str, *command: str, sent: list[bytes], **fields: bool) -> Stream:
    request = cri.ExecRequest(container_id=container, cmd=command, **fields)
    url = (await client.runtime.exec(request)).url
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(V5,)) as socket:
        for message in sent:
            await socket.send_bytes(message)
        return await Stream().read(socket)


async def test_exec_sync_returns_output_and_exit_code(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")

    answer = await client.exec(container, "sh", "-c", "echo out; echo err >&2; exit 3")

    assert (answer.stdout, answer.stderr, answer.exit_code) == (b"out\n", b"err\n", 3)


async def test_exec_sync_returns_two_megabytes_whole(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")

    answer = await client.exec(container, "dd", "if=/dev/zero", "bs=1048576", "count=2")

    assert len(answer.stdout) == 2 << 20


async def test_exec_sync_ends_a_command_that_takes_too_long(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")

    code, message = await client.refusal(client.exec(container, "sleep", "876", timeout=1))

    async def is_gone() -> bool:
        return b"876" not in (await client.exec(container, "ps", "-o", "args")).stdout

    assert (code, "longer than 1 s" in message) == ("DEADLINE_EXCEEDED", True)
    await until(is_gone, "the command has been ended")


async def test_exec_sync_of_a_missing_command_says_so(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")

    code, message = await client.refusal(client.exec(container, "no-such-command"))

    assert (code, "executable file not found in $PATH" in message) == ("UNKNOWN", True)


async def test_a_command_too_long_for_the_shim_is_refused_and_costs_nothing(client: Client) -> None:
    """It would reach the shim cut off: no word from outside may end the parent of a pod's containers."""
    container = await client.run(await client.pod(), "sleep", "1000")

    _, message = await client.refusal(client.exec(container, "echo", "x" * 150_000))

    assert "too many" in message
    assert (await client.exec(container, "echo", "alive")).stdout == b"alive\n"


async def test_exec_in_a_container_that_has_ended_is_refused(client: Client) -> None:
    container = await client.run(await client.pod(), "true")
    await client.ended(container)

    code, message = await client.refusal(client.exec(container, "true"))

    assert (code, "EXITED" in message) == ("FAILED_PRECONDITION", True)


async def test_twenty_commands_at_once_keep_their_own_output(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")

    answers = await asyncio.gather(*(client.exec(container, "echo", str(number)) for number in range(20)))

    assert [answer.stdout for answer in answers] == [f"{number}\n".encode() for number in range(20)]


async def test_a_stream_carries_stdin_stdout_stderr_and_the_exit_code(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")

    stream = await _exec(
        client,
        container,
        "sh",
        "-c",
        "cat; echo err >&2; exit 5",
        stdin=True,
        stdout=True,
        stderr=True,
        sent=[b"\x00typed", b"\xff\x00"],
    )

    assert (stream.channels[1], stream.channels[2]) == (b"typed", b"err\n")
    assert stream.end["reason"] == "NonZeroExitCode"
    assert stream.end["details"]["causes"] == [{"reason": "ExitCode", "message": "5"}]


async def test_a_stream_of_a_command_that_succeeds_ends_with_success(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")

    stream = await _exec(client, container, "true", stdout=True, sent=[])

    assert stream.end["status"] == "Success"


async def test_a_terminal_has_the_size_that_the_client_sends(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")

    stream = await _exec(
        client,
        container,
        "sh",
        "-c",
        "read wait; stty size; tty",
        stdin=True,
        stdout=True,
        tty=True,
        sent=[b'\x04{"Width":100,"Height":40}', b"\x00go\n"],
    )

    assert b"40 100" in stream.channels[1]
    assert 2 not in stream.channels


async def test_a_stream_moves_eight_megabytes_both_ways_whole(client: Client) -> None:
    """`kubectl cp` sends whole files through here."""
    container = await client.run(await client.pod(), "sleep", "1000")
    piece = b"\x00" + b"x" * 65536

    stream = await _exec(client, container, "cat", stdin=True, stdout=True, sent=[piece] * 128 + [b"\xff\x00"])

    assert len(stream.channels[1]) == 128 * 65536


async def test_a_client_that_leaves_ends_its_command(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")
    request = cri.ExecRequest(container_id=container, cmd=["sleep", "765"], stdout=True)
    url = (await client.runtime.exec(request)).url

    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(V5,)):
        await until(lambda: _runs(client, container, "765"), "the command runs")

    await until(lambda: _runs_not(client, container, "765"), "the command has been ended")


async def test_a_client_that_leaves_ends_a_command_that_reads_nothing(client: Client) -> None:
    """What it was sent fills its pipe: the end behind that must be heard all the same."""
    container = await client.run(await client.pod(), "sleep", "1000")
    request = cri.ExecRequest(container_id=container, cmd=["sleep", "766"], stdin=True, stdout=True)
    url = (await client.runtime.exec(request)).url

    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(V5,)) as socket:
        for _ in range(100):
            await socket.send_bytes(b"\0" + bytes(30_000))
        await until(lambda: _runs(client, container, "766"), "the command runs")

    await until(lambda: _runs_not(client, container, "766"), "the command has been ended")


async def _runs(client: Client, container: str, word: str) -> bool:
    return word.encode() in (await client.exec(container, "ps", "-o", "args")).stdout


async def _runs_not(client: Client, container: str, word: str) -> bool:
    return not await _runs(client, container, word)


async def test_a_url_works_once(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")
    url = (await client.runtime.exec(cri.ExecRequest(container_id=container, cmd=["true"], stdout=True))).url

    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, protocols=(V5,)) as socket:
            await Stream().read(socket)
        async with session.get(url) as again:
            assert again.status == 404


async def test_attach_gives_the_output_from_now_on_and_feeds_stdin(client: Client) -> None:
    container = await client.run(await client.pod(), "sh", "-c", "echo early; cat", stdin=True, stdin_once=True)
    log = Path((await client.status(container)).log_path)
    await until(lambda: _is_written(log), "the container runs")
    request = cri.AttachRequest(container_id=container, stdin=True, stdout=True, stderr=True)
    url = (await client.runtime.attach(request)).url

    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(V5,)) as socket:
        await socket.send_bytes(b"\x00hello\n")
        await socket.send_bytes(b"\xff\x00")
        stream = await Stream().read(socket)

    assert stream.channels[1] == b"hello\n"
    assert (await client.ended(container)).exit_code == 0
    assert await client.log(container) == "early\nhello"


async def _is_written(log: Path) -> bool:
    return log.exists() and log.stat().st_size > 0


async def test_a_port_of_the_pods_own_loopback_is_reached(client: Client) -> None:
    """Only inside the pod's network namespace is anything listening there."""
    pod = await client.pod()
    await client.run(pod, "nc", "-l", "-l", "-p", "8080", "-e", "cat")
    request = cri.PortForwardRequest(pod_sandbox_id=pod, port=[8080])

    async def is_echoed() -> bool:
        url = (await client.runtime.port_forward(request)).url
        async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(V5,)) as socket:
            assert await socket.receive_bytes() == b"\x00\x90\x1f"
            assert await socket.receive_bytes() == b"\x01\x90\x1f"
            await socket.send_bytes(b"\x00hello")
            message = await socket.receive()
            return bool(message.data == b"\x00hello")

    await until(is_echoed, "the pod's server answers")


async def test_each_side_of_a_forwarded_connection_ends_on_its_own(client: Client) -> None:
    """What answers only after the end of what it is sent would never answer otherwise."""
    pod = await client.pod()
    await client.run(pod, "nc", "-l", "-l", "-p", "8080", "-e", "sh", "-c", "wc -c")
    request = cri.PortForwardRequest(pod_sandbox_id=pod, port=[8080])

    async def is_counted() -> bool:
        url = (await client.runtime.port_forward(request)).url
        async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(V5,)) as socket:
            for _ in range(100):
                await socket.send_bytes(b"\x00" + bytes(10_000))
            await socket.send_bytes(b"\xff\x00")
            heard = [message.data async for message in socket]
            return heard[2:] == [b"\x001000000\n", b"\xff\x00"]

    await until(is_counted, "the pod's server answers")


async def test_a_port_where_nothing_listens_says_so_on_its_error_channel(client: Client) -> None:
    pod = await client.pod()
    url = (await client.runtime.port_forward(cri.PortForwardRequest(pod_sandbox_id=pod, port=[81]))).url

    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=(V5,)) as socket:
        stream = await Stream().read(socket)

    assert b"port 81" in stream.channels[1]


async def test_attach_must_agree_about_the_terminal(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")

    request = cri.AttachRequest(container_id=container, stdout=True, tty=True)
    code, message = await client.refusal(client.runtime.attach(request))

    assert (code, "no terminal" in message) == ("FAILED_PRECONDITION", True)


async def test_a_container_with_a_terminal_has_one_and_logs_what_it_shows(client: Client) -> None:
    container = await client.run(await client.pod(), "sh", "-c", "test -t 0 && test -t 1 && echo terminal", tty=True)
    await client.ended(container)

    assert (await client.log(container)).strip() == "terminal"
