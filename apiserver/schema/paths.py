"""The paths of a group version in OpenAPI v3, each with what can be done there: one operation for each method.

An operation's name is Kubernetes' own, since clients that are made from the document have it in theirs; of the answers
only the one that carries something is described.
Source: spec.openapis.org/oas/v3.0.3#paths-object; the published documents of Kubernetes 1.36 for names and parameters
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from apiserver.schema.schemas import WATCH_EVENT, Schema, list_type, schema_name
from apiserver.strategies import strategy_of
from apiserver.versions import stored_kind
from kube.api.meta_v1 import DeleteOptions, Status
from kube.kinds import Kind, Subresource

Item = dict[str, Any]

PATCH_TYPES: Final = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_LISTING: Final = {
    "allowWatchBookmarks": "boolean",
    "continue": "string",
    "fieldSelector": "string",
    "labelSelector": "string",
    "limit": "integer",
    "resourceVersion": "string",
    "resourceVersionMatch": "string",
    "sendInitialEvents": "boolean",
    "timeoutSeconds": "integer",
    "watch": "boolean",
}
"""What the list of a kind can be asked with, and the type of each."""
_DELETING: Final = {
    "dryRun": "string",
    "gracePeriodSeconds": "integer",
    "orphanDependents": "boolean",
    "propagationPolicy": "string",
}
_STREAMS: Final = {
    "container": "string",
    "stderr": "boolean",
    "stdin": "boolean",
    "stdout": "boolean",
    "tty": "boolean",
}
_CONNECTING: Final[Mapping[str, Mapping[str, str]]] = {
    "attach": _STREAMS,
    "exec": {"command": "string", **_STREAMS},
    "portforward": {"ports": "integer"},
    "proxy": {"path": "string"},
}
"""The subresources that lead elsewhere, and what they can be asked with."""
_LOG: Final = {
    "container": "string",
    "follow": "boolean",
    "limitBytes": "integer",
    "previous": "boolean",
    "sinceSeconds": "integer",
    "stream": "string",
    "tailLines": "integer",
    "timestamps": "boolean",
}
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")
_FIELD_VALIDATION: Final = "How fields that the type doesn't have are treated: Ignore, Warn or Strict."


@dataclass(frozen=True)
class Place:
    """Where operations are. kind: of the path; scope: how a name tells that a path lies in a namespace."""

    kind: Kind
    scope: str
    subresource: str = ""

    def operation(self, word: str, action: str, answer: Schema, of: Kind | None = None, ending: str = "") -> Item:
        """Return an operation. word: what its name begins with. of: the kind it takes or gives, if that is another."""
        kind, of = self.kind, of or self.kind
        words = word.split(" ")
        title = f"{group_words(kind.group)[:1].upper()}{group_words(kind.group)[1:]}{kind.version.title()}"
        name = f"{words[0]}{title}{''.join(words[1:])}{self.scope}{kind.kind}{_joined(self.subresource)}{ending}"
        return {
            "operationId": name,
            "tags": [f"{group_words(kind.group)}_{kind.version}"],
            "responses": {"200": {"description": "OK", **answer}, "401": {"description": "Unauthorized"}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk(of),
        }


def group_words(group: str) -> str:
    """Return a group as names have it: "core", "apps", "rbacAuthorization"."""
    first, *rest = (group.removesuffix(".k8s.io") or "core").split(".")
    return first + "".join(part.title() for part in rest)


def _joined(subresource: str) -> str:
    """Return a subresource as names have it: "Status", "Ephemeralcontainers"."""
    return "".join(part[:1].upper() + part[1:] for part in subresource.split("/"))


def gvk(kind: Kind) -> dict[str, str]:
    """Return a kind's group, version and kind as OpenAPI documents have them."""
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def paths_of(root: str, kinds: Iterable[Kind]) -> Iterator[tuple[str, Item]]:
    """Yield the paths of a group version and what is there. root: "/apis/apps/v1"."""
    found = list(kinds)
    place = replace(Place(found[0], ""), kind=replace(found[0], kind=""))
    resources = place.operation("get", "", {"content": {"application/json": {"schema": {"type": "object"}}}}, None)
    shown = {key: part for key, part in resources.items() if not key.startswith("x-")}
    yield f"{root}/", {"get": {**shown, "operationId": f"{resources['operationId']}APIResources"}}
    for kind in found:
        yield from _paths(kind)


