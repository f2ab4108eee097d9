"""Describe the API to clients: OpenAPI v3, a document for each group version, made from the types when first asked.

kubectl reads in it how lists merge (apply), that the server checks fields itself (create), and what types are for
(explain). A document's hash names the code that it is made from, so clients keep it until that changes. Who asks with
another hash is sent to the right one. `openapi_v2` has the older form.
Source: kubernetes.io/docs/concepts/overview/kubernetes-api, the section on OpenAPI; spec.openapis.org/oas/v3.0.3
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from apiserver.documents import Document
from apiserver.options import Query, text_of
from apiserver.schema import openapi_v2
from apiserver.schema.outlines import outlines
from apiserver.schema.paths import extra_types, paths_of
from apiserver.schema.schemas import components
from apiserver.version import VERSION
from kube import api, kinds
from kube.codec import encode
from kube.kinds import KINDS

ROOT: Final = "/openapi/v3"
_PROTOBUF_V2: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_FOR_EVER: Final = {"Cache-Control": "public, immutable", "Expires": "Fri, 31 Dec 2099 23:59:59 GMT"}
_ASK_AGAIN: Final = {"Cache-Control": "no-cache, private", "Vary": "Accept"}


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
    sources = [*sorted(here.parent.glob("*.py")), Path(kinds.__file__)]
    sources += sorted(source for place in api.__path__ for source in Path(place).glob("*.py"))
    digest = hashlib.sha256(VERSION["gitVersion"].encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest().upper()


@cache
def _root() -> Document:
    found = sorted({*outlines(), *(kind.root.removeprefix("/") for kind in KINDS)})
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
    """Return the document of a group version, or of what lies above, as bytes; none where no such thing is served."""
    head = {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]}}
    if outline := outlines().get(path):
        return encode({**head, "paths": outline.paths(path), "components": {}})
    found = [kind for kind in KINDS if kind.root == f"/{path}"]
    if not found:
        return b""
    schemas = components(found, extra_types(found))
    return encode({**head, "paths": dict(sorted(paths_of(f"/{path}", found))), "components": {"schemas": schemas}})
