"""Describe the API to clients: OpenAPI v3, one document for each group version, made from the types when first asked.

kubectl reads in it how lists merge (apply), that the server checks fields itself (create), and what types are for
(explain). A document's hash names the code that it is made from, so clients keep it until that changes. Who asks with
another hash is sent to the right one. `openapi_v2` has the older form.
Source: kubernetes.io/docs/concepts/overview/kubernetes-api, the section on OpenAPI; spec.openapis.org/oas/v3.0.3
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from apiserver.documents import Document
from apiserver.options import Query, text_of
from apiserver.schema import openapi_v2
from apiserver.schema.schemas import components, list_type, schema_name
from apiserver.version import VERSION
from kube import api, kinds
from kube.codec import encode
from kube.kinds import KINDS, Kind

ROOT: Final = "/openapi/v3"
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
_PROTOBUF_V2: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_FOR_EVER: Final = {"Cache-Control": "public, immutable", "Expires": "Fri, 31 Dec 2099 23:59:59 GMT"}
_ASK_AGAIN: Final = {"Cache-Control": "no-cache, private", "Vary": "Accept"}
_FIELD_VALIDATION: Final = "How fields that the type doesn't have are treated: Ignore, Warn or Strict."


def find(path: str, accept: str, query: Query) -> Document | None:
    """Return the document at a path, None where there is none. With the right `hash` it may be kept for ever."""
    path = path.rstrip("/")
    if path == "/openapi/v2":
        return _oldest(accept)
    if path == ROOT:
        return _root()
    if not path.startswith(f"{ROOT}/"):
        return None
    return _group_version(path.removeprefix(f"{ROOT}/"), text_of(query, "hash"))


def _oldest(accept: str) -> Document:
    if "protobuf" in accept:
        return _document(openapi_v2.as_protobuf(), _PROTOBUF_V2, _ASK_AGAIN)
    return _document(openapi_v2.as_json(), "application/json", _ASK_AGAIN)


def _document(body: bytes, content_type: str, headers: Mapping[str, str]) -> Document:
    return Document(body, content_type, f'"{hashlib.sha256(body).hexdigest().upper()}"', headers)


@cache
def code_hash() -> str:
    """Return a hash of the code that the documents are made from: the types, the table of kinds, these modules."""
    here = Path(__file__)
    sources = [*sorted(here.parent.glob("schema*.py")), here, Path(kinds.__file__)]
    sources += sorted(source for place in api.__path__ for source in Path(place).glob("*.py"))
    digest = hashlib.sha256(VERSION["gitVersion"].encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest().upper()


@cache
def _root() -> Document:
    found = sorted({kind.root.removeprefix("/") for kind in KINDS})
    paths = {path: {"serverRelativeURL": _hashed(path)} for path in found}
    return _document(encode({"paths": paths}), "application/json", _ASK_AGAIN)


def _hashed(path: str) -> str:
    """Return where the document of a group version is that may be kept for ever."""
    return f"{ROOT}/{path}?hash={code_hash()}"


def _group_version(path: str, asked: str) -> Document | None:
    """Return a document; asked: the hash that the client knows, "" for none."""
    whole = _whole(path)
    if whole is None or not asked:
        return whole
    if asked == code_hash():
        return replace(whole, headers=_FOR_EVER)
    return replace(whole, body=b"", headers={**_ASK_AGAIN, "Location": _hashed(path)}, status=301)


@cache
def _whole(path: str) -> Document | None:
    body = _body(path)
    return _document(body, "application/json", _ASK_AGAIN) if body else None


def _body(path: str) -> bytes:
    """Return the document of one group version as bytes, none where no such version is served."""
    found = [kind for kind in KINDS if kind.root == f"/{path}"]
    if not found:
        return b""
    content = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": dict(item for kind in found for item in _paths(kind)),
        "components": {"schemas": components(found)},
    }
    return encode(content)


def _paths(kind: Kind) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the paths of a kind: of its collection and of one object, with what can be done there."""
    collection = f"{kind.root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else kind.path()
    place = [_parameter("namespace", "path")] if kind.namespaced else []
    at_collection = {
        **({"get": _list(kind)} if "list" in kind.verbs else {}),
        **({"post": _operation(kind, "post", body=True)} if "create" in kind.verbs else {}),
    }
    yield collection, {**at_collection, "parameters": place}
    if "get" not in kind.verbs:
        return
    at_object = {"get": _operation(kind, "get")}
    if "update" in kind.verbs:
        at_object["put"] = _operation(kind, "put", body=True)
    if "patch" in kind.verbs:
        at_object["patch"] = _patch(kind)
    if "delete" in kind.verbs:
        at_object["delete"] = _operation(kind, "delete")
    yield f"{collection}/{{name}}", {**at_object, "parameters": [_parameter("name", "path"), *place]}


def _operation(kind: Kind, action: str, *, body: bool = False) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{action}{kind.group.split('.')[0].title() or 'Core'}{kind.version.title()}{kind.kind}",
        "tags": [f"{kind.group.split('.')[0] or 'core'}_{kind.version}"],
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": _reference(kind)}}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(kind),
    }
    if body:
        operation["parameters"] = _writing_parameters()
        operation["requestBody"] = {"content": {"application/json": {"schema": _reference(kind)}}, "required": True}
    return operation


def _list(kind: Kind) -> dict[str, Any]:
    operation = _operation(kind, "list")
    schema = {"$ref": f"#/components/schemas/{schema_name(list_type(kind))}"}
    operation["responses"] = {"200": {"description": "OK", "content": {"application/json": {"schema": schema}}}}
    operation["parameters"] = [_parameter(name, "query", of) for name, of in _LISTING.items()]
    return operation


def _patch(kind: Kind) -> dict[str, Any]:
    operation = _operation(kind, "patch")
    operation["parameters"] = [*_writing_parameters(), _parameter("force", "query", "boolean")]
    schema = {"type": "object", "description": "A change to an object, in one of the patch formats."}
    operation["requestBody"] = {"content": {name: {"schema": schema} for name in PATCH_TYPES}, "required": True}
    return operation


def _writing_parameters() -> list[dict[str, Any]]:
    checked = {**_parameter("fieldValidation", "query"), "description": _FIELD_VALIDATION}
    return [_parameter("dryRun", "query"), _parameter("fieldManager", "query"), checked]


def _parameter(name: str, place: str, kind: str = "string") -> dict[str, Any]:
    parameter = {"name": name, "in": place, "schema": {"type": kind, "uniqueItems": True}}
    return {**parameter, "required": True} if place == "path" else parameter


def _reference(kind: Kind) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema_name(kind.type)}"}


def gvk(kind: Kind) -> dict[str, str]:
    """Return a kind's group, version and kind as OpenAPI documents have them."""
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}
