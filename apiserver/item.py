"""One stored object as the server holds it: its JSON, and the typed value, each made once.

The store keeps an object's JSON without resourceVersion, since that is the revision of the very write; an Item has it
filled in. Every type begins with apiVersion and kind; where metadata comes third the bytes are filled in by splicing.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, cast

import msgspec

from apiserver.nulls import with_nulls
from apiserver.strategies import strategy_of
from apiserver.versions import as_served
from kube.api.core_v1 import Pod
from kube.codec import decode, encode
from kube.kinds import Kind, Resource
from kube.objects import with_metadata

ROOT: Final = "/registry/"


class _Bound(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What says where a pod is."""

    node_name: str = ""


class _Glance(msgspec.Struct, frozen=True, gc=False):
    """A pod, as far as the index of pods by node reads it."""

    spec: _Bound = _Bound()


class Item:
    """An object of a stored kind at one revision. Never changes; what it derives from its bytes it derives once."""

    __slots__ = ("_fields", "_obj", "_others", "data", "kind", "name", "namespace", "revision")

    def __init__(  # noqa: PLR0917 - made for every change of every object, and keywords cost time.
        self, kind: Kind, namespace: str, name: str, revision: int, value: bytes, obj: Resource | None = None
    ) -> None:
        """value: as stored, without resourceVersion. obj: the same as a typed object, if it is at hand.

        revision: 0 for an object that is not stored (a dry run).
        """
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.revision = revision
        self.data = _with_revision(kind, value, revision)
        self._obj = None if obj is None else with_metadata(obj, resource_version=str(revision) if revision else "")
        self._fields: Mapping[str, str] | None = None
        self._others: dict[Kind, bytes] | None = None

    @property
    def obj(self) -> Resource:
        """The typed object, with its resourceVersion."""
        if self._obj is None:
            self._obj = decode(self.data, self.kind.type)
        return self._obj

    def shed(self) -> None:
        """Let go of what can be derived from its bytes again: of a state that is past and seldom asked for."""
        self._obj = self._fields = self._others = None

    def at_revision(self, revision: int) -> "Item":
        """Return the same state as of a later revision: how a deletion, or leaving a selection, tells of it."""
        mark = b'"resourceVersion":"%d",' % self.revision
        value = self.data.replace(mark, b"", 1)
        return Item(self.kind, self.namespace, self.name, revision, value, self._obj)

    @property
    def key(self) -> str:
        """Where the store keeps it."""
        return store_key(self.kind, self.namespace, self.name)

    def follows(self, namespace: str, name: str) -> bool:
        """Say whether its key comes after that of another object of its kind."""
        return (self.namespace + "/", self.name) > (namespace + "/", name)

    @property
    def fields(self) -> Mapping[str, str]:
        """What field selectors see of it."""
        if self._fields is None:
            self._fields = strategy_of(self.kind).selectable_fields(self.obj)
        return self._fields

    def field(self, name: str) -> str:
        """Return one of the fields; that of an index without reading all of an object that nobody has read yet."""
        if name == "spec.nodeName":
            glance = decode(self.data, _Glance) if self._obj is None else cast("Pod", self._obj)
            return glance.spec.node_name
        return self.fields[name]

    def data_as(self, kind: Kind) -> bytes:
        """Return the JSON of the object in the version `kind`."""
        if kind is self.kind:
            return self.data
        if self._others is None:
            self._others = {}
        if kind not in self._others:
            self._others[kind] = encode(as_served(self.obj, kind))
        return self._others[kind]


def prefix_of(kind: Kind, namespace: str = "") -> str:
    """Return what the store keys of all objects of a stored kind (in a namespace) begin with."""
    return f"{ROOT}{kind.resource}/{namespace}/" if namespace else f"{ROOT}{kind.resource}/"


def store_key(kind: Kind, namespace: str, name: str) -> str:
    """Return where the store keeps an object of a stored kind."""
    return f"{ROOT}{kind.resource}/{namespace}/{name}" if namespace else f"{ROOT}{kind.resource}/{name}"


def split_key(key: str) -> tuple[str, str, str]:
    """Return the resource, namespace ("" for none) and name that a store key below ROOT names."""
    resource, _, rest = key[len(ROOT) :].partition("/")
    namespace, slash, name = rest.rpartition("/")
    return resource, namespace if slash else "", name


def _with_revision(kind: Kind, value: bytes, revision: int) -> bytes:
    if not revision:
        return value
    head = _head(kind)
    if value.startswith(head):
        return b'%b"resourceVersion":"%d",%b' % (head, revision, value[len(head) :])
    return with_nulls(kind, encode(with_metadata(decode(value, kind.type), resource_version=str(revision))))


@lru_cache(maxsize=512)
def type_text(kind: Kind) -> bytes:
    """Return what an object's JSON has between its first "{" and its metadata."""
    return f'"apiVersion":"{kind.api_version}","kind":"{kind.kind}",'.encode()


@lru_cache(maxsize=512)
def _head(kind: Kind) -> bytes:
    return b'{%b"metadata":{' % type_text(kind)
