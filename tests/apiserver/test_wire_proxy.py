"""The proxy doors of pods, services and nodes: what goes through unchanged, what is changed, where they don't lead."""

import asyncio
import gzip
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from apiserver.authentication import user_of_certificate
from apiserver.relay.places import is_allowed
from apiserver.server import ApiServer
from tests.apiserver.agents import add_node, add_pod, node_tls, serving
from tests.apiserver.wire import Wire

DEFAULT = "/api/v1/namespaces/default"
POD = f"{DEFAULT}/pods/web/proxy"
PATIENCE_S = 10.0
BIG = 20 * 1024 * 1024


def own_address() -> str:
    """Return an address of this machine that is no loopback: the proxy leads to no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but its loopback's")
        address: str = probe.getsockname()[0]
        return address


class Backend:
    """What runs in the pod: tells what it was asked, or does as its paths say."""

    def __init__(self) -> None:
        self.address = own_address()
        self.port = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.path:
            case "/redirect":
                return web.Response(status=302, headers={"Location": request.query["to"]})
            case "/page":
                page = b'<a href="/next">next</a>'
                if "packed" in request.query:
                    return web.Response(
                        body=gzip.compress(page), content_type="text/html", headers={"Content-Encoding": "gzip"}
                    )
                return web.Response(body=page, content_type="text/html")
            case "/count":
                count = 0
                async for piece in request.content.iter_any():
                    count += len(piece)
                return web.Response(text=str(count))
            case "/big":
                answer = web.StreamResponse()
                await answer.prepare(request)
                for _ in range(BIG // 65536):
                    await answer.write(bytes(65536))
                return answer
            case "/half":
                answer = web.StreamResponse(headers={"Content-Length": "1000"})
                await answer.prepare(request)
                await answer.write(b"half")
                assert request.transport is not None
                request.transport.abort()
                return answer
            case "/socket":
                socket = web.WebSocketResponse(protocols=("echo",))
                await socket.prepare(request)
                async for message in socket:
                    await socket.send_bytes(b"heard " + message.data)
                return socket
            case "/teapot":
                status = int(request.query.get("status", "418"))
                return web.Response(status=status, text="short and stout", headers={"Access-Control-Allow-Origin": "*"})
        told = {
            "method": request.method,
            "target": request.raw_path,
            "headers": [*request.headers.items()],
            "body": (await request.read()).decode(),
        }
        return web.json_response(told, headers={"X-Own": "kept", "Keep-Alive": "timeout=5"})


@pytest.fixture
async def backend(wire: Wire) -> AsyncIterator[Backend]:
    """A pod `web` with a server at its port `http`."""
    backend = Backend()
    async with serving(backend.handle, backend.address) as port:
        backend.port = port
        await add_pod(wire, "web", backend.address, port, labels={"app": "web"})
        yield backend


async def add_service(wire: Wire, backend: Backend, *, ready: bool = True, target: str = "web", ip: str = "") -> None:
    """Make a Service `web` with a slice of one endpoint."""
    ports = [{"name": "main", "port": 80, "targetPort": "http"}, {"name": "other", "port": 81}]
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}}
    await wire.send("POST", f"{DEFAULT}/services", service)
    endpoint = {
        "addresses": [ip or backend.address],
        "conditions": {"ready": ready},
        "targetRef": {"kind": "Pod", "name": target, "namespace": "default"},
    }
    piece = {
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": [{"name": "main", "port": backend.port, "protocol": "TCP"}],
    }
    reply = await wire.send("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", piece)
    assert reply.status == 201, reply.body


def values(told: Any, name: str) -> list[str]:
    """Return the values of a header that the backend saw."""
    return [value for key, value in told["headers"] if key.lower() == name.lower()]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_goes_through_with_its_path_query_and_body(
    wire: Wire, backend: Backend, method: str
) -> None:
    body = b"" if method in ("GET", "OPTIONS") else b"what is said"

    reply = await wire.send(method, f"{POD}/a%20b//c/?x=1&x=%26&watch=true", body or None)

    told = reply.json
    assert (reply.status, told["method"], told["target"]) == (200, method, "/a%20b//c/?x=1&x=%26&watch=true")
    assert told["body"].encode() == body
    assert (reply.headers["X-Own"], "Keep-Alive" in reply.headers) == ("kept", False)


async def test_who_asks_is_not_told_and_whence_is(server: ApiServer, wire: Wire, backend: Backend) -> None:
    """A token that was shown to this server must not reach a pod, whose owner could use it."""
    sent = {
        "Authorization": "Bearer secret",
        "Impersonate-User": "kubernetes-admin",
        "Impersonate-Group": "system:masters",
        "X-Remote-User": "root",
        "X-Forwarded-For": "192.0.2.7",
        "Connection": "keep-alive, X-Mine",
        "X-Mine": "of this connection",
        "Cookie": "a=b",
    }

    told = (await wire.send("GET", f"{POD}/x", headers=sent)).json

    absent = ("Authorization", "Impersonate-User", "Impersonate-Group", "X-Remote-User", "X-Mine")
    assert [values(told, name) for name in absent] == [[]] * 5
    assert values(told, "X-Forwarded-For") == ["192.0.2.7, 127.0.0.1"]
    assert values(told, "X-Forwarded-Uri") == [f"{POD}/x"]
    assert values(told, "Host") == [server.url.removeprefix("https://")]
    assert values(told, "Cookie") == ["a=b"]


@pytest.mark.parametrize("name", ["web", "web:http", "http:web:http", "web:PORT"])
async def test_a_pod_s_port_is_its_first_or_the_one_that_is_named(wire: Wire, backend: Backend, name: str) -> None:
    reply = await wire.send("GET", f"{DEFAULT}/pods/{name.replace('PORT', str(backend.port))}/proxy/x")

    assert (reply.status, reply.json["target"]) == (200, "/x")


@pytest.mark.parametrize("name", ["web:main", "web:80", "http:web:main"])
async def test_a_service_leads_to_one_of_its_ready_pods(wire: Wire, backend: Backend, name: str) -> None:
    await add_service(wire, backend)

    reply = await wire.send("GET", f"{DEFAULT}/services/{name}/proxy/x?y")

    assert (reply.status, reply.json["target"]) == (200, "/x?y")


@pytest.mark.parametrize(
    ("changes", "name", "message"),
    [
        ({"ready": False}, "web:main", 'no endpoints available for service "web:main"'),
        ({"target": "gone"}, "web:main", 'no endpoints available for service "web:main"'),
        ({"ip": "203.0.113.9"}, "web:main", 'no endpoints available for service "web:main"'),
        ({}, "web", 'no endpoints available for service "web"'),
        ({}, "web:82", 'no service port 82 found for service "web"'),
    ],
)
async def test_a_service_without_a_pod_that_could_answer_is_unavailable(
    wire: Wire, backend: Backend, changes: dict[str, Any], name: str, message: str
) -> None:
    """An endpoint counts only if it is the address of the pod that it names: whoever writes slices can't choose."""
    await add_service(wire, backend, **changes)

    reply = await wire.send("GET", f"{DEFAULT}/services/{name}/proxy/")

    assert (reply.status, reply.reason, reply.json["message"]) == (503, "ServiceUnavailable", message)
    assert "details" not in reply.json


