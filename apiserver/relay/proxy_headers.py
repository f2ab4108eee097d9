"""Which headers go through the proxy, each way.

Keeps true: what names the caller to this server (tokens, impersonation) never reaches what is proxied; what concerns
one connection alone (RFC 9110, section 7.6.1) ends at it.
Source: Kubernetes' proxy transport; RFC 9110.
"""

from collections.abc import Iterable, Sequence
from typing import Final

Pairs = Iterable[tuple[str, str]]
Headers = list[tuple[str, str]]

_HOPS: Final = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    )
)
_CALLER: Final = frozenset(("authorization", "expect", "x-forwarded-for", "x-forwarded-uri"))
_CALLER_PREFIXES: Final = ("impersonate-", "x-remote-")
_CROSS_ORIGIN: Final = frozenset(
    f"access-control-allow-{name}" for name in ("credentials", "headers", "methods", "origin")
)


def is_upgrade(headers: Pairs) -> bool:
    """Return whether a request wants another protocol."""
    return any(name.lower() == "connection" and "upgrade" in value.lower() for name, value in headers)


def to_server(headers: Sequence[tuple[str, str]], client_ip: str, uri: str, *, upgrades: bool) -> Headers:
    """Return a request's headers for the server behind the proxy. uri: the path by which the client came."""
    left_out = _CALLER | (frozenset() if upgrades else _hops_of(headers))
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in left_out and not name.lower().startswith(_CALLER_PREFIXES)
    ]
    before = [value for name, value in headers if name.lower() == "x-forwarded-for"]
    return [*kept, ("X-Forwarded-For", ", ".join([*before, client_ip])), ("X-Forwarded-Uri", uri)]


def to_client(headers: Sequence[tuple[str, str]]) -> Headers:
    """Return an answer's headers for the client."""
    left_out = _hops_of(headers) | _CROSS_ORIGIN
    return [(name, value) for name, value in headers if name.lower() not in left_out]


def value_of(headers: Pairs, wanted: str) -> str:
    """Return the first value of a header, "" where there is none. wanted: in lower case."""
    return next((value for name, value in headers if name.lower() == wanted), "")


def _hops_of(headers: Pairs) -> frozenset[str]:
    named = (value for name, value in headers if name.lower() == "connection")
    return _HOPS | {word.strip().lower() for value in named for word in value.split(",")}
