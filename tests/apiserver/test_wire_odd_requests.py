"""Requests such as no client sends by mistake: each gets an answer that says so, and the server goes on."""

import asyncio
import base64
import json
import uuid
from datetime import UTC, datetime

import pytest

from apiserver.paths import KEPT_MAX_BYTES, _parse_kept, parse_path
from apiserver.server import ApiServer
from kube.times import parse_time
from tests.apiserver.wire import Wire, config_map, connection, pod

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
PATIENCE_S = 5.0


async def raw(server: ApiServer, request: bytes) -> bytes:
    """Send bytes as the admin; return all that comes back until the server closes the connection."""
    async with asyncio.timeout(PATIENCE_S), connection(server) as (reader, writer):
        writer.write(request)
        return await reader.read()


async def test_bytes_that_are_no_text_are_quoted_as_well_as_can_be(server: ApiServer, wire: Wire) -> None:
    answer = await raw(
        server, b"GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nConnection: close\r\nImpersonate-User: \xff\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["message"].startswith('pods is forbidden: User "?"')


@pytest.mark.parametrize("path", ["/version", PODS, "/nowhere", f"{PODS}/x", f"{PODS}?watch=1&timeoutSeconds=1"])
async def test_every_answer_has_the_number_that_its_request_came_with_or_a_new_one(wire: Wire, path: str) -> None:
    named = await wire.send("GET", path, headers={"Audit-ID": "mine"})
    first, second = [await wire.send("GET", path) for _ in range(2)]

    assert named.headers["Audit-Id"] == "mine"
    assert uuid.UUID(first.headers["Audit-Id"]) != uuid.UUID(second.headers["Audit-Id"])


async def test_who_waits_to_be_asked_for_a_body_is_asked(server: ApiServer) -> None:
    """curl does so with bodies of more than a megabyte, and sends them unasked only after a second."""
    body = json.dumps(config_map()).encode()
    head = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"

    async with asyncio.timeout(PATIENCE_S), connection(server) as (reader, writer):
        writer.write(f"{head}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode())
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        answer = await reader.read()

    assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 201 ")


async def test_who_would_send_too_much_is_told_before_it_is_sent(server: ApiServer) -> None:
    head = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\nExpect: 100-continue\r\n\r\n"

    assert (await raw(server, head.encode())).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "path", ["/api/v1/bindings", "/api/v1/watch/bindings", "/apis/authorization.k8s.io/v1/localsubjectaccessreviews"]
)
async def test_what_cannot_be_listed_is_not_there_in_all_namespaces_at_once(wire: Wire, path: str) -> None:
    assert (await wire.send("GET", path)).status == 404
    assert (await wire.send("POST", path, {})).status == 404


async def test_a_watch_ends_with_the_connection_where_the_client_asked_for_that(server: ApiServer, wire: Wire) -> None:
    answer = await raw(
        server, f"GET {MAPS}?watch=1&timeoutSeconds=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"0\r\n\r\n")


async def test_a_client_of_http_1_0_gets_a_watch_without_frames(server: ApiServer, wire: Wire) -> None:
    """nginx is one, if nobody tells it otherwise."""
    await wire.send("POST", MAPS, config_map())
    head = "HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"

    answer = await raw(server, f"GET {MAPS}?watch=1&timeoutSeconds=1 {head}".encode())

    top, _, lines = answer.partition(b"\r\n\r\n")
    assert (b"Transfer-Encoding" in top, b"Connection: close" in top) == (False, True)
    assert [json.loads(line)["type"] for line in lines.splitlines()] == ["ADDED"]


async def test_the_head_of_a_watch_is_not_to_be_had(wire: Wire) -> None:
    """What follows a HEAD's answer is the next answer, so a stream must not begin there."""
    reply = await wire.send("HEAD", f"{MAPS}?watch=true&timeoutSeconds=1")

    assert reply.status == 405


@pytest.mark.parametrize("content_type", ["application/merge-patch+json", "application/strategic-merge-patch+json"])
@pytest.mark.parametrize("body", [b"5", b"null", b"true", b"[]"])
async def test_a_patch_that_is_no_object_is_a_bad_request(wire: Wire, content_type: str, body: bytes) -> None:
    await wire.send("POST", MAPS, config_map())

    reply = await wire.send("PATCH", f"{MAPS}/settings", body, content_type=content_type)

    assert (reply.status, reply.reason) == (400, "BadRequest")


def token(**fields: object) -> str:
    """Return a continue token of one's own making."""
    return base64.urlsafe_b64encode(json.dumps({"v": "meta.k8s.io/v1", **fields}).encode()).decode()


@pytest.mark.parametrize(
    "query",
    [
        f"limit={'9' * 30}",
        "limit=1_000",
        f"timeoutSeconds={'9' * 400}&watch=1",
        f"resourceVersion={'9' * 19}",
        f"continue={token(rv=10**30, start='x')}",
        f"continue={token(rv=True, start='x')}",
        f"continue={token(rv=-2, start='x')}",
        "continue=" + token(rv=5, start="\ud800\0"),
        "continue=" + token(rv=5, start="a\0b\0"),
    ],
)
async def test_a_number_or_token_out_of_range_is_a_bad_request(wire: Wire, query: str) -> None:
    reply = await wire.send("GET", f"{MAPS}?{query}")

    assert (reply.status, reply.reason) == (400, "BadRequest")


async def test_a_negative_limit_is_none(wire: Wire) -> None:
    await wire.send("POST", MAPS, config_map())

    reply = await wire.send("GET", f"{MAPS}?limit=-1")

    assert [item["metadata"]["name"] for item in reply.json["items"]] == ["settings"]


async def test_a_token_nested_beyond_reason_is_unauthorized(server: ApiServer) -> None:
    """Anybody can send one."""
    header = base64.urlsafe_b64encode(b'{"a":' + b"[" * 20_000).rstrip(b"=").decode()
    async with Wire.connect(server, token=f"{header}.e30.AAAA") as stranger:
        reply = await stranger.send("GET", PODS)

    assert reply.status == 401


@pytest.mark.parametrize("grace", ["9" * 18, str(1 << 40)])
async def test_a_pod_with_all_the_time_of_the_world_can_still_be_deleted(wire: Wire, grace: str) -> None:
    await wire.send("POST", PODS, pod(nodeName="here"))

    reply = await wire.send("DELETE", f"{PODS}/web?gracePeriodSeconds={grace}")

    assert reply.status == 200
    assert parse_time(reply.json["metadata"]["deletionTimestamp"]) > datetime(2060, 1, 1, tzinfo=UTC)


async def test_a_moment_after_the_end_of_time_is_refused(wire: Wire) -> None:
    """In UTC it would be one of the year 10000, which has no text."""
    late = {"startTime": "9999-12-31T23:59:59-14:00"}
    await wire.send("POST", PODS, pod())

    refused = await wire.send(
        "PATCH", f"{PODS}/web/status", {"status": late}, content_type="application/merge-patch+json"
    )

    assert refused.status == 422
    assert "status.startTime: Expected a moment such as" in refused.json["message"]


def test_a_moment_that_utc_has_no_year_for_is_no_moment() -> None:
    with pytest.raises(ValueError, match="lies outside the years 1 to 9999"):
        parse_time("9999-12-31T23:59:59-14:00")


def test_long_paths_are_not_kept() -> None:
    """A stranger's could fill the memory."""
    _parse_kept.cache_clear()
    long = f"{MAPS}/{'x' * KEPT_MAX_BYTES}"

    found = parse_path(long)

    assert found is not None
    assert found.name == "x" * KEPT_MAX_BYTES
    assert _parse_kept.cache_info().currsize == 0


def bootstrap_secret(**data: str) -> dict[str, object]:
    """Return the Secret of the token abcdef.0123456789abcdef. data: what of it differs."""
    fields = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        **data,
    }
    return {
        "metadata": {"name": "bootstrap-token-abcdef"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": fields,
    }


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 200),
        ({"expiration": "2999-01-01T00:00:00Z", "auth-extra-groups": "system:bootstrappers:site"}, 200),
        ({"expiration": "2020-01-01T00:00:00Z"}, 401),
        ({"expiration": "next year"}, 401),
        ({"auth-extra-groups": "system:masters"}, 401),
        ({"token-id": "ghijkl"}, 401),
        ({"token-secret": "fedcba9876543210"}, 401),
        ({"usage-bootstrap-authentication": "false"}, 401),
    ],
)
async def test_a_bootstrap_token_holds_as_its_secret_says(
    server: ApiServer, wire: Wire, data: dict[str, str], status: int
) -> None:
    made = await wire.send("POST", "/api/v1/namespaces/kube-system/secrets", bootstrap_secret(**data))
    assert made.status == 201
    async with Wire.connect(server, token="abcdef.0123456789abcdef") as joining:
        reply = await joining.send("GET", "/apis/certificates.k8s.io/v1/certificatesigningrequests")

    assert reply.status == status


