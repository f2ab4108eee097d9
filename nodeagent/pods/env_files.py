"""Read variables from files that a pod's containers have written into a volume.

Keeps true: whatever lies in the volume, nothing outside of it is read, nothing is waited for, and no more than a
bounded piece is taken into memory. parse_variable() is a plain function.
Source: kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-via-file; KEP-3721.
"""

import errno
import os
import re
import stat
from pathlib import Path
from typing import Final

from nodeagent.pods.mounts import open_beneath

FILE_MAX_BYTES: Final = 1 << 20
_ASSIGNMENT: Final = re.compile(r"([^=\n]*)=(?:'([^']*)'[ \t]*(?:#[^\n]*)?(?:\n|\Z)|[ \t]+[^\n]*(?:\n|\Z))")
_IGNORED: Final = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_INDENT: Final = re.compile(r"[ \t]*")


class EnvFileError(ValueError):
    """A file can't be read for variables; the message says where and why."""


def parse_variable(text: str, name: str) -> str | None:
    """Return what a file sets a variable to, None where it doesn't set it or sets it to nothing. Raises EnvFileError.

    text: lines of NAME='value', where a value may span lines and holds no quote; empty lines and comments count for
    nothing. As in a shell, `NAME= 'value'` sets nothing. Nothing is looked at beyond the variable.
    """
    place = 0
    while place < len(text):
        ignored = _IGNORED.match(text, place)
        if ignored is not None:
            place = ignored.end()
            continue
        indent = _INDENT.match(text, place)
        found = _ASSIGNMENT.match(text, indent.end() if indent is not None else place)
        if found is None or not found[1] or found[1] != found[1].rstrip(" \t"):
            raise EnvFileError(f"line {text.count(chr(10), 0, place) + 1}: write NAME='value', with no space around =")
        if found[1] == name:
            return found[2] or None
        place = found.end()
    return None


def read_env_file(volume: Path, path: str) -> str | None:
    """Return the text of a file of a volume, None where there is none. Raises EnvFileError."""
    root = os.open(volume, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor = open_beneath(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        why = "leads out of its volume" if error.errno in (errno.EXDEV, errno.ELOOP) else str(error)
        raise EnvFileError(why) from error
    finally:
        os.close(root)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise EnvFileError("is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(FILE_MAX_BYTES + 1)
    if len(data) > FILE_MAX_BYTES:
        raise EnvFileError(f"is bigger than {FILE_MAX_BYTES} bytes")
    return data.decode(errors="surrogateescape").replace("\r\n", "\n")
