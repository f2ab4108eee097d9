"""Who asks this node something, and may they?

Keeps true: nobody is answered who shows neither a certificate of the cluster's authority nor a token that the API
server knows; the API server itself and the cluster's masters may do everything, all others what the API server says.
Asks with TokenReviews and SubjectAccessReviews, and remembers the answers for a while.
Source: kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz
"""

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from kube.api.authentication_v1 import TokenReview, TokenReviewSpec, UserInfo
from kube.api.authorization_v1 import ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec
from kube.client import Client, ConnectionLost
from kube.clock import Clock
from kube.errors import ApiError

API_SERVERS: Final = ("kube-apiserver", "kube-apiserver-kubelet-client")
MASTERS: Final = "system:masters"
AUTHENTICATED: Final = "system:authenticated"
TOKEN_KEPT_S: Final = 120.0
ALLOWED_KEPT_S: Final = 300.0
REFUSED_KEPT_S: Final = 30.0
KEPT_MAX: Final = 1000
_VERBS: Final = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SUBRESOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "configz": ("configz", "proxy"),
    "healthz": ("healthz", "proxy"),
    "metrics": ("metrics",),
    "pods": ("pods", "proxy"),
    "stats": ("stats",),
}
"""What a door is called in rules, where it isn't "proxy"; any of them will do."""
_RUNNING: Final = ("attach", "exec", "portForward")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request wants of the node, as rules name it."""

    verb: str
    subresources: tuple[str, ...]


def wanted(method: str, path: str) -> Wanted:
    """Return what a request wants. Whoever may only look must not run anything, so that counts as creating."""
    door = path.strip("/").partition("/")[0]
    verb = "create" if door in _RUNNING else _VERBS.get(method, "")
    return Wanted(verb, _SUBRESOURCES.get(door, ("proxy",)))


class _Remembered:
    """Answers, each for as long as it holds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    def get(self, question: Hashable) -> Any:
        """Return the answer, None where there is none that still holds."""
        until_s, answer = self._answers.get(question, (0.0, None))
        return answer if until_s > self._clock.monotonic_s() else None

    def keep(self, question: Hashable, answer: Any, seconds: float) -> None:
        """Remember an answer; the oldest goes where there are too many."""
        self._answers.pop(question, None)
        self._answers[question] = (self._clock.monotonic_s() + seconds, answer)
        if len(self._answers) > KEPT_MAX:
            del self._answers[next(iter(self._answers))]


class Access:
    """Decides for one node."""

    def __init__(self, node: str, client: Client, clock: Clock) -> None:
        self._node = node
        self._client = client
        self._tokens = _Remembered(clock)
        self._verdicts = _Remembered(clock)

    async def refusal(
        self, method: str, path: str, authorization: str, certificate: Mapping[str, Any] | None
    ) -> web.Response | None:
        """Return the answer to somebody who may not, None for who may.

        authorization: the header. certificate: that of the connection, already found to be the authority's.
        """
        try:
            user = user_of_certificate(certificate) or await self._user_of_token(authorization)
            if user is None:
                return web.Response(status=401, text="Unauthorized")
            asked = wanted(method, path)
            if is_trusted(user) or await self._may(user, asked):
                return None
        except (ApiError, ConnectionLost) as error:
            return web.Response(status=500, text=f"Authorization error: the API server gives no answer: {error}\n")
        told = f"user={user.username}, verb={asked.verb}, resource=nodes, subresource(s)={list(asked.subresources)}"
        return web.Response(status=403, text=f"Forbidden ({told})\n")

    async def _user_of_token(self, authorization: str) -> UserInfo | None:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return None
        mark = hashlib.sha256(token.encode()).digest()
        known: UserInfo | None = self._tokens.get(mark)
        if known is None:
            review = await self._client.create(TokenReview(spec=TokenReviewSpec(token=token)))
            if not review.status.authenticated:
                return None
            known = review.status.user
            self._tokens.keep(mark, known, TOKEN_KEPT_S)
        return known

    async def _may(self, user: UserInfo, asked: Wanted) -> bool:
        question = (user.username, user.groups, asked)
        known: bool | None = self._verdicts.get(question)
        if known is None:
            known = await self._ask(user, asked)
            self._verdicts.keep(question, known, ALLOWED_KEPT_S if known else REFUSED_KEPT_S)
        return known

    async def _ask(self, user: UserInfo, asked: Wanted) -> bool:
        for subresource in asked.subresources:
            about = ResourceAttributes(
                verb=asked.verb, version="v1", resource="nodes", subresource=subresource, name=self._node
            )
            spec = SubjectAccessReviewSpec(
                user=user.username, uid=user.uid, groups=user.groups, extra=user.extra, resource_attributes=about
            )
            if (await self._client.create(SubjectAccessReview(spec=spec))).status.allowed:
                return True
        return False


def is_trusted(user: UserInfo) -> bool:
    """Say whether the user may do everything, so that nobody has to be asked."""
    return user.username in API_SERVERS or MASTERS in user.groups


def user_of_certificate(held: Mapping[str, Any] | None) -> UserInfo | None:
    """Return who showed a certificate of the cluster's authority, None where nobody did."""
    pairs = [pair for group in (held or {}).get("subject", ()) for pair in group]
    name = next((value for key, value in pairs if key == "commonName"), "")
    if not name:
        return None
    groups = tuple(value for key, value in pairs if key == "organizationName")
    return UserInfo(username=name, groups=(*groups, AUTHENTICATED))