async def test_a_door_without_a_path_leads_to_its_root(wire: Wire, backend: Backend) -> None:
    """Relative links of a page only work below a path that ends with a slash."""
    reply = await wire.raw("GET", f"{POD}?a=b")

    assert (reply.status, reply.headers["Location"]) == (301, f"{POD}/?a=b")


@pytest.mark.parametrize(
    ("to", "location"),
    [("/there?x", f"{POD}/there?x"), ("there", "there"), ("https://elsewhere/there", "https://elsewhere/there")],
)
async def test_a_redirect_is_passed_on_and_leads_through_the_door(
    wire: Wire, backend: Backend, to: str, location: str
) -> None:
    reply = await wire.raw("GET", f"{POD}/redirect?to={to}")

    assert (reply.status, reply.headers["Location"]) == (302, location)


@pytest.mark.parametrize("query", ["", "?packed"])
async def test_links_of_a_page_lead_through_the_door(wire: Wire, backend: Backend, query: str) -> None:
    reply = await wire.send("GET", f"{POD}/page{query}")

    assert reply.body.decode() == f'<a href="{POD}/next">next</a>'


async def test_what_is_refused_behind_is_passed_on_without_leave_for_other_sites(wire: Wire, backend: Backend) -> None:
    reply = await wire.send("GET", f"{POD}/teapot")

    assert (reply.status, reply.body) == (418, b"short and stout")
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize("chunked", [False, True])
async def test_bodies_larger_than_any_object_stream_both_ways(wire: Wire, backend: Backend, chunked: bool) -> None:
    counted = await wire.send("POST", f"{POD}/count", bytes(BIG), chunked=chunked)
    big = await wire.send("GET", f"{POD}/big")

    assert (counted.body, len(big.body)) == (str(BIG).encode(), BIG)


