"""Pretended agents of nodes, with a node's certificate, and HTTP servers for pods."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from apiserver.server import ApiServer
from kube.pki import Subject, issue, save_pair
from tests.apiserver.wire import Wire, pod

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(
    handler: Handler, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Answer requests at a port of its own."""
    runner = web.ServerRunner(
        web.Server(handler, handler_cancellation=True, auto_decompress=False), shutdown_timeout=0.1
    )
    await runner.setup()
    await web.TCPSite(runner, address, 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def node_tls(server: ApiServer, directory: Path, name: str = "here") -> ssl.SSLContext:
    """Return the TLS of a node's agent: a certificate by the cluster's authority, for clients that have one too."""
    authority = server.credentials.authority
    save_pair(directory, name, issue(authority, Subject(f"system:node:{name}", ("system:nodes",)), ("server",)))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(str(directory / f"{name}.crt"), str(directory / f"{name}.key"))
    tls.load_verify_locations(str(server.credentials.certificate("ca")))
    tls.verify_mode = ssl.CERT_REQUIRED
    return tls


async def add_node(wire: Wire, port: int, name: str = "here", address: str = "127.0.0.1") -> None:
    """Register a node whose agent is at a port."""
    status = {
        "addresses": [{"type": "InternalIP", "address": address}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await wire.send("POST", "/api/v1/nodes", {"metadata": {"name": name}, "status": status})


async def add_pod(wire: Wire, name: str, ip: str, port: int, **meta: object) -> None:
    """Make a pod that seems to run at an address, with a port `http`."""
    ports = [{"name": "http", "containerPort": port}]
    made = pod(name, containers=[{"name": "main", "image": "web:1", "ports": ports}], nodeName="here")
    made["metadata"].update(meta)
    await wire.send("POST", "/api/v1/namespaces/default/pods", made)
    status = {"status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}}
    path = f"/api/v1/namespaces/default/pods/{name}/status"
    reply = await wire.send("PATCH", path, status, content_type="application/merge-patch+json")
    assert reply.status == 200, reply.body