def extra_types(kinds: Iterable[Kind]) -> Iterator[type]:
    """Yield the types that the paths speak of beside the kinds themselves."""
    yield from (DeleteOptions, Status)
    for kind in kinds:
        for subresource in _subresources(kind):
            if subresource.name not in _CONNECTING:
                yield _kind_of(kind, subresource).type


def _paths(kind: Kind) -> Iterator[tuple[str, Item]]:
    """Yield the paths of a kind: of its collections, one object, its subresources, and the older ones to watch."""
    at = kind.path("{namespace}")
    place = Place(kind, "Namespaced" if kind.namespaced else "")
    namespace = [_parameter("namespace", "path")] if kind.namespaced else []
    yield at, {**_at_collection(place), "parameters": [*namespace, _PRETTY]}
    if "get" in kind.verbs:
        named = [_parameter("name", "path"), *namespace]
        yield f"{at}/{{name}}", {**_at_object(place), "parameters": [*named, _PRETTY]}
        for subresource in _subresources(kind):
            yield from _at_subresource(f"{at}/{{name}}", place, subresource, named)
    if "list" in kind.verbs and kind.namespaced:
        everywhere = _list(Place(kind, ""), "ForAllNamespaces")
        parameters = everywhere.pop("parameters")
        yield kind.path(), {"get": everywhere, "parameters": [*parameters, _PRETTY]}
    if "watch" in kind.verbs:
        yield from _watches(kind, place, namespace)


def _at_collection(place: Place) -> Item:
    verbs, found = place.kind.verbs, {}
    if "list" in verbs:
        found["get"] = _list(place)
    if "create" in verbs:
        found["post"] = _writing(place, "create", "post", place.kind)
    if "deletecollection" in verbs:
        operation = place.operation("delete Collection", "deletecollection", _answer(schema_name(Status)))
        asked = {key: of for key, of in _LISTING.items() if key not in ("allowWatchBookmarks", "watch")}
        found["delete"] = operation | {"parameters": _query({**asked, **_DELETING}), "requestBody": _DELETE_BODY}
    return found


def _at_object(place: Place) -> Item:
    kind = place.kind
    found = {"get": place.operation("read", "get", _answer(schema_name(kind.type)))}
    if "update" in kind.verbs:
        found["put"] = _writing(place, "replace", "put", kind)
    if "patch" in kind.verbs:
        found["patch"] = _patch(place, kind)
    if "delete" in kind.verbs:
        answer = kind.type if strategy_of(stored_kind(kind)).returns_deleted else Status
        operation = place.operation("delete", "delete", _answer(schema_name(answer)))
        found["delete"] = operation | {"parameters": _query(_DELETING), "requestBody": _DELETE_BODY}
    return found


def _subresources(kind: Kind) -> Iterator[Subresource]:
    found = (kind.subresource(name) for name in kind.subresources)
    return (subresource for subresource in found if subresource is not None)


def _kind_of(kind: Kind, subresource: Subresource) -> Kind:
    """Return the kind that goes through a subresource."""
    if subresource.kind == kind.kind:
        return kind
    group, version = subresource.group or kind.group, subresource.version or kind.version
    return Kind(group, version, subresource.kind, subresource.name)


