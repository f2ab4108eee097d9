"""The grammar of the API's paths: which kind, namespace, object and subresource a request is about.

    /api/v1/... and /apis/GROUP/VERSION/... followed by
    PLURAL[/NAME[/SUBRESOURCE[/TAIL]]]                        without namespaces, or in all of them
    namespaces/NAMESPACE/PLURAL[/NAME[/SUBRESOURCE[/TAIL]]]   in one namespace
    watch/...                                                 either of them: the older way to ask for a watch
Source: kubernetes.io/docs/reference/using-api/api-concepts, section on resource URIs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from kube.kinds import Kind, find_resource


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names. namespace "": none, or all; name "": the collection.

    is_watched: the path itself asks for a watch.
    """

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    is_watched: bool = False


KEPT_MAX_BYTES: Final = 300


def parse_path(path: str) -> Target | None:
    """Return what a path (without query) names, None where it is no path of a resource that is served.

    The answers for paths of the usual length are kept; long ones would let a stranger fill the memory with them.
    """
    return _parse_kept(path) if len(path) <= KEPT_MAX_BYTES else _parse(path)


@lru_cache(maxsize=16384)
def _parse_kept(path: str) -> Target | None:
    return _parse(path)


def _parse(path: str) -> Target | None:
    parts = path.split("/")
    if len(parts) < 4 or parts[0]:
        return None
    if not parts[-1]:
        parts.pop()
    if "%" in path:
        parts = [unquote(part) for part in parts]
    match parts[1:]:
        case ["api", version, *rest] if rest:
            return _parse_rest("", version, rest)
        case ["apis", group, version, *rest] if rest and group:
            return _parse_rest(group, version, rest)
    return None


def _parse_rest(group: str, version: str, rest: Sequence[str]) -> Target | None:
    if not all(rest[: rest.index("proxy")] if "proxy" in rest else rest):
        return None
    if rest[0] == "watch" and len(rest) > 1 and rest[1] != "watch":
        watched = _parse_rest(group, version, rest[1:])
        return replace(watched, is_watched=True) if watched is not None and not watched.subresource else None
    if rest[0] == "namespaces" and len(rest) >= 3:
        inner = find_resource(group, version, rest[2])
        if inner is not None and inner.namespaced:
            return _target(inner, rest[1], rest[3:])
    kind = find_resource(group, version, rest[0])
    if kind is None or (kind.namespaced and (len(rest) > 1 or "list" not in kind.verbs)):
        return None  # What can't be listed isn't there in all namespaces at once.
    return _target(kind, "", rest[1:])


def _target(kind: Kind, namespace: str, names: Sequence[str]) -> Target | None:
    if any(part in (".", "..") or "/" in part for part in (namespace, *names[:2])):
        return None  # No object is called so, and whoever reads such a path later may take it for another.
    match names:
        case []:
            return Target(kind, namespace)
        case [name]:
            return Target(kind, namespace, name)
        case [name, subresource, *tail]:
            if subresource not in kind.subresources or (tail and subresource != "proxy"):
                return None
            return Target(kind, namespace, name, subresource)
    return None
