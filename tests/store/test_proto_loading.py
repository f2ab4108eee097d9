"""The loaded messages, stubs and servers speak to each other over a real socket."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from proto import etcd_v3, generate


class Echo(etcd_v3.KVServicer):
    async def range(self, request: etcd_v3.RangeRequest, context: Any) -> etcd_v3.RangeResponse:
        return etcd_v3.RangeResponse(kvs=[etcd_v3.KeyValue(key=request.key)], count=1)


class Counting(etcd_v3.WatchServicer):
    async def watch(
        self, request: AsyncIterator[etcd_v3.WatchRequest], context: Any
    ) -> AsyncIterator[etcd_v3.WatchResponse]:
        async for each in request:
            yield etcd_v3.WatchResponse(watch_id=each.create_request.start_revision + 1)


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((etcd_v3.kv_handler(Echo()), etcd_v3.watch_handler(Counting())))
    server.add_insecure_port(f"unix:{tmp_path}/echo.sock")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/echo.sock") as channel:
        yield channel
    await server.stop(grace=None)


async def test_a_unary_call_reaches_the_method_of_its_name(channel: grpc.aio.Channel) -> None:
    answer = await etcd_v3.KVStub(channel).range(etcd_v3.RangeRequest(key=b"a"), timeout=5)

    assert answer.kvs[0].key == b"a"


async def test_a_stream_carries_one_answer_for_each_request(channel: grpc.aio.Channel) -> None:
    async def requests() -> AsyncIterator[etcd_v3.WatchRequest]:
        for revision in (1, 2):
            yield etcd_v3.WatchRequest(create_request=etcd_v3.WatchCreateRequest(start_revision=revision))

    answers = [answer.watch_id async for answer in etcd_v3.WatchStub(channel).watch(requests(), timeout=5)]

    assert answers == [2, 3]


async def test_a_method_that_a_server_lacks_is_refused_by_name(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match=r"etcdserverpb\.KV\.Compact: this server does not implement it"):
        await etcd_v3.KVStub(channel).compact(etcd_v3.CompactionRequest(revision=1), timeout=5)


def test_the_committed_files_are_what_the_sources_make(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err
