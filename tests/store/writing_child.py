"""A process that writes to a SQLite store as fast as it can, and says what was acknowledged: to be killed.

`python -m tests.store.writing_child PATH`. Prints one line "KEY REVISION" for each acknowledged write.
"""

import asyncio
import sys
from pathlib import Path

from apiserver.store.sqlite import SqliteStore

WRITERS = 1000


async def write(store: SqliteStore, writer: int) -> None:
    """Create a key, then update it for ever."""
    key = f"/registry/pods/{writer:04}"
    revision = await store.create(key, b"0" * 1000)
    while True:
        sys.stdout.write(f"{key} {revision}\n")
        sys.stdout.flush()
        revision = await store.update(key, b"%d" % revision * 200, expected_revision=revision)


async def main() -> None:
    """Run all writers at once."""
    store = SqliteStore.open(Path(sys.argv[1]))
    await asyncio.gather(*(write(store, writer) for writer in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(main())
