"""Who a container's process is: users and groups by number or by name, as the container's own files have them.

Keeps true: a name that the image doesn't know is an error, never root, and so is a number that no user can have:
the kernel takes 4294967295 for "as before", which is root. Reads /etc/passwd and /etc/group of the root
the caller is in (call it after pivot_root). Standard library only.
Source: passwd(5), group(5); the OCI image specification's `User`; KEP-3619 for the group policy.
"""

import os
import stat
from collections.abc import Iterable
from typing import Any, NamedTuple

_FILE_BYTES_MAX = 4 << 20
_NUMBER_MAX = (1 << 31) - 1


class Identity(NamedTuple):
    """What a process runs as; `groups` are its supplemental groups, sorted; `home` is empty when unknown."""

    uid: int
    gid: int
    groups: list[int]
    home: str


class UnknownIdentityError(ValueError):
    """A user or group that the image doesn't know."""


def resolve(wanted: dict[str, Any]) -> Identity:
    """Return the identity that `wanted` names.

    wanted: `user` and `group` (numbers or names as strings, empty for the default), `extra` (group numbers),
    `policy` (Merge adds the groups that /etc/group lists for the user; Strict doesn't).
    """
    users = parse(_read("/etc/passwd"), 7)
    groups = parse(_read("/etc/group"), 4)
    user = wanted["user"] or "0"
    entry = _find_user(users, user)
    if entry is None and not user.isdigit():
        raise UnknownIdentityError(
            f"user {user!r}: the image's /etc/passwd has no such name; use a number, or an image that knows it"
        )
    uid = int(entry[2]) if entry else int(user)
    gid = _group_number(groups, wanted["group"]) if wanted["group"] else int(entry[3]) if entry else 0
    extra = set(wanted["extra"]) | {gid}
    if wanted["policy"] != "Strict" and entry:
        extra |= {int(group[2]) for group in groups if entry[0] in group[3].split(",")}
    _check_numbers("user", [uid])
    _check_numbers("group", extra)
    return Identity(uid, gid, sorted(extra), entry[5] if entry else "")


def _check_numbers(what: str, numbers: Iterable[int]) -> None:
    beyond = [number for number in numbers if not 0 <= number <= _NUMBER_MAX]
    if beyond:
        raise UnknownIdentityError(f"{what} {beyond[0]}: there are none beyond {_NUMBER_MAX}; use a lower number")


def parse(text: str, columns: int) -> list[list[str]]:
    """Return the rows of a passwd-like file that have `columns` columns and numbers where they belong."""
    rows = [line.split(":") for line in text.splitlines()]
    numeric = (2, 3) if columns == 7 else (2,)
    return [row for row in rows if len(row) == columns and all(row[place].isdigit() for place in numeric)]


def _find_user(users: list[list[str]], wanted: str) -> list[str] | None:
    by_name = next((row for row in users if row[0] == wanted), None)
    if by_name is not None or not wanted.isdigit():
        return by_name
    return next((row for row in users if int(row[2]) == int(wanted)), None)


def _group_number(groups: list[list[str]], wanted: str) -> int:
    if wanted.isdigit():
        return int(wanted)
    for row in groups:
        if row[0] == wanted:
            return int(row[2])
    raise UnknownIdentityError(
        f"group {wanted!r}: the image's /etc/group has no such name; use a number, or an image that knows it"
    )


def _read(path: str) -> str:
    """Return a small regular file's text, or nothing: an image may lack it, or hold something else in its place."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return ""
        return os.read(descriptor, min(found.st_size, _FILE_BYTES_MAX)).decode("utf-8", "surrogateescape")
    finally:
        os.close(descriptor)
