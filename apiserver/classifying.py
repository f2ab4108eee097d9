"""Which flow schema a request belongs to, told in two headers of its answer.

Decided by precedence, subjects and rules, once for each kind of request by each user; forgotten when a FlowSchema or a
priority level changes. This server doesn't queue by them, but clients and their authors look there for who they are.
Source: kubernetes.io/docs/concepts/cluster-administration/flow-control, the sections on FlowSchemas and diagnostics
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from apiserver.cache import Cache
from apiserver.identity import SERVICE_ACCOUNT_PREFIX, User
from apiserver.options import Query
from apiserver.paths import Target
from apiserver.reading import CachedObjects
from kube.api.flowcontrol_v1 import (
    FlowSchema,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    PriorityLevelConfiguration,
    ResourcePolicyRule,
    Subject,
)
from kube.kinds import kind_of

KEPT_MAX: Final = 4096
KEPT_PATH_MAX: Final = 300
_ALL: Final = "*"
_VERBS: Final = {"HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OF_ALL: Final = {"GET": "list", "DELETE": "deletecollection"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What rules look at. resource: with its subresource, "" for a path that is none's. namespace "": none, or all."""

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    path: str = ""


class Flows:
    """The flow schemas as they are in the cache."""

    def __init__(self, cache: Cache, objects: CachedObjects) -> None:
        self._cache = cache
        self._objects = objects
        self._kinds = (kind_of(FlowSchema), kind_of(PriorityLevelConfiguration))
        self._seen: Sequence[tuple[object, int]] = ()
        self._revision = -1
        self._told: dict[tuple[object, ...], bytes] = {}

    def headers(self, user: User, method: str, target: Target | None, path: str, *, watches: bool) -> bytes:
        """Return the lines of an answer's head that tell its request's schema and level, b"" where it has none."""
        if self._cache.revision != self._revision:
            self._forget_outdated()
        verb = verb_of(method, target, watches=watches)
        if target is None:
            key: tuple[object, ...] = (user.name, user.groups, verb, path)
        else:
            kind = target.kind
            key = (user.name, user.groups, verb, kind.group, kind.plural, target.subresource, _namespace_of(target))
        told = self._told.get(key)
        return self._decided(key, asked_of(user, verb, target, path)) if told is None else told

    def _decided(self, key: tuple[object, ...], asked: Asked) -> bytes:
        """Decide, and keep it for the next of the kind; long paths would let a stranger fill the memory."""
        told = self._decide(asked)
        if len(self._told) >= KEPT_MAX:
            self._told.clear()
        if len(asked.path) <= KEPT_PATH_MAX:
            self._told[key] = told
        return told

    def _forget_outdated(self) -> None:
        self._revision = self._cache.revision
        shelves = [self._cache.shelf(kind) for kind in self._kinds]
        seen = [(shelf, shelf.revision) for shelf in shelves]
        if seen != self._seen:
            self._seen = seen
            self._told.clear()

    def _decide(self, asked: Asked) -> bytes:
        levels = {level.metadata.name: level for level in self._objects.all(PriorityLevelConfiguration)}
        schema = schema_for(asked, self._objects.all(FlowSchema), levels)
        if schema is None:
            return b""
        level = levels[schema.spec.priority_level_configuration.name]
        lines = (
            f"X-Kubernetes-PF-FlowSchema-UID: {schema.metadata.uid}",
            f"X-Kubernetes-PF-PriorityLevel-UID: {level.metadata.uid}",
        )
        return "".join(f"{line}\r\n" for line in lines).encode()


def asks_to_watch(query: Query, target: Target | None) -> bool:
    """Say whether a request is for a watch, by its query or by the older form of its path."""
    asked = query.get("watch")
    return bool(target and target.is_watched) or (asked is not None and asked[0] not in ("false", "0"))


def verb_of(method: str, target: Target | None, *, watches: bool) -> str:
    """Return what is done, as rules name it."""
    if target is None:
        return method.lower()
    if not target.name and method in _OF_ALL:
        return "watch" if watches and method == "GET" else _OF_ALL[method]
    return "watch" if watches and method == "GET" else _VERBS.get(method, method.lower())


def _namespace_of(target: Target) -> str:
    return target.name if target.kind.kind == "Namespace" else target.namespace


def asked_of(user: User, verb: str, target: Target | None, path: str) -> Asked:
    """Return what rules look at in a request."""
    if target is None:
        return Asked(user, verb, path=path)
    kind = target.kind
    resource = f"{kind.plural}/{target.subresource}" if target.subresource else kind.plural
    return Asked(user, verb, kind.group, resource, _namespace_of(target))


def schema_for(asked: Asked, schemas: Iterable[FlowSchema], levels: Container[str]) -> FlowSchema | None:
    """Return the schema that a request belongs to: the first that matches and whose level exists."""
    order = sorted(schemas, key=lambda schema: (schema.spec.matching_precedence, schema.metadata.name))
    known = (schema for schema in order if schema.spec.priority_level_configuration.name in levels)
    return next((schema for schema in known if any(_matches(rule, asked) for rule in schema.spec.rules)), None)


def _matches(rule: PolicyRulesWithSubjects, asked: Asked) -> bool:
    if not any(_is_about(subject, asked.user) for subject in rule.subjects):
        return False
    if asked.resource:
        return any(_is_of(each, asked) for each in rule.resource_rules)
    return any(_is_at(each, asked) for each in rule.non_resource_rules)


def _is_about(subject: Subject, user: User) -> bool:
    if subject.user is not None:
        return subject.user.name in (_ALL, user.name)
    if subject.group is not None:
        return subject.group.name == _ALL or subject.group.name in user.groups
    account = subject.service_account
    if account is None:
        return False
    prefix = f"{SERVICE_ACCOUNT_PREFIX}{account.namespace}:"
    return user.name.startswith(prefix) if account.name == _ALL else user.name == prefix + account.name


def _is_of(rule: ResourcePolicyRule, asked: Asked) -> bool:
    if not (_has(rule.verbs, asked.verb) and _has(rule.resources, asked.resource)):
        return False
    is_in_scope = _has(rule.namespaces, asked.namespace) if asked.namespace else rule.cluster_scope
    return _has(rule.api_groups, asked.group) and is_in_scope


def _is_at(rule: NonResourcePolicyRule, asked: Asked) -> bool:
    return _has(rule.verbs, asked.verb) and any(_covers(url, asked.path) for url in rule.non_resource_urls)


def _covers(url: str, path: str) -> bool:
    return url in (_ALL, path) or (url.endswith("/*") and path.startswith(url[:-1]))


def _has(choices: Sequence[str], value: str) -> bool:
    return value in choices or _ALL in choices
