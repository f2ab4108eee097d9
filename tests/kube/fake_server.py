"""HTTP in front of a FakeClient: as much of the API's wire as kube.http_client speaks."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from kube import codec, errors
from kube.api.core_v1 import Binding
from kube.api.meta_v1 import ListMeta, Status
from kube.client import ConnectionLost, EventType, PatchType, Preconditions, Selection, WatchEvent
from kube.errors import ApiError
from kube.kinds import Kind, find_resource
from tests.kube.fake_client import FakeClient


class FakeServer:
    """Answers requests on a loopback port from what `client` holds."""

    def __init__(self, client: FakeClient) -> None:
        self.client = client
        self.headers: list[Mapping[str, str]] = []
        """The headers of each request so far."""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Listen, and give the address: "http://127.0.0.1:40123"."""
        runner = web.ServerRunner(web.Server(self._handle), handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            self.client.disconnect()
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        try:
            return await self._answer(request)
        except ApiError as error:
            return web.Response(body=codec.encode(error.status), status=error.code, content_type="application/json")

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        kind, namespace, name, subresource = _parsed(request.path)
        body, query = await request.read(), request.query
        selection = Selection(namespace, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        if request.method == "GET" and query.get("watch") == "true":
            return await self._watch(request, kind, selection)
        answer: Any
        match request.method, bool(name):
            case "GET", True:
                answer = await self.client.get(kind.type, name, namespace=namespace)
            case "GET", False:
                return await self._list(kind, selection, query)
            case "POST", False:
                answer = await self.client.create(codec.decode(body, kind.type), dry_run="dryRun" in query)
            case "POST", True:
                binding = codec.decode(body, Binding)
                await self.client.create_subresource(kind.type, name, subresource, binding, namespace=namespace)
                answer = Status(status="Success", code=201)
            case "PUT", True:
                answer = await self.client.update(codec.decode(body, kind.type), subresource=subresource)
            case "PATCH", True:
                answer = await self.client.patch(
                    kind.type,
                    name,
                    codec.decode_plain(body),
                    namespace=namespace,
                    subresource=subresource,
                    patch_type=PatchType(request.content_type),
                )
            case "DELETE", True:
                answer = await self._delete(kind, namespace, name, codec.decode_plain(body))
            case _:
                raise errors.method_not_allowed()
        return web.Response(body=codec.encode(answer), content_type="application/json")

    async def _list(self, kind: Kind, selection: Selection, query: Mapping[str, str]) -> web.Response:
        token = query.get("continue", "")
        page = await self.client.list(kind.type, selection, limit=int(query.get("limit", 0)), continue_token=token)
        metadata = ListMeta(resource_version=page.resource_version, continue_=page.continue_token)
        answer = {"kind": f"{kind.kind}List", "metadata": metadata, "items": [_bare(obj) for obj in page.items]}
        return web.Response(body=codec.encode(answer), content_type="application/json")

    async def _watch(self, request: web.BaseRequest, kind: Kind, selection: Selection) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        version, timeout_s = request.query.get("resourceVersion", ""), float(request.query.get("timeoutSeconds", 0))
        try:
            events = self.client.watch(kind.type, selection, resource_version=version, timeout_s=timeout_s)
            async for event in events:
                line = _line(kind, event)
                await response.write(line[:7])
                await response.write(line[7:])
        except ApiError as error:
            await response.write(codec.encode({"type": "ERROR", "object": error.status}) + b"\n")
        except ConnectionLost:
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _delete(self, kind: Kind, namespace: str, name: str, options: Mapping[str, Any]) -> Any:
        wanted = options.get("preconditions", {})
        return await self.client.delete(
            kind.type,
            name,
            namespace=namespace,
            grace_s=options.get("gracePeriodSeconds"),
            propagation=options.get("propagationPolicy", ""),
            preconditions=Preconditions(wanted.get("uid", ""), wanted.get("resourceVersion", "")),
        )


def _parsed(path: str) -> tuple[Kind, str, str, str]:
    """Return what a path names: kind, namespace, name, subresource."""
    _, prefix, *parts = path.split("/")
    group = parts.pop(0) if prefix == "apis" else ""
    version = parts.pop(0)
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace = parts[1]
        parts = parts[2:]
    kind = find_resource(group, version, parts[0])
    if kind is None:
        raise errors.no_such_path()
    name, subresource = [*parts[1:], "", ""][:2]
    return kind, namespace, name, subresource


def _bare(obj: Any) -> Any:
    """Return an object as it stands in a list: without its kind."""
    return {key: value for key, value in codec.to_plain(obj).items() if key not in ("kind", "apiVersion")}


def _line(kind: Kind, event: WatchEvent[Any]) -> bytes:
    obj = event.obj
    if event.type is EventType.BOOKMARK:
        obj = {"kind": kind.kind, "metadata": {"resourceVersion": event.resource_version}}
    return msgspec.json.encode({"type": event.type.value, "object": codec.to_plain(obj)}) + b"\n"
