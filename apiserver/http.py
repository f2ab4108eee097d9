"""The HTTP shell: connections and requests in, answers out; who it is, what path it is, and every error as a Status.

aiohttp's low-level server with our own paths: no router, no middleware, no access log.
Source: kubernetes.io/docs/reference/using-api/api-concepts, .../health-checks
"""

import asyncio
import logging
import ssl
import time
from typing import Any, Final

import msgspec
from aiohttp import web

from apiserver import discovery
from apiserver.authentication import Authenticator
from apiserver.classifying import Flows, asks_to_watch
from apiserver.connections import (
    KEEPALIVE_S,
    LINE_MAX_BYTES,
    LINGER_S,
    Bounds,
    Connection,
    HttpServer,
    within_descriptors,
)
from apiserver.handlers import Call, Handlers
from apiserver.health import Health
from apiserver.identity import ANONYMOUS, User
from apiserver.impersonation import impersonated
from apiserver.metrics import Metrics
from apiserver.options import Query, parse_query
from apiserver.paths import parse_path
from apiserver.pipeline import Pipeline
from apiserver.presenting import present
from apiserver.responses import FLOW, Answer, document_answer, error_answer, no_page_answer, text_answer
from apiserver.schema import openapi
from apiserver.tokens import ISSUER, TokenKeeper
from apiserver.version import VERSION
from kube.codec import encode
from kube.errors import ApiError, bad_request, internal, no_such_path

LOG: Final = logging.getLogger("apiserver.http")
PROTOCOL_LOG: Final = logging.getLogger("apiserver.http.protocol")
PATHS: Final = (
    "/.well-known/openid-configuration",
    "/cacerts",
    "/healthz",
    "/livez",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openid/v1/jwks",
    "/readyz",
    "/version",
)
"""What is served beside resources and discovery."""


class Shell:
    """Answers every request."""

    def __init__(
        self,
        pipeline: Pipeline,
        handlers: Handlers,
        authenticator: Authenticator,
        keeper: TokenKeeper,
        *,
        health: Health,
        metrics: Metrics,
        authority_pem: str,
    ) -> None:
        """health: what /readyz tells. authority_pem: whom the cluster trusts; joining nodes ask for it."""
        self._authority_pem = authority_pem
        self._pipeline = pipeline
        self._handlers = handlers
        self._authenticator = authenticator
        self._keeper = keeper
        self._health = health
        self._metrics = metrics
        self._flows = Flows(pipeline.readings.cache, pipeline.objects)

    def server(self, bounds: Bounds) -> HttpServer:
        """Return a server for connections, each of whose requests comes to `handle`."""
        PROTOCOL_LOG.setLevel(logging.CRITICAL)  # What is no HTTP is its sender's affair; all else is logged here.
        return HttpServer(
            self.handle,
            within_descriptors(bounds),
            logger=PROTOCOL_LOG,
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=LINGER_S,
            max_line_size=LINE_MAX_BYTES,
            max_field_size=LINE_MAX_BYTES,
        )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        started = time.perf_counter()
        path, _, query_text = request.raw_path.partition("?")
        target = parse_path(path)
        query: Query = {}
        try:
            query = parse_query(query_text)
            user = self._user_of(request)
            watches = asks_to_watch(query, target)
            request[FLOW] = self._flows.headers(user, request.method, target, path, watches=watches)
            if target is None:
                answer = await self._outside(request, user, path, query)
            else:
                answer = await self._handlers.handle(Call(request, user, target, query))
        except ApiError as error:
            answer = error_answer(error, closes=error.code == 413)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except RecursionError:
            answer = error_answer(bad_request("the body of the request is nested too deeply"))
        except Exception as error:
            LOG.exception("request failed method=%s path=%s", request.method, path)
            answer = error_answer(internal(f"{type(error).__name__}: see the server's log"))
        if isinstance(answer, Answer) and not path.startswith("/openapi"):
            await present(answer, request, query)
        group, name = (target.kind.group, target.kind.plural) if target else ("", "")
        code = answer.status if isinstance(answer, Answer) else 200
        self._metrics.count(request.method, group, name, code, time.perf_counter() - started)
        return answer

    def _user_of(self, request: web.BaseRequest) -> User:
        connection = request.protocol
        now = self._pipeline.clock.now()
        user = connection.certified(now) if isinstance(connection, Connection) else None
        if user is None:
            user = self._authenticator.user_of(request.headers.get("Authorization", ""), now) or ANONYMOUS
        return impersonated(user, request.headers, self._pipeline.check)

    async def _outside(self, request: web.BaseRequest, user: User, path: str, query: Query) -> web.StreamResponse:
        """Answer a request for a path that is no resource's."""
        self._pipeline.authorize_path(user, request.method.lower() if request.method != "HEAD" else "get", path)
        if request.method not in ("GET", "HEAD"):
            raise no_such_path()
        health = self._health.answer(path, query)
        if health is not None:
            return text_answer(*health)
        match path.rstrip("/"):
            case "/version":
                return Answer(200, msgspec.json.format(encode(VERSION), indent=2))
            case "/cacerts":
                return text_answer(self._authority_pem)
            case "/metrics":
                cache = self._pipeline.readings.cache
                return text_answer(self._metrics.text(cache.counts(), cache.revision))
            case "/openid/v1/jwks":
                return Answer(200, encode(self._keeper.public_keys()), "application/jwk-set+json")
            case "/.well-known/openid-configuration":
                return Answer(200, encode(_openid_configuration()))
            case "":
                return Answer(200, encode({"paths": sorted((*discovery.paths(), *PATHS))}))
        accept = request.headers.get("Accept", "")
        document = discovery.find(path, accept) or await asyncio.to_thread(openapi.find, path, accept, query)
        if document is None and discovery.is_below_group(path):
            raise no_such_path()
        if document is None:
            return no_page_answer()
        return document_answer(document, request.headers.get("If-None-Match", ""))


def _openid_configuration() -> dict[str, Any]:
    return {
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }


def server_tls(certificate: str, key: str, authority: str) -> ssl.SSLContext:
    """Return the TLS of the listener: our certificate, and clients' ones if they have any. Paths of PEM files."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.load_cert_chain(certificate, key)
    tls.load_verify_locations(authority)
    tls.verify_mode = ssl.CERT_OPTIONAL
    tls.set_alpn_protocols(["http/1.1"])
    return tls
