"""Tell clients what is served: the aggregated documents that kubectl reads, and the older ones beside them.

Made once from the table of kinds, kept as bytes. Source: kubernetes.io/docs/concepts/overview/kubernetes-api,
the section on discovery; apidiscovery.k8s.io/v2.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Final

from apiserver.accepting import JSON, accepted, alternatives
from apiserver.documents import Document
from apiserver.groups import groups, versions_of
from apiserver.versions import stored_kind
from kube.codec import encode
from kube.kinds import KINDS, Kind, Subresource

_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
_VERSIONS: Final = ("v2", "v2beta1")
_HEADERS: Final = {"Vary": "Accept", "Cache-Control": "public"}


def find(path: str, accept: str) -> Document | None:
    """Return the discovery document at a path in the form that a client prefers, None where there is none.

    Raises ApiError 406.
    """
    path = path.rstrip("/")
    version = aggregated_version(accept) if path in ("/api", "/apis") else ""
    if version:
        return _aggregated(path, version)
    found = _legacy(path)
    if found is not None:
        accepted(accept)
    return found


def is_below_group(path: str) -> bool:
    """Say whether a path lies below that of a group which is served, whatever follows."""
    match path.strip("/").split("/"):
        case ["api", *_]:
            return True
        case ["apis", group, *_]:
            return group in groups()
    return False


@lru_cache(maxsize=256)
def aggregated_version(accept: str) -> str:
    """Return the version of the aggregated form that an Accept header prefers, "" for the older form."""
    for part in alternatives(accept):
        if part.media_type not in (JSON, "*/*"):
            continue
        if not part.kind:
            return ""
        if part.kind == "APIGroupDiscoveryList" and part.version in _VERSIONS:
            return part.version
    return ""


@cache
def paths() -> tuple[str, ...]:
    """Return the paths of all discovery documents."""
    versions = {kind.root for kind in KINDS}
    return tuple(sorted({"/api", "/apis", *versions, *(f"/apis/{group}" for group in groups() if group)}))


def _document(content: Mapping[str, Any], content_type: str = "application/json") -> Document:
    body = encode(content)
    etag = f'"{hashlib.sha256(body).hexdigest().upper()}"'
    return Document(body, content_type, etag, _HEADERS)


@cache
def _aggregated(path: str, version: str) -> Document:
    told = [group for group in groups() if (group == "") == (path == "/api")]
    content = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [_aggregated_group(group) for group in told],
    }
    return _document(content, _AGGREGATED.format(version=version))


def _aggregated_group(group: str) -> dict[str, Any]:
    versions = [
        {
            "version": version,
            "resources": [_aggregated_resource(kind) for kind in _kinds(group, version)],
            "freshness": "Current",
        }
        for version in versions_of(group)
    ]
    return {"metadata": {"name": group} if group else {}, "versions": versions}


def _aggregated_resource(kind: Kind) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": kind.verbs,
    }
    if kind.short_names:
        resource["shortNames"] = kind.short_names
    if kind.categories:
        resource["categories"] = kind.categories
    subresources = [
        {
            "subresource": subresource.name,
            "responseKind": {
                "group": subresource.group or kind.group,
                "version": subresource.version or kind.version,
                "kind": subresource.kind,
            },
            "verbs": subresource.verbs,
        }
        for subresource in _subresources(kind)
    ]
    return {**resource, "subresources": subresources} if subresources else resource


@cache
def _legacy(path: str) -> Document | None:
    parts = path.strip("/").split("/")
    match parts:
        case ["api"]:
            addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}]
            versions = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}
            return _document(versions)
        case ["apis"]:
            told = [_legacy_group(group) for group in groups() if group]
            return _document({"kind": "APIGroupList", "apiVersion": "v1", "groups": told})
        case ["api", version] if _kinds("", version):
            return _document(_resource_list("", version))
        case ["apis", group] if group in groups():
            return _document({"kind": "APIGroup", "apiVersion": "v1", **_legacy_group(group)})
        case ["apis", group, version] if _kinds(group, version):
            return _document(_resource_list(group, version))
    return None


def _legacy_group(group: str) -> dict[str, Any]:
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions_of(group)]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _resource_list(group: str, version: str) -> dict[str, Any]:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [resource for kind in _kinds(group, version) for resource in _legacy_resources(kind)],
    }


def _legacy_resources(kind: Kind) -> Iterator[dict[str, Any]]:
    """Yield a kind's entry and those of its subresources, which stand beside it in this form."""
    resource: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": kind.verbs,
    }
    if kind.short_names:
        resource["shortNames"] = kind.short_names
    if kind.categories:
        resource["categories"] = kind.categories
    if "watch" in kind.verbs:
        resource["storageVersionHash"] = _storage_hash(stored_kind(kind))
    yield resource
    for subresource in _subresources(kind):
        entry: dict[str, Any] = {
            "name": f"{kind.plural}/{subresource.name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": subresource.kind,
            "verbs": subresource.verbs,
        }
        if subresource.group:
            entry |= {"group": subresource.group, "version": subresource.version}
        yield entry


def _storage_hash(stored: Kind) -> str:
    """Return what changes when objects are stored in another version, as clients that migrate them compare it."""
    text = f"{stored.group}/{stored.version}/{stored.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def _subresources(kind: Kind) -> Iterator[Subresource]:
    for name in kind.subresources:
        found = kind.subresource(name)
        if found is not None:
            yield found


@cache
def _kinds(group: str, version: str) -> tuple[Kind, ...]:
    return tuple(_in(KINDS, group, version))


def _in(kinds: Iterable[Kind], group: str, version: str) -> Iterator[Kind]:
    return (kind for kind in kinds if (kind.group, kind.version) == (group, version))
