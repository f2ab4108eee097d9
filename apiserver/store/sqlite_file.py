"""The SQLite file of a store: its shape, and the statements that read and write it.

Keeps true: one process has the file open (a lock on `PATH.lock`); a row is one write and never changes; the newest row
of a key is its state. Every function here is plain and blocking, and takes the connection to work on.
Reads and writes the file, its `-wal` and its `-shm`. Source: sqlite.org/wal.html, sqlite.org/pragma.html
"""

import fcntl
import sqlite3
from pathlib import Path
from typing import BinaryIO

from apiserver.store.contract import Entry, Event, StoreUnavailable, prefix_end
from apiserver.store.log import FIRST_REVISION

APPLICATION_ID = 0x57687279  # "Whry": what `file` and other programs tell the file by.
SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 0.2  # Nobody else should hold a lock: this only outlasts a backup's short one.
CACHE_KB = 2048  # Of each connection; what it lacks comes from the kernel's own cache.
TRIM_ROWS = 1000  # Looked at by one step of a compaction.

_SCHEMA = """
BEGIN;
CREATE TABLE history (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    is_live INTEGER NOT NULL,
    create_revision INTEGER NOT NULL,
    value BLOB NOT NULL
);
CREATE UNIQUE INDEX history_by_key ON history (key, revision, is_live);
CREATE TABLE compaction (id INTEGER PRIMARY KEY CHECK (id = 0), revision INTEGER NOT NULL);
INSERT INTO compaction VALUES (0, 0);
COMMIT;
"""
_INSERT = "INSERT INTO history (revision, key, is_live, create_revision, value) VALUES (?, ?, ?, ?, ?)"
_NEWEST = "SELECT revision, is_live, create_revision, value FROM history WHERE key = ? ORDER BY revision DESC LIMIT 1"
_KEYS = """
    SELECT key, max(revision) AS revision, is_live FROM history
    WHERE key >= ? AND key < ? AND key > ? AND revision <= ? GROUP BY key HAVING is_live
"""  # With max(), SQLite takes is_live from the row that holds the maximum.
_PAGE = f"""
    SELECT history.key, value, create_revision, history.revision
    FROM ({_KEYS} LIMIT ?) AS newest JOIN history ON history.revision = newest.revision ORDER BY history.key
"""  # noqa: S608 - both parts are constants.
_COUNT = f"SELECT count(*) FROM ({_KEYS})"  # noqa: S608
_EVENTS = """
    SELECT key, is_live, value, create_revision, revision FROM history
    WHERE revision BETWEEN ? AND ? AND key >= ? AND key < ? ORDER BY revision
"""
_TRIM_END = "SELECT revision FROM history WHERE revision > ? AND revision <= ? ORDER BY revision LIMIT 1 OFFSET ?"
_TRIM = """
    DELETE FROM history WHERE revision IN (
        SELECT revision FROM history AS h WHERE revision > :after AND revision <= :last AND (
            NOT is_live OR EXISTS (
                SELECT 1 FROM history AS n WHERE n.key = h.key AND n.revision > h.revision AND n.revision <= :compact
            )
        )
    )
"""


