"""Ask a container over HTTP, for a probe or a hook.

Keeps true: a redirect is followed within the host that was asked, never to another.
Talks to the pod's address.
Source: kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes (HTTP probes).
"""

import asyncio
from typing import Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from kube.api.core_v1 import Container, HTTPGetAction
from nodeagent.pods.checks import SEEN_BYTES_MAX, Outcome, port_of

REDIRECTS_MAX: Final = 10
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_TOLD: Final = ("User-Agent", "Accept", "Accept-Encoding")
"""The headers that aiohttp would add of its own accord."""


async def check_http(
    action: HTTPGetAction, container: Container, ip: str, timeout_s: float, purpose: str = "probe"
) -> Outcome:
    """Ask a URL; any answer from 200 to 399 is good, though a redirect that leads elsewhere is warned of.

    purpose: as the container sees it in User-Agent, "probe" or "lifecycle".
    """
    try:
        url = _url(action, container, ip)
        async with (
            asyncio.timeout(timeout_s),
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False), skip_auto_headers=_TOLD) as session,
        ):
            return await _follow(session, url, _headers(action, purpose))
    except TimeoutError:
        return Outcome(False, f"Get {url}: no answer within {timeout_s:g}s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(False, f"HTTP probe: {error}")


async def _follow(session: aiohttp.ClientSession, url: URL, headers: CIMultiDict[str]) -> Outcome:
    host = url.host
    for _ in range(REDIRECTS_MAX):
        async with session.get(url, headers=headers, allow_redirects=False) as answer:
            body = await answer.content.read(SEEN_BYTES_MAX)
            location = answer.headers.get("Location", "")
            if answer.status in _REDIRECTS and location and (target := url.join(URL(location))).host == host:
                url = target
                continue
            return _judged(answer.status, body)
    return Outcome(False, f"Get {url}: stopped after {REDIRECTS_MAX} redirects")


def _judged(status: int, body: bytes) -> Outcome:
    if not 200 <= status < 400:
        return Outcome(False, f"HTTP probe failed with statuscode: {status}")
    if status < 300:
        return Outcome(True, f"HTTP {status}")
    told = body.decode(errors="replace")
    return Outcome(True, f"Probe terminated redirects, Response body: {told}", is_warning=True)


def _url(action: HTTPGetAction, container: Container, ip: str) -> URL:
    host, path = action.host or ip, action.path
    netloc = f"[{host}]" if ":" in host else host
    slash = "" if path.startswith("/") else "/"
    return URL(f"{(action.scheme or 'HTTP').lower()}://{netloc}:{port_of(action.port, container)}{slash}{path}")


def _headers(action: HTTPGetAction, purpose: str) -> CIMultiDict[str]:
    """Return what is asked with: a header may be given several times, and an empty one leaves out what is usual."""
    headers = CIMultiDict((header.name, header.value) for header in action.http_headers)
    for name, usual in (("User-Agent", f"kube-{purpose}/1.36"), ("Accept", "*/*")):
        if not headers.setdefault(name, usual):
            del headers[name]
    return headers