def nested(levels: int) -> str:
    """Return the text of objects within objects."""
    return '{"x":' * levels + "{}" + "}" * levels


REVISIONS = "/apis/apps/v1/namespaces/default/controllerrevisions"


@pytest.mark.parametrize("levels", [210, 400, 980, 100_000])
async def test_what_is_nested_beyond_reason_is_a_bad_request(wire: Wire, levels: int) -> None:
    """Whoever reads it later may have less of the stack left."""
    await wire.send("POST", REVISIONS, {"metadata": {"name": "a"}, "revision": 1, "data": {"b": 1}})
    deep = nested(levels)
    operation = f'{{"op":"test","path":"/data","value":{deep}}}'

    statuses = [
        (await wire.send(method, path, text.encode(), content_type=content_type)).status
        for method, path, text, content_type in (
            ("POST", REVISIONS, f'{{"metadata":{{"name":"b"}},"revision":1,"data":{deep}}}', "application/json"),
            ("POST", REVISIONS, f'{{"metadata":{{"name":"b"}},"revision":1,"data":{deep}}}', "application/yaml"),
            ("PATCH", f"{REVISIONS}/a", f'{{"data":{deep}}}', "application/merge-patch+json"),
            ("PATCH", f"{REVISIONS}/a", f'{{"data":{deep}}}', "application/strategic-merge-patch+json"),
            ("PATCH", f"{REVISIONS}/a", f"[{operation},{operation}]", "application/json-patch+json"),
            ("DELETE", f"{REVISIONS}/a", f'{{"preconditions":{deep}}}', "application/json"),
        )
    ]

    assert statuses == [400] * 6