def lock(path: Path) -> BinaryIO:
    """Return an open lock file that keeps other processes from this store until it is closed."""
    try:
        file = Path(f"{path}.lock").open("ab")  # noqa: SIM115 - the caller keeps it open.
    except OSError as error:
        raise StoreUnavailable(
            f"sqlite {path}: {error.strerror}; give a path in a folder that can be written"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        found = "another process has this store open"
        raise StoreUnavailable(f"sqlite {path}: {found}; stop that one, or give another path") from error
    return file


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, make its tables where it is new, and refuse what is not a store of this version."""
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            _prepare(path, connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    return connection


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    application_id, version = (_pragma(connection, name) for name in ("application_id", "user_version"))
    is_empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if (application_id, version) != (APPLICATION_ID, SCHEMA_VERSION) and not is_empty:
        found = f"is no store of this version (application {application_id:#x}, version {version})"
        raise StoreUnavailable(f"sqlite {path}: {found}; give another path")
    for setting in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "journal_size_limit = 8388608",
        f"cache_size = -{CACHE_KB}",
    ):
        connection.execute(f"PRAGMA {setting}").fetchall()
    if is_empty:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.executescript(_SCHEMA)


def check_whole(path: Path, connection: sqlite3.Connection) -> None:
    """Return if the file's pages hold together, which takes a second per gigabyte or two. Raises StoreUnavailable."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        advice = "restore a copy of the file, or move it away to begin anew"
        raise StoreUnavailable(f"sqlite {path}: database disk image is malformed ({' '.join(found.split())}); {advice}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def unavailable(path: Path, error: BaseException, *, is_uncertain: bool = False) -> StoreUnavailable:
    """Return the sentence for what SQLite said."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    advice = {
        sqlite3.SQLITE_BUSY: "end the program that holds a lock on it",
        sqlite3.SQLITE_CANTOPEN: "give a path in a folder that can be written",
        sqlite3.SQLITE_READONLY: "make the file and its folder writable",
        sqlite3.SQLITE_FULL: "free disk space",
        sqlite3.SQLITE_IOERR: "check the disk and the kernel's log",
        sqlite3.SQLITE_NOTADB: "move the file away, or give another path",
        sqlite3.SQLITE_CORRUPT: "restore a copy of the file, or move it away to begin anew",
    }.get(code, "see sqlite.org/rescode.html")
    return StoreUnavailable(f"sqlite {path}: {error}; {advice}", is_uncertain=is_uncertain)


def is_full(error: BaseException) -> bool:
    """Say whether a commit failed for want of space: then its last frame is not in the WAL, and it never happened."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL


def revisions(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return (the last revision used, the last one compacted)."""
    compacted: int = connection.execute("SELECT revision FROM compaction").fetchone()[0]
    last: int | None = connection.execute("SELECT max(revision) FROM history").fetchone()[0]
    return max(FIRST_REVISION, compacted, last or 0), compacted


def newest(connection: sqlite3.Connection, key: str) -> Entry | None:
    """Return the state of `key`."""
    row = connection.execute(_NEWEST, (key,)).fetchone()
    if row is None or not row[1]:
        return None
    return Entry(key, row[3], row[2], row[0])


def insert(connection: sqlite3.Connection, event: Event) -> None:
    """Add one write; the caller has the transaction and has checked the state before."""
    is_live = event.value is not None
    value = event.value if event.value is not None else b""
    connection.execute(_INSERT, (event.mod_revision, event.key, is_live, event.create_revision, value))


def page(connection: sqlite3.Connection, prefix: str, start_after: str, revision: int, limit: int) -> list[Entry]:
    """Return at most `limit` entries as they were at `revision`."""
    rows = connection.execute(_PAGE, (prefix, prefix_end(prefix), start_after, revision, limit))
    return [Entry(*row) for row in rows]


def count(connection: sqlite3.Connection, prefix: str, start_after: str, revision: int) -> int:
    """Return how many entries there were at `revision`."""
    number: int = connection.execute(_COUNT, (prefix, prefix_end(prefix), start_after, revision)).fetchone()[0]
    return number


def events(connection: sqlite3.Connection, prefix: str, first: int, last: int) -> list[Event]:
    """Return the writes of revisions first..last, which all lie past the compacted one."""
    return [_event(row) for row in connection.execute(_EVENTS, (first, last, prefix, prefix_end(prefix)))]


def _event(row: tuple[str, int, bytes, int, int]) -> Event:
    key, is_live, value, create_revision, revision = row
    return Event(key, value, create_revision, revision) if is_live else Event(key, None, 0, revision)


def mark_compacted(connection: sqlite3.Connection, revision: int) -> int:
    """Write down that the past up to `revision` is forgotten and return it; the rows may go after that."""
    connection.execute("UPDATE compaction SET revision = ?", (revision,))
    return revision


def trim(connection: sqlite3.Connection, after: int, compact_revision: int) -> int:
    """Delete of the next TRIM_ROWS rows past revision `after` those that no state from `compact_revision` on needs.

    Returns the revision it came to; `compact_revision` is the end. To be called in ascending order: a deletion's row
    must outlive the rows that it hides.
    """
    row = connection.execute(_TRIM_END, (after, compact_revision, TRIM_ROWS - 1)).fetchone()
    last: int = row[0] if row else compact_revision
    connection.execute(_TRIM, {"after": after, "last": last, "compact": compact_revision})
    return last
