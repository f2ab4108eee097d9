"""A program at a terminal of its own, as a person sits at one: what it shows, and keys that are pressed."""

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Mapping, Sequence

ROWS, COLUMNS = 33, 77


def at_terminal(
    argv: Sequence[str], awaited: Sequence[str], keys: str, env: Mapping[str, str], timeout_s: float = 60.0
) -> tuple[int, str]:
    """Run a program, press `keys` once it shows one of the awaited texts; return its exit code and what it showed."""
    pid, screen = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], list(argv), {**os.environ, **env})
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    shown, is_pressed, until = b"", False, time.monotonic() + timeout_s
    while data := _piece(screen, until):
        shown += data
        if not is_pressed and any(text.encode() in shown for text in awaited):
            os.write(screen, keys.encode())
            is_pressed = True
    os.close(screen)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")


def _piece(screen: int, until: float) -> bytes:
    """Return the next piece that is shown, nothing when the program has gone."""
    readable, _, _ = select.select([screen], [], [], max(0.0, until - time.monotonic()))
    assert readable, "the program shows nothing more and does not end"
    try:
        return os.read(screen, 65536)
    except OSError:  # A terminal whose last user has gone.
        return b""
