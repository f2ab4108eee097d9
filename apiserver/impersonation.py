"""Acting as somebody else: for a request that asks for it, by those who may.

Each part of whom a request wants to be taken for must be allowed: the name, each group, the uid, each extra value.
Source: kubernetes.io/docs/reference/access-authn-authz/user-impersonation
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from apiserver.authorization import Attributes
from apiserver.identity import ANONYMOUS, AUTHENTICATED, SERVICE_ACCOUNT_PREFIX, SERVICE_ACCOUNTS, UNAUTHENTICATED, User
from kube.errors import bad_request

USER: Final = "Impersonate-User"
GROUP: Final = "Impersonate-Group"
UID: Final = "Impersonate-Uid"
EXTRA: Final = "impersonate-extra-"
_AUTHENTICATION: Final = "authentication.k8s.io"


def impersonated(user: User, headers: CIMultiDictProxy[str], check: Callable[[Attributes], None]) -> User:
    """Return whom a request is to be taken for: `user` where it doesn't say. check: raises ApiError 403.

    Raises ApiError 400 for one that names no user: what it meant to give up must not be kept in silence.
    """
    if "\nimpersonate-" not in "\n".join(("", *headers)).lower():
        return user
    wanted = _wanted(headers)
    if not wanted.name:
        raise bad_request(f"the request impersonates without a user; name one with the header {USER}")
    for asked in _asked(user, wanted):
        check(asked)
    return replace(wanted, groups=_all_groups(wanted))


def _wanted(headers: CIMultiDictProxy[str]) -> User:
    extra: dict[str, tuple[str, ...]] = {}
    for name, value in headers.items():
        if name.lower().startswith(EXTRA):
            key = unquote(name[len(EXTRA) :].lower())
            extra[key] = (*extra.get(key, ()), value)
    return User(headers.get(USER, ""), tuple(headers.getall(GROUP, ())), headers.get(UID, ""), extra)


def _asked(user: User, wanted: User) -> Iterator[Attributes]:
    """Yield all that `user` must be allowed in order to be taken for `wanted`."""
    namespace, account = _account_of(wanted.name)
    if account:
        yield Attributes(user, "impersonate", "", "serviceaccounts", namespace=namespace, name=account)
    else:
        yield Attributes(user, "impersonate", "", "users", name=wanted.name)
    for group in wanted.groups:
        yield Attributes(user, "impersonate", "", "groups", name=group)
    if wanted.uid:
        yield Attributes(user, "impersonate", _AUTHENTICATION, "uids", name=wanted.uid)
    for key, values in wanted.extra.items():
        for value in values:
            yield Attributes(user, "impersonate", _AUTHENTICATION, "userextras", key, name=value)


def _account_of(name: str) -> tuple[str, str]:
    """Return the namespace and name of the service account that a user is, "" and "" for others."""
    if not name.startswith(SERVICE_ACCOUNT_PREFIX):
        return "", ""
    namespace, _, account = name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
    return (namespace, account) if namespace and account and ":" not in account else ("", "")


def _all_groups(wanted: User) -> tuple[str, ...]:
    """Return a user's groups with those that go without saying."""
    groups = wanted.groups
    namespace, account = _account_of(wanted.name)
    if account and not groups:
        groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}")
    known = UNAUTHENTICATED if wanted.name == ANONYMOUS.name else AUTHENTICATED
    return groups if known in groups or UNAUTHENTICATED in groups else (*groups, known)
