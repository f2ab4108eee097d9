"""Each verb over HTTP: a request's parts to the pipeline, and what comes back to bytes in the form that was asked for.

Source: kubernetes.io/docs/reference/using-api/api-concepts
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

import msgspec
from aiohttp import web

from apiserver.accepting import accepted
from apiserver.applying import read_configuration
from apiserver.connections import BODY_MAX_BYTES, Connection, invite_body
from apiserver.decoding import decode_delete_options, decode_object, media_type_of
from apiserver.deletion import deletion_warnings
from apiserver.forms import PLAIN, Form, Shape, form_for
from apiserver.identity import User
from apiserver.item import Item
from apiserver.managing import manager_name
from apiserver.metrics import Metrics
from apiserver.options import (
    ListOptions,
    Query,
    check_delete_options,
    delete_options,
    list_options,
    text_of,
    write_options,
)
from apiserver.patching import Patch
from apiserver.paths import Target
from apiserver.pipeline import POSTED, Permit, Pipeline, deletion_status
from apiserver.pods import BINDING
from apiserver.reading import Listed
from apiserver.relay.nodes import NodeRelay
from apiserver.relay.proxy import METHODS, Proxy
from apiserver.relay.upgrade import wants_websocket
from apiserver.responses import Answer, status_answer, warning_headers
from apiserver.scale import SCALE
from apiserver.selection import parse_selection
from apiserver.strategies import strategy_of
from apiserver.versions import stored_kind
from apiserver.watch_socket import serve_watch_socket
from apiserver.watching import serve_watch
from kube.api.autoscaling_v1 import Scale
from kube.api.meta_v1 import DeleteOptions, Status
from kube.client import PatchType
from kube.codec import encode
from kube.errors import ApiError, method_not_allowed, timed_out, too_large

RELAYED: Final = ("attach", "exec", "log", "portforward")
_VERBS: Final = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}


class Call(msgspec.Struct, frozen=True):
    """One HTTP request for a resource. warnings: what its sender is to know, whatever the answer."""

    request: web.BaseRequest
    user: User
    target: Target
    query: Query
    warnings: list[str] = msgspec.field(default_factory=list)

    @property
    def content_type(self) -> str:
        """The Content-Type header, "" where there is none."""
        return self.request.headers.get("Content-Type", "")

    @property
    def accept(self) -> str:
        """The Accept header, "" where there is none."""
        return self.request.headers.get("Accept", "")

    def form(self, shape: Shape | None = None) -> Form:
        """Return the form that the client takes; the path tells the shape. Raises ApiError 400 or 406."""
        shape = shape or (Shape.ONE if self.target.name or self.request.method == "POST" else Shape.LIST)
        kind = SCALE if self.target.subresource == "scale" else self.target.kind
        return form_for(self.accept, kind, text_of(self.query, "includeObject"), shape)

    @property
    def manager(self) -> str:
        """Who manages the fields that the request sets, if it doesn't say so itself."""
        return manager_name(self.request.headers.get("User-Agent", ""))


async def read_body(request: web.BaseRequest) -> bytes:
    """Return a request's body. Raises ApiError 413, 504 where it doesn't come to its end."""
    length = request.content_length
    if length is not None and length > BODY_MAX_BYTES:
        raise _over_limit()
    if not request.body_exists:
        return b""
    invite_body(request)
    patience_s = cast("Connection", request.protocol).bounds.body_s
    try:
        if request.content.is_eof():  # As most are; a timeout would cost more than the reading.
            return await request.read()
        async with asyncio.timeout(patience_s):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise _over_limit() from error
    except TimeoutError as error:
        raise timed_out(f"the body of the request did not come within {patience_s:g} seconds") from error


def _over_limit() -> ApiError:
    return too_large(f"Request entity too large: limit is {BODY_MAX_BYTES}")


