"""What tests of the kinds are made with: objects from YAML, and a context of plain values."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import yaml

from apiserver.allocators import AddressRange, StoredAllocators
from apiserver.identity import User
from apiserver.store.memory import MemoryStore
from apiserver.strategies import strategy_of
from apiserver.strategies.metadata import validate_metadata, validate_metadata_update
from apiserver.strategy import Context, Strategy
from kube.codec import from_plain
from kube.errors import FieldError
from kube.kinds import Resource, kind_of
from tests.kube.fake_clock import FakeClock

R = TypeVar("R", bound=Resource)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def parsed(cls: type[R], text: str) -> R:
    """Return the object that YAML describes; its apiVersion and kind may be left out."""
    return from_plain(yaml.safe_load(text), cls)


def rules_of(obj: Resource | type[Resource]) -> Strategy[Any]:
    """Return the strategy of an object's kind."""
    return strategy_of(kind_of(obj if isinstance(obj, type) else type(obj)))


def defaulted(cls: type[R], text: str) -> R:
    """Return the object that YAML describes, with its defaults."""
    return cast("R", rules_of(cls).default(parsed(cls, text)))


def told(errors: Sequence[FieldError]) -> list[str]:
    """Return errors as the sentences that a user sees."""
    return [str(error) for error in errors]


def wrongs(obj: Resource) -> list[str]:
    """Return all that is wrong with a new object."""
    rules = rules_of(obj)
    obj = rules.default(obj)
    return told([*validate_metadata(obj.metadata, rules), *rules.validate(obj)])


def wrong_changes(new: Resource, old: Resource) -> list[str]:
    """Return all that is wrong with a change."""
    rules = rules_of(new)
    meta = validate_metadata_update(new.metadata, old.metadata)
    return told([*meta, *rules.validate_update(rules.default(new), rules.default(old))])


@dataclass
class Shown:
    """A Reader of objects that a test puts there."""

    objects: list[Resource] = field(default_factory=list)

    def get(self, cls: type[R], name: str, namespace: str = "") -> R | None:
        """Return one object."""
        found = (item for item in self.all(cls, namespace) if item.metadata.name == name)
        return next(found, None)

    def all(self, cls: type[R], namespace: str = "") -> Collection[R]:
        """Return the objects of a kind."""
        same = [item for item in self.objects if isinstance(item, cls)]
        return [item for item in same if namespace in ("", item.metadata.namespace)]

    async def fetch(self, cls: type[R], name: str, namespace: str = "") -> R | None:
        """Return one object."""
        return self.get(cls, name, namespace)


def context(*objects: Resource, store: MemoryStore | None = None, cidr: str = "10.96.0.0/24") -> Context:
    """Return a context in which these objects are stored."""
    clock = FakeClock(NOW)
    allocators = StoredAllocators(store or MemoryStore(), AddressRange.parse(cidr), clock)
    return Context(User("tester"), NOW, Shown(list(objects)), allocators)
