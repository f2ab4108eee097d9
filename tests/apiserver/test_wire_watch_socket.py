"""Watches over a WebSocket tell what other watches tell, an event in each message."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from apiserver.forms import chunk
from apiserver.watch_socket import lines_of, text_frame
from tests.apiserver.wire import TABLE, Wire, config_map

MAPS = "/api/v1/namespaces/default/configmaps"
PATIENCE_S = 10.0


@asynccontextmanager
async def watching(wire: Wire, query: str, **headers: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Open a watch of ConfigMaps."""
    async with wire.socket(f"{MAPS}?watch=1&{query}", headers=headers) as socket, asyncio.timeout(PATIENCE_S):
        yield socket


async def event(socket: aiohttp.ClientWebSocketResponse) -> Any:
    """Return the next event."""
    return json.loads(await socket.receive_str())


async def test_what_is_there_and_what_comes_is_told(wire: Wire) -> None:
    await wire.send("POST", MAPS, config_map("first", data={"text": "one\ntwo\r\nthree"}))

    async with watching(wire, "") as socket:
        before = await event(socket)
        await wire.send("POST", MAPS, config_map("second"))
        added = await event(socket)
        await wire.send("DELETE", f"{MAPS}/second")
        deleted = await event(socket)

    told = [(item["type"], item["object"]["metadata"]["name"]) for item in (before, added, deleted)]
    assert told == [("ADDED", "first"), ("ADDED", "second"), ("DELETED", "second")]
    assert before["object"]["data"] == {"text": "one\ntwo\r\nthree"}


@pytest.mark.parametrize("size", [100, 60_000, 700_000])
async def test_an_event_of_any_size_is_one_message(wire: Wire, size: int) -> None:
    async with watching(wire, "") as socket:
        await wire.send("POST", MAPS, config_map("sized", data={"text": "x" * size}))

        assert len((await event(socket))["object"]["data"]["text"]) == size


async def test_a_watch_that_begins_with_a_list_tells_its_end(wire: Wire) -> None:
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    await wire.send("POST", MAPS, config_map("first"))

    async with watching(wire, query) as socket:
        told = [await event(socket), await event(socket)]

    assert [item["type"] for item in told] == ["ADDED", "BOOKMARK"]


async def test_tables_are_told_as_tables(wire: Wire) -> None:
    await wire.send("POST", MAPS, config_map("first"))

    async with watching(wire, "", Accept=TABLE) as socket:
        assert (await event(socket))["object"]["kind"] == "Table"


async def test_it_ends_with_the_time_that_was_asked_for(wire: Wire) -> None:
    async with watching(wire, "timeoutSeconds=1") as socket:
        end = await socket.receive()

    assert end.type is aiohttp.WSMsgType.CLOSE


async def test_what_the_client_sends_means_nothing_and_its_close_is_answered(wire: Wire) -> None:
    async with watching(wire, "") as socket:
        await socket.send_str("hello?")
        await socket.close()

    assert socket.close_code == 1000


async def test_a_refusal_comes_before_the_upgrade(wire: Wire) -> None:
    for query, code in (("resourceVersion=x", 400), ("fieldSelector=spec.odd%3D1", 400)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with watching(wire, query):
                pass

        assert refused.value.status == code


def test_chunks_are_taken_apart_line_by_line_however_many_there_are() -> None:
    chunks = chunk(b"one\ntwo\n") + chunk(b"three\n")

    assert [*lines_of(chunks)] == [b"one\n", b"two\n", b"three\n"]
    assert text_frame(b"x" * 200)[:4] == b"\x81\x7e\x00\xc8"
