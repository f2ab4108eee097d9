"""The command line's way to the API: one blocking connection, plain JSON, and few imports, since commands are short.

The rooms use `kube.http_client`; a command that only asks and prints would spend most of its time importing it.
"""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from kube.api.meta_v1 import Status
from kube.codec import DecodeError, decode
from kube.config import Access
from kube.errors import ApiError
from kube.tls import tls_context

CONNECT_TIMEOUT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 60.0
JSON: Final = "application/json"
TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

Query = Mapping[str, str]
Json = dict[str, Any]


class Unreachable(Exception):  # noqa: N818 - a fact about the world, not a fault.
    """No answer from the server; the message says from where and what would do."""


@dataclass(frozen=True)
class Answer:
    """What the server said to a request that it did not refuse."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Json:
        """Return the body as JSON."""
        found: Json = json.loads(self.body)
        return found

    @property
    def warnings(self) -> list[str]:
        """The texts of the Warning headers."""
        return [part.split('"')[1] for part in self.headers.get("Warning", "").split(", 299 ") if '"' in part]


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    query: Query
    body: bytes | None
    content_type: str
    accept: str


class Connection:
    """A connection to one API server, opened at the first request and kept. Raises ApiError and Unreachable."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._url = urlsplit(access.server)
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, query: Query | None = None, *, accept: str = JSON) -> Json:
        """Return the JSON at a path."""
        return self.request("GET", path, query=query, accept=accept).json()

    def send(self, method: str, path: str, body: Any, *, query: Query | None = None, content_type: str = JSON) -> Json:
        """Write JSON and return what the server made of it."""
        return self.request(method, path, query=query, body=json.dumps(body).encode(), content_type=content_type).json()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Answer:
        """Send one request and read its whole answer. A kept connection that the server has closed is opened again."""
        for attempt in (1, 2):
            request = _Request(method, path, query or {}, body, content_type, accept)
            response = self._respond(request, retry=attempt == 1)
            if response is not None:
                break
        assert response is not None
        answer = Answer(response.status, _joined_headers(response), response.read())
        _raise_refusal(answer)
        return answer

    @contextmanager
    def stream(
        self, path: str, query: Query | None = None, *, accept: str = JSON
    ) -> Iterator[http.client.HTTPResponse]:
        """Open an answer that comes bit by bit (a watch, a log), without a time limit."""
        self.close()
        response = self._respond(_Request("GET", path, query or {}, None, JSON, accept), retry=False)
        assert response is not None
        if response.status >= http.client.BAD_REQUEST:
            _raise_refusal(Answer(response.status, _joined_headers(response), response.read()))
        assert self._connection is not None
        if self._connection.sock is not None:
            self._connection.sock.settimeout(None)
        try:
            yield response
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _respond(self, request: "_Request", *, retry: bool) -> http.client.HTTPResponse | None:
        """Return the answer's head; None where a kept connection turned out to be closed and `retry` allows it."""
        kept = self._connection is not None
        headers = {"Accept": request.accept, "User-Agent": "wherry/0.1"}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        token = self.access.bearer_token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        target = self._url.path.rstrip("/") + request.path + (f"?{urlencode(request.query)}" if request.query else "")
        try:
            connection = self._opened()
            connection.request(request.method, target, request.body, headers)
            return connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            self.close()
            if kept and retry:
                return None
            raise Unreachable(f"{self.access.server}: the server closed the connection ({error})") from error
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(
                f"{self.access.server}: its certificate isn't from the authority in the kubeconfig "
                f"({error.verify_message}); write a new kubeconfig with `wherry kubeconfig`"
            ) from error
        except OSError as error:
            self.close()
            raise Unreachable(
                f"{self.access.server}: no answer ({error}); is the cluster up? `wherry up` starts one"
            ) from error

    def _opened(self) -> http.client.HTTPConnection:
        if self._connection is not None:
            return self._connection
        host = self._url.hostname or "localhost"
        if self._url.scheme == "http":
            self._connection = http.client.HTTPConnection(host, self._url.port or 80, timeout=CONNECT_TIMEOUT_S)
        else:
            context = tls_context(self.access)
            port = self._url.port or 443
            self._connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_TIMEOUT_S, context=context)
        self._connection.connect()
        self._connection.sock.settimeout(ANSWER_TIMEOUT_S)
        return self._connection


def _joined_headers(response: http.client.HTTPResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _raise_refusal(answer: Answer) -> None:
    if answer.status < http.client.BAD_REQUEST:
        return
    try:
        status = decode(answer.body, Status)
    except DecodeError:
        status = Status()
    if status.kind != "Status" or not status.message:
        said = answer.body.decode(errors="replace").strip()[:500] or http.client.responses.get(answer.status, "?")
        status = Status(status="Failure", code=answer.status, message=f"the server answered {answer.status}: {said}")
    raise ApiError(status)