def _at_subresource(at: str, place: Place, subresource: Subresource, named: list[Item]) -> Iterator[tuple[str, Item]]:
    name = subresource.name
    here, of = replace(place, subresource=name), _kind_of(place.kind, subresource)
    if name in _CONNECTING:
        yield f"{at}/{name}", _connections(here, of, [*named, *_query(_CONNECTING[name])])
        if name == "proxy":
            path = [*named, _parameter("path", "path"), *_query(_CONNECTING[name])]
            yield f"{at}/{name}/{{path}}", _connections(here, of, path, "WithPath")
        return
    if name == "log":
        text = {"content": {"text/plain": {"schema": {"type": "string"}}}}
        yield (
            f"{at}/{name}",
            {"get": here.operation("read", "get", text), "parameters": [*named, *_query(_LOG), _PRETTY]},
        )
        return
    found = {}
    for verb in subresource.verbs:
        if verb == "create":
            found["post"] = _writing(here, "create", "post", of)
        elif verb == "patch":
            found["patch"] = _patch(here, of)
        elif verb == "update":
            found["put"] = _writing(here, "replace", "put", of)
        else:
            found["get"] = here.operation("read", "get", _answer(schema_name(of.type)), of)
    yield f"{at}/{name}", {**found, "parameters": [*named, _PRETTY]}


def _connections(here: Place, of: Kind, parameters: list[Item], ending: str = "") -> Item:
    text = {"content": {"*/*": {"schema": {"type": "string"}}}}
    methods = _METHODS if here.subresource == "proxy" else ("get", "post")
    found = {method: here.operation(f"connect {method.title()}", "connect", text, of, ending) for method in methods}
    return {**found, "parameters": parameters}


def _watches(kind: Kind, place: Place, namespace: list[Item]) -> Iterator[tuple[str, Item]]:
    """Yield the paths that ask for a watch by themselves."""
    asked, answer = [*_query(_LISTING), _PRETTY], _answer(WATCH_EVENT)
    at = kind.path("{namespace}").replace(kind.root, f"{kind.root}/watch", 1)
    many = place.operation("watch", "watchlist", answer, None, "List")
    yield at, {"get": many, "parameters": [*namespace, *asked]}
    if "get" in kind.verbs:
        one = place.operation("watch", "watch", answer)
        yield f"{at}/{{name}}", {"get": one, "parameters": [_parameter("name", "path"), *namespace, *asked]}
    if kind.namespaced:
        everywhere = Place(kind, "").operation("watch", "watchlist", answer, None, "ListForAllNamespaces")
        yield kind.path().replace(kind.root, f"{kind.root}/watch", 1), {"get": everywhere, "parameters": asked}


def _list(place: Place, ending: str = "") -> Item:
    operation = place.operation("list", "list", _answer(schema_name(list_type(place.kind))), None, ending)
    return operation | {"parameters": _query(_LISTING)}


def _writing(place: Place, word: str, action: str, of: Kind) -> Item:
    """Return an operation that takes an object and gives it back; what is created is answered as such."""
    answer = _answer(schema_name(of.type))
    operation = place.operation(word, action, answer, of)
    operation["responses"] |= {"201": {"description": "Created", **answer}}
    body = {"content": {"application/json": {"schema": _reference(schema_name(of.type))}}, "required": True}
    return operation | {"parameters": _writing_parameters(), "requestBody": body}


def _patch(place: Place, of: Kind) -> Item:
    answer = _answer(schema_name(of.type))
    operation = place.operation("patch", "patch", answer, of)
    operation["responses"] |= {"201": {"description": "Created", **answer}}
    schema = {"type": "object", "description": "A change to an object, in one of the patch formats."}
    return operation | {
        "parameters": [*_writing_parameters(), _parameter("force", "query", "boolean")],
        "requestBody": {"content": {name: {"schema": schema} for name in PATCH_TYPES}, "required": True},
    }


def _writing_parameters() -> list[Item]:
    checked = {**_parameter("fieldValidation", "query"), "description": _FIELD_VALIDATION}
    return [_parameter("dryRun", "query"), _parameter("fieldManager", "query"), checked]


def _query(found: Mapping[str, str]) -> list[Item]:
    return [_parameter(name, "query", of) for name, of in found.items()]


def _parameter(name: str, place: str, kind: str = "string") -> Item:
    parameter = {"name": name, "in": place, "schema": {"type": kind, "uniqueItems": True}}
    return {**parameter, "required": True} if place == "path" else parameter


def _answer(name: str) -> Item:
    return {"content": {"application/json": {"schema": _reference(name)}}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


_PRETTY: Final = _parameter("pretty", "query")
_DELETE_BODY: Final = {"content": {"application/json": {"schema": _reference(schema_name(DeleteOptions))}}}