async def test_a_packed_body_arrives_as_it_was_sent(wire: Wire, backend: Backend) -> None:
    packed = gzip.compress(b"x" * 1000)

    reply = await wire.send("POST", f"{POD}/count", packed, headers={"Content-Encoding": "gzip"})

    assert reply.body == str(len(packed)).encode()


async def test_an_answer_that_breaks_off_breaks_off(wire: Wire, backend: Backend) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await wire.send("GET", f"{POD}/half")


async def test_a_server_that_switches_protocols_unasked_is_not_heard(wire: Wire, backend: Backend) -> None:
    """The client would go on in a protocol of which it knows nothing."""
    reply = await wire.send("GET", f"{POD}/teapot?status=101")

    assert (reply.status, "switched protocols" in reply.json["message"]) == (503, True)


async def test_a_websocket_passes_through(server: ApiServer, wire: Wire, backend: Backend) -> None:
    tls = ssl.create_default_context(cafile=str(server.credentials.certificate("ca")))
    tls.load_cert_chain(str(server.credentials.certificate("admin")), str(server.credentials.key("admin")))
    async with (
        asyncio.timeout(PATIENCE_S),
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.url}{POD}/socket", ssl=tls, protocols=("echo",)) as socket,
    ):
        await socket.send_bytes(b"me")
        heard = await socket.receive_bytes()

    assert (heard, socket.protocol) == (b"heard me", "echo")


@pytest.mark.parametrize(("path", "code"), [("/teapot", 418), ("/x", 500)])
async def test_an_upgrade_that_is_refused_behind_is_refused(wire: Wire, backend: Backend, path: str, code: int) -> None:
    reply = await wire.send("GET", f"{POD}{path}", headers={"Connection": "Upgrade", "Upgrade": "odd/1"})

    assert reply.status == code
    assert b"short and stout" in reply.body or reply.json["message"].endswith(
        "invalid upgrade response: status code 200"
    )


async def test_a_pod_where_nobody_listens_is_unavailable(wire: Wire, backend: Backend) -> None:
    for headers in ({}, {"Connection": "Upgrade", "Upgrade": "websocket"}):
        reply = await wire.send("GET", f"{DEFAULT}/pods/web:1/proxy/", headers=headers)

        assert (reply.status, reply.reason) == (503, "ServiceUnavailable")
        assert reply.json["message"].startswith("error trying to reach service: ")


@pytest.mark.parametrize("ip", ["127.0.0.1", "169.254.169.254", "::1", "fe80::1", "0.0.0.0", "224.0.0.1"])
async def test_an_address_of_this_machine_or_of_a_cloud_s_metadata_is_refused(wire: Wire, ip: str) -> None:
    await add_pod(wire, "odd", ip, 80)

    reply = await wire.send("GET", f"{DEFAULT}/pods/odd/proxy/")

    assert (reply.status, reply.json["message"]) == (400, "address not allowed")


