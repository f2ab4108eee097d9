"""What is stored and can't be read as an object: written by hand, or by another version.

It is kept apart from the objects, so that everything else goes on. Whoever asks for it, or for a collection that it
belongs to, is told its key and what is wrong with it, for to leave it out would say that it is gone. It can be deleted.
Source: KEP-3926 (handling undecryptable and undecodable objects).
"""

from dataclasses import dataclass

from apiserver.item import Item, store_key
from kube.codec import DecodeError, encode
from kube.errors import ApiError, internal
from kube.kinds import Kind, Resource
from kube.objects import with_metadata


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that is no object of its kind, at one revision."""

    kind: Kind
    namespace: str
    name: str
    revision: int
    reason: str

    @property
    def key(self) -> str:
        """Where the store keeps it."""
        return store_key(self.kind, self.namespace, self.name)

    def belongs_to(self, kind: Kind, namespace: str, name: str) -> bool:
        """Say whether it is part of a collection, or is that object. namespace, name: "" for all."""
        return self.kind is kind and namespace in ("", self.namespace) and name in ("", self.name)

    def __str__(self) -> str:
        found = f"{self.key} at revision {self.revision}: can't be read as a {self.kind.kind}: {self.reason}"
        return f"{found}; delete it, or mend it in the store"


def read(kind: Kind, namespace: str, name: str, revision: int, value: bytes, obj: Resource | None) -> Item | Unreadable:  # noqa: PLR0917 - as Item's.
    """Return a stored value as an Item whose typed object is at hand. obj: the same, if it is at hand already."""
    try:
        item = Item(kind, namespace, name, revision, value, obj)
        meta = item.obj.metadata
    except DecodeError as error:
        return Unreadable(kind, namespace, name, revision, str(error))
    if (meta.namespace, meta.name) != (namespace, name):
        return Unreadable(kind, namespace, name, revision, f'it says to be "{meta.name}" in "{meta.namespace}"')
    return item


def stand_in(found: Unreadable) -> Item:
    """Return an object that has no more than the name: what is deleted, as far as it is known."""
    obj = with_metadata(found.kind.type(), name=found.name, namespace=found.namespace)
    return Item(found.kind, found.namespace, found.name, found.revision, encode(obj), obj)


def refusal(found: list[Unreadable]) -> ApiError:
    """Return the 500 that names all that can't be read of what was asked for."""
    return internal(" and ".join(map(str, found)))