async def test_a_patch_that_builds_up_depth_step_by_step_is_refused(wire: Wire) -> None:
    await wire.send("POST", REVISIONS, {"metadata": {"name": "a"}, "revision": 1, "data": {}})
    step = json.loads(nested(100))
    paths = ["/data" + "/x" * (100 * number + 1) for number in range(2)]
    operations = [{"op": "add", "path": path, "value": step} for path in paths]

    reply = await wire.send("PATCH", f"{REVISIONS}/a", operations, content_type="application/json-patch+json")

    assert (reply.status, "nested too deeply" in reply.json["message"]) == (422, True)


async def test_a_patch_that_doubles_itself_is_refused_before_it_fills_the_memory(wire: Wire) -> None:
    await wire.send("POST", REVISIONS, {"metadata": {"name": "a"}, "revision": 1, "data": {"b": "x" * 1000}})
    operations = [{"op": "copy", "from": "/data", "path": f"/data/c{number}"} for number in range(60)]

    reply = await wire.send("PATCH", f"{REVISIONS}/a", operations, content_type="application/json-patch+json")

    assert (reply.status, "copies more than" in reply.json["message"]) == (422, True)
    assert len(reply.body) < 100_000


async def test_a_stranger_is_refused_before_the_body_is_read(server: ApiServer) -> None:
    answer = b""
    async with asyncio.timeout(PATIENCE_S), connection(server, client="") as (reader, writer):
        for method, path in ((b"POST", MAPS.encode()), (b"DELETE", MAPS.encode() + b"/a")):
            writer.write(b"%b %b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n" % (method, path))
            answer += (await reader.readuntil(b"\r\n\r\n")).splitlines()[0]
            await reader.readuntil(b'"status":"Failure"}\n')
            writer.write(b"{}")

    assert answer == b"HTTP/1.1 403 ForbiddenHTTP/1.1 403 Forbidden"
