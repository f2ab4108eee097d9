"""Find out who makes a request: by client certificate, by bearer token, or nobody in particular.

A certificate's common name is the user, its organizations are the groups. Tokens are those of a table (a CSV file:
token,user,uid,"group1,group2"), bootstrap tokens (Secrets in kube-system) and service account tokens signed here.
A credential that doesn't hold is refused (401), never taken for nobody's.
Source: kubernetes.io/docs/reference/access-authn-authz/authentication, .../bootstrap-tokens
"""

import csv
import hmac
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from apiserver.identity import (
    AUTHENTICATED,
    SERVICE_ACCOUNT_PREFIX,
    SERVICE_ACCOUNTS,
    User,
)
from apiserver.strategy import Reader
from apiserver.tokens import AUDIENCES, Claims, TokenError, TokenKeeper
from kube.api.core_v1 import Node, Pod, Secret, ServiceAccount
from kube.api.meta_v1 import ObjectMeta
from kube.errors import unauthorized
from kube.kinds import Resource
from kube.times import parse_time

BOOTSTRAP_TOKEN: Final = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
BOOTSTRAPPERS: Final = "system:bootstrappers"
BOOTSTRAP_GROUP: Final = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


DELETION_LEEWAY: Final = timedelta(seconds=60)
"""How long a token holds after the moment at which its pod, or whatever it is bound to, was to be gone."""


class Authenticator:
    """Knows the tokens; certificates are checked by TLS before they get here."""

    def __init__(self, objects: Reader, keeper: TokenKeeper, table: Mapping[str, User]) -> None:
        """table: the users of fixed tokens."""
        self._objects = objects
        self._keeper = keeper
        self._table = table

    def user_of(self, authorization: str, now: datetime) -> User | None:
        """Return whom an Authorization header speaks for, None for an empty one. Raises ApiError 401."""
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise unauthorized()
        try:
            return self.holder_of(token, now, AUDIENCES)[0]
        except TokenError as error:
            raise unauthorized() from error

    def holder_of(self, token: str, now: datetime, audiences: Sequence[str]) -> tuple[User, tuple[str, ...]]:
        """Return whom a token speaks for, and for which of some audiences it is meant. Raises TokenError."""
        user = self._table.get(token) or self._of_bootstrap(token, now)
        if user is not None:
            return user, _common(AUDIENCES, audiences)
        claims = self._keeper.check(token, now)
        meant = _common(claims.audiences, audiences)
        self._check_bound(claims, now)
        return account_user(claims), meant

    def _check_bound(self, claims: Claims, now: datetime) -> None:
        account = self._objects.get(ServiceAccount, claims.account.name, claims.namespace)
        if account is None or account.metadata.uid != claims.account.uid or _is_past(account.metadata, now):
            raise TokenError("the token's service account is gone")
        if not claims.bound_kind:
            return
        found: Resource | None
        match claims.bound_kind:
            case "Pod":
                found = self._objects.get(Pod, claims.bound.name, claims.namespace)
            case "Secret":
                found = self._objects.get(Secret, claims.bound.name, claims.namespace)
            case _:
                found = self._objects.get(Node, claims.bound.name)
        if found is None or found.metadata.uid != claims.bound.uid or _is_past(found.metadata, now):
            raise TokenError(f"the {claims.bound_kind} that the token is bound to is gone")

    def _of_bootstrap(self, token: str, now: datetime) -> User | None:
        match = BOOTSTRAP_TOKEN.fullmatch(token)
        secret = self._objects.get(Secret, f"bootstrap-token-{match[1]}", "kube-system") if match else None
        if match is None or secret is None or secret.type != "bootstrap.kubernetes.io/token":
            return None
        told = {key: value.decode(errors="replace") for key, value in secret.data.items()}
        if not hmac.compare_digest(told.get("token-secret", "").encode(), match[2].encode()):
            return None
        if told.get("usage-bootstrap-authentication") != "true" or secret.metadata.deletion_timestamp:
            return None
        extra = tuple(group.strip() for group in told.get("auth-extra-groups", "").split(",") if group.strip())
        if told.get("token-id") != match[1] or not all(map(BOOTSTRAP_GROUP.fullmatch, extra)):
            return None
        if told.get("expiration") and _is_over(told["expiration"], now):
            return None
        return User(f"system:bootstrap:{match[1]}", (BOOTSTRAPPERS, *extra, AUTHENTICATED))


def _common(meant: Iterable[str], audiences: Sequence[str]) -> tuple[str, ...]:
    """Return for which of some audiences a token is meant. Raises TokenError where that is none."""
    found = tuple(audience for audience in meant if audience in audiences)
    if not found:
        raise TokenError("token is meant for another audience")
    return found


def _is_past(meta: ObjectMeta, now: datetime) -> bool:
    """Say whether an object should be gone by now, though something keeps it: it vouches for nobody any more."""
    return meta.deletion_timestamp is not None and parse_time(meta.deletion_timestamp) + DELETION_LEEWAY < now


def _is_over(expiration: str, now: datetime) -> bool:
    """Say whether a moment has come; one that can't be read has."""
    try:
        return parse_time(expiration) <= now
    except ValueError:
        return True


def account_user(claims: Claims) -> User:
    """Return the service account that a token's claims name, as a user."""
    namespace = claims.namespace
    extra = {"authentication.kubernetes.io/credential-id": (f"JTI={claims.token_id}",)} if claims.token_id else {}
    if claims.bound_kind == "Pod":
        extra["authentication.kubernetes.io/pod-name"] = (claims.bound.name,)
        extra["authentication.kubernetes.io/pod-uid"] = (claims.bound.uid,)
    if claims.node.name:
        extra["authentication.kubernetes.io/node-name"] = (claims.node.name,)
        extra["authentication.kubernetes.io/node-uid"] = (claims.node.uid,)
    groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)
    return User(f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{claims.account.name}", groups, claims.account.uid, extra)


def user_of_certificate(certificate: Mapping[str, Any] | None) -> User | None:
    """Return whom a verified client certificate names, None where there is none. certificate: as ssl decodes it."""
    if not certificate:
        return None
    parts = [pair for relative in certificate.get("subject", ()) for pair in relative]
    name = next((value for key, value in parts if key == "commonName"), "")
    if not name:
        return None
    groups = tuple(value for key, value in parts if key == "organizationName")
    return User(name, (*groups, AUTHENTICATED))


def certificate_end(certificate: Mapping[str, Any] | None) -> datetime | None:
    """Return until when a certificate holds, None where there is none. certificate: as ssl decodes it."""
    if not certificate:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


def read_token_table(path: Path) -> dict[str, User]:
    """Return the users of a token file. Raises ValueError for a line that can't be."""
    table = {}
    for number, row in enumerate(csv.reader(path.read_text().splitlines()), 1):
        if not row or row[0].startswith("#"):
            continue
        if len(row) < 3 or not row[0] or not row[1]:
            raise ValueError(f'{path}:{number}: is no token; a line has token,user,uid and perhaps "group1,group2"')
        groups = tuple(group.strip() for group in row[3].split(",") if group.strip()) if len(row) > 3 else ()
        table[row[0].strip()] = User(row[1].strip(), (*groups, AUTHENTICATED), row[2].strip())
    return table