class Handlers:
    """What is done for each method."""

    def __init__(self, pipeline: Pipeline, relay: NodeRelay, proxy: Proxy, metrics: Metrics) -> None:
        """relay: to the node agents. proxy: to what runs in the cluster. metrics: count the watches."""
        self._pipeline = pipeline
        self._metrics = metrics
        self._relay = relay
        self._proxy = proxy
        self._methods: Mapping[str, Callable[[Call], Awaitable[web.StreamResponse]]] = {
            "GET": self._get,
            "HEAD": self._get,
            "POST": self._post,
            "PUT": self._put,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }

    async def handle(self, call: Call) -> web.StreamResponse:
        """Answer a request for a resource. Raises ApiError."""
        target = call.target
        if target.subresource in RELAYED:
            return await self._relayed(call)
        if target.subresource == "proxy":
            return await self._proxied(call)
        method = self._methods.get(call.request.method)
        if method is None or (target.is_watched and call.request.method != "GET"):
            raise method_not_allowed()
        if not (call.accept in PLAIN or "watch" in call.query or target.is_watched):
            call.form()  # What can't be answered is refused before anything is done.
        kind = target.kind
        if kind.deprecated:
            call.warnings.append(f"{kind.api_version} {kind.kind} is deprecated in {kind.deprecated}")
        try:
            answer = await method(call)
        except ApiError as error:
            error.warnings = tuple(call.warnings)
            raise
        if call.warnings and isinstance(answer, Answer):
            answer.add_headers(warning_headers(call.warnings))
        return answer

    async def _relayed(self, call: Call) -> web.StreamResponse:
        target, pipeline = call.target, self._pipeline
        if call.request.method not in (("GET",) if target.subresource == "log" else ("GET", "POST")):
            raise method_not_allowed()
        pipeline.authorize(call.user, _verb(call), target)
        if target.subresource != "log":
            pipeline.authorize(call.user, "create", target)  # Whoever may only look must not run anything.
        pod = await pipeline.readings.get(target.kind, target.namespace, target.name)
        cast("Connection", call.request.protocol).wait_for_reader()
        return await self._relay.serve(call.request, pod.obj, target.subresource, call.query)

    async def _proxied(self, call: Call) -> web.StreamResponse:
        if call.request.method not in METHODS:
            raise method_not_allowed()
        self._pipeline.authorize(call.user, _verb(call), call.target)
        await self._pipeline.readings.cache.catch_up()
        return await self._proxy.serve(call.request, call.target)

    async def _get(self, call: Call) -> web.StreamResponse:
        target, query = call.target, call.query
        if target.subresource == "scale":
            return self._scale_answer(call, await self._pipeline.get_scale(call.user, target))
        if target.is_watched:
            return await self._watch(call, list_options({**query, "watch": ["true"]}))
        if not target.name:
            options = list_options(query)
            if options.watch and call.request.method == "HEAD":
                raise method_not_allowed()
            if options.watch:
                return await self._watch(call, options)
            listed = await self._pipeline.list(call.user, target, options)
            return self._list_answer(call, listed)
        item = await self._pipeline.get(call.user, target, text_of(query, "resourceVersion"))
        return self._answer(call, item)

    async def _watch(self, call: Call, options: ListOptions) -> web.StreamResponse:
        target = call.target
        self._pipeline.authorize(call.user, "watch", target, options.field_selector)
        selection = parse_selection(target.kind, target.namespace, options.label_selector, options.field_selector)
        if target.name:
            selection = replace(selection, name=target.name)
        cache = self._pipeline.readings.cache
        form = call.form(Shape.WATCH)
        with self._metrics.watching(target.kind.plural), self._pipeline.components.watching(call.user):
            if wants_websocket(call.request):
                return await serve_watch_socket(call.request, cache, target.kind, selection, form=form, options=options)
            headers = warning_headers(call.warnings)
            return await serve_watch(
                call.request, cache, target.kind, selection, form=form, options=options, headers=headers
            )

    async def _post(self, call: Call) -> web.StreamResponse:
        target, pipeline = call.target, self._pipeline
        kind = POSTED.get(target.subresource) if target.subresource else target.kind
        if kind is None or bool(target.subresource) != bool(target.name):
            raise method_not_allowed()
        permit = pipeline.authorize(call.user, "create", target)
        options = write_options(call.query, "Create", call.manager)
        body = await read_body(call.request)
        decoded = decode_object(body, call.content_type, kind, options.field_validation)
        call.warnings.extend(decoded.warnings)
        if not (target.subresource or pipeline.reviews.answers(kind) or kind == BINDING):
            item = await pipeline.create(permit, decoded.obj, options)
            return self._answer(call, item, 201)
        accepted(call.accept, has_tables=False)
        answer = await pipeline.post(permit, decoded.obj, options)
        if isinstance(answer, Status):
            return status_answer(answer)
        return Answer(201, encode(answer))

    async def _put(self, call: Call) -> web.StreamResponse:
        target, pipeline = call.target, self._pipeline
        self._check_writable(target, "update")
        permit = pipeline.authorize(call.user, "update", target)
        options = write_options(call.query, "Update", call.manager)
        kind = SCALE if target.subresource == "scale" else target.kind
        decoded = decode_object(await read_body(call.request), call.content_type, kind, options.field_validation)
        call.warnings.extend(decoded.warnings)
        if target.subresource == "scale":
            scale = await pipeline.update_scale(permit, cast("Scale", decoded.obj), options)
            return self._scale_answer(call, scale)
        item, created = await pipeline.update(permit, decoded.obj, options)
        return self._answer(call, item, 201 if created else 200)

    async def _patch(self, call: Call) -> web.StreamResponse:
        target, pipeline = call.target, self._pipeline
        self._check_writable(target, "patch")
        permit = pipeline.authorize(call.user, "patch", target)
        if media_type_of(call.content_type) == PatchType.APPLY.value:
            return await self._apply(call, permit)
        options = write_options(call.query, "Patch", call.manager)
        kind = SCALE if target.subresource == "scale" else target.kind
        patch = Patch(kind, await read_body(call.request), call.content_type, options.field_validation)
        if target.subresource == "scale":
            scale = await pipeline.patch_scale(permit, patch, options)
            call.warnings.extend(patch.warnings)
            return self._scale_answer(call, scale)
        item = await pipeline.patch(permit, patch, options)
        call.warnings.extend(patch.warnings)
        return self._answer(call, item)

    async def _apply(self, call: Call, permit: Permit) -> web.StreamResponse:
        target, pipeline = call.target, self._pipeline
        options = write_options(call.query, "Patch", applies=True)
        kind = SCALE if target.subresource == "scale" else target.kind
        body = await read_body(call.request)
        config = read_configuration(kind, body, options, name=target.name, subresource=target.subresource)
        call.warnings.extend(config.warnings)
        if target.subresource == "scale":
            scale = await pipeline.apply_scale(permit, config, options)
            return self._scale_answer(call, scale)
        item, created = await pipeline.apply(permit, config, options)
        return self._answer(call, item, 201 if created else 200)

    async def _delete(self, call: Call) -> web.StreamResponse:
        target, pipeline = call.target, self._pipeline
        if target.subresource:
            raise method_not_allowed()
        permit = pipeline.authorize(call.user, "delete" if target.name else "deletecollection", target)
        body = await read_body(call.request)
        options = check_delete_options(self._delete_options(call, body))
        if not target.name:
            listed = await pipeline.delete_collection(permit, list_options(call.query), options)
            return self._list_answer(call, listed)
        deleted = await pipeline.delete(permit, options)
        strategy = strategy_of(stored_kind(target.kind))
        call.warnings.extend(deletion_warnings(strategy, options))
        if deleted.is_gone and not strategy.returns_deleted:
            return status_answer(deletion_status(target, deleted))
        goes_on = options.orphan_dependents is False and not deleted.is_gone
        return self._answer(call, deleted.item, 202 if goes_on else 200)

    def _delete_options(self, call: Call, body: bytes) -> DeleteOptions:
        if body.strip():
            return decode_delete_options(body, call.content_type)
        return delete_options(call.query)

    def _check_writable(self, target: Target, verb: str) -> None:
        if not target.name:
            raise method_not_allowed()
        if target.subresource:
            found = target.kind.subresource(target.subresource)
            if found is None or verb not in found.verbs:
                raise method_not_allowed()

    def _answer(self, call: Call, item: Any, status: int = 200) -> Answer:
        return Answer(status, call.form().one(item))

    def _scale_answer(self, call: Call, scale: Scale) -> Answer:
        item = Item(SCALE, scale.metadata.namespace, scale.metadata.name, 0, encode(scale))
        return self._answer(call, item)

    def _list_answer(self, call: Call, listed: Listed) -> Answer:
        return Answer(200, call.form().many(listed.items, listed.info))


def _verb(call: Call) -> str:
    """Return what a request for a door that leads elsewhere is, as rules name it; OPTIONS has no name."""
    return _VERBS.get(call.request.method, "")