@pytest.mark.parametrize("ip", ["::ffff:127.0.0.1", "::ffff:169.254.169.254", "", "localhost", "255.255.255.255", "::"])
def test_other_ways_to_write_such_an_address_are_refused_too(ip: str) -> None:
    assert not is_allowed(ip)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("pods/ftp:web:80", 400),
        ("pods/a:b:c:d", 400),
        ("pods/gone", 404),
        ("services/gone", 404),
        ("pods/web:odd", 503),
    ],
)
async def test_a_name_that_leads_nowhere_is_refused(wire: Wire, backend: Backend, path: str, code: int) -> None:
    assert (await wire.send("GET", f"{DEFAULT}/{path}/proxy/")).status == code


async def test_a_node_s_door_leads_to_its_agent_which_sees_this_server_s_certificate(
    server: ApiServer, wire: Wire, tmp_path: Path
) -> None:
    callers: list[str] = []

    async def agent(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        user = user_of_certificate(request.transport.get_extra_info("ssl_object").getpeercert())
        callers.append(user.name if user else "")
        return web.Response(text=request.raw_path)

    async with serving(agent, tls=node_tls(server, tmp_path)) as port:
        await add_node(wire, port)
        replies = [
            await wire.send("GET", f"/api/v1/nodes/{name}/proxy/stats/summary?only=1")
            for name in ("here", f"here:{port}")
        ]

    assert [reply.body for reply in replies] == [b"/stats/summary?only=1"] * 2
    assert callers == ["kube-apiserver"] * 2


async def test_another_node_s_certificate_is_not_a_node_s_own(server: ApiServer, wire: Wire, tmp_path: Path) -> None:
    """Else any node that came to another one's address would be told what is meant for it."""
    heard: list[str] = []

    async def agent(request: web.BaseRequest) -> web.StreamResponse:
        heard.append(request.path)
        return web.Response()

    async with serving(agent, tls=node_tls(server, tmp_path, "there")) as port:
        await add_node(wire, port)
        await add_pod(wire, "web", "192.0.2.1", 80)
        replies = [
            await wire.send("GET", path)
            for path in (
                "/api/v1/nodes/here/proxy/pods",
                f"{DEFAULT}/pods/web/log",
                f"{DEFAULT}/pods/web/exec?command=x",
            )
        ]

    assert [reply.status for reply in replies] == [503, 500, 400]
    assert "the certificate is for system:node:there, not for system:node:here" in replies[0].json["message"]
    assert heard == []


async def test_another_port_of_a_node_on_this_machine_s_loopback_is_refused(wire: Wire) -> None:
    """Behind it may be what listens for this machine alone, such as the store."""
    await add_node(wire, 10250)

    reply = await wire.send("GET", "/api/v1/nodes/here:2379/proxy/")

    assert (reply.status, reply.json["message"]) == (400, "address not allowed")


async def test_another_port_of_a_node_does_not_see_this_server_s_certificate(
    server: ApiServer, wire: Wire, backend: Backend, tmp_path: Path
) -> None:
    seen: list[Any] = []

    async def other(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        seen.append(request.transport.get_extra_info("ssl_object").getpeercert())
        return web.Response(text="told")

    tls = node_tls(server, tmp_path)
    tls.verify_mode = ssl.CERT_OPTIONAL
    async with serving(other, backend.address, tls=tls) as port:
        await add_node(wire, 10250, address=backend.address)
        reply = await wire.send("GET", f"/api/v1/nodes/https:here:{port}/proxy/")

    assert (reply.body, seen) == (b"told", [None])


async def test_who_may_not_is_refused_before_anything_is_looked_for(server: ApiServer) -> None:
    async with Wire.connect(server, client="") as nobody:
        replies = [await nobody.send(method, f"{POD}/x") for method in ("GET", "POST", "PUT", "PATCH", "DELETE")]

    assert [reply.status for reply in replies] == [403] * 5
    verbs = [json.loads(reply.body)["message"].split("cannot ")[1].split()[0] for reply in replies]
    assert verbs == ["get", "create", "update", "patch", "delete"]
