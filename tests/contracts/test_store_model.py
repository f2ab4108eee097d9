"""Every store against a dict: any sequence of writes, all states, all events."""

import uuid
from contextlib import aclosing
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.store.contract import Entry, Event, KeyExists, KeyMissing, RevisionMismatch, Store, StoreError
from tests.contracts.watching import events_of


class Model:
    """A dict that says what a store has to answer."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.entries: dict[str, Entry] = {}
        self.states: dict[int, list[Entry]] = {revision: []}
        self.events: list[Event] = []

    def expect(self, name: str, key: str, value: bytes, stale: int) -> object:
        """Return the revision or the kind of refusal."""
        entry = self.entries.get(key)
        if name == "create":
            return KeyExists if entry else self._write(key, value, None)
        if entry is None:
            return KeyMissing
        if stale:
            return RevisionMismatch
        return self._write(key, None if name == "delete" else value, entry)

    def _write(self, key: str, value: bytes | None, entry: Entry | None) -> int:
        self.revision += 1
        created = entry.create_revision if entry else self.revision
        self.events.append(Event(key, value, 0 if value is None else created, self.revision))
        if value is None:
            del self.entries[key]
        else:
            self.entries[key] = Entry(key, value, created, self.revision)
        self.states[self.revision] = sorted(self.entries.values(), key=lambda each: each.key)
        return self.revision


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "delete"]),
        st.sampled_from("abcd"),
        st.binary(min_size=1, max_size=8),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=25,
)


async def run_one(store: Store, name: str, key: str, value: bytes, revision: int) -> Any:
    """Return the revision of a write, or the kind of its refusal."""
    try:
        if name == "create":
            return await store.create(key, value)
        if name == "update":
            return await store.update(key, value, expected_revision=revision)
        return await store.delete(key, expected_revision=revision)
    except StoreError as refusal:
        return type(refusal)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
async def test_any_sequence_of_writes_agrees_with_a_dict(
    store: Store, prefix: str, operations: list[tuple[str, str, bytes, int]]
) -> None:
    """States at every revision and the watch's events included."""
    prefix = f"{prefix}{uuid.uuid4().hex}/"  # Each example begins with nothing.
    start = await store.current_revision()
    model = Model(start)
    for name, letter, value, stale in operations:
        key = prefix + letter
        entry = model.entries.get(key)
        asked = (entry.mod_revision if entry else 1) + stale
        expected = model.expect(name, key, value, stale)
        assert await run_one(store, name, key, value, asked) == expected

    assert await store.current_revision() == model.revision
    for revision, entries in model.states.items():
        assert list((await store.range(prefix, revision=revision)).entries) == entries
    async with aclosing(store.watch(prefix, from_revision=start + 1)) as watch:
        assert await events_of(watch, len(model.events)) == model.events
