"""A container's log file: the CRI format, one writer per container.

Keeps true: every byte the container wrote is in the file, in order per stream, a line at most LINE_BYTES_MAX long
(longer ones and an unfinished last one are tagged P); reopen() continues in a new file without losing a line.
Standard library only. Source: KEP-0009 (CRI logging), `<RFC 3339 nanoseconds> <stream> <P|F> <content>`.
"""

import os
import time

LINE_BYTES_MAX = 16384


class LogFile:
    """The open log; `path` is empty for a container that wants none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1
        self._partial: dict[str, bytes] = {}
        self.reopen()

    def reopen(self) -> None:
        """Open the path anew: what was rotated away stays as it is."""
        if not self._path:
            return
        fresh = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = fresh

    def write(self, stream: str, data: bytes) -> None:
        """Append what `stream` (stdout or stderr) wrote; an unfinished line waits for its end."""
        if self._descriptor < 0:
            return
        lines = (self._partial.pop(stream, b"") + data).split(b"\n")
        rest = lines.pop()
        head = b"%b %b " % (timestamp(time.time_ns()), stream.encode())
        out = [piece for line in lines for piece in _pieces(head, line, b"F ")]
        while len(rest) > LINE_BYTES_MAX:
            out.append(head + b"P " + rest[:LINE_BYTES_MAX] + b"\n")
            rest = rest[LINE_BYTES_MAX:]
        if rest:
            self._partial[stream] = rest
        self._append(b"".join(out))

    def close(self) -> None:
        """Write what is unfinished, and close."""
        if self._descriptor < 0:
            return
        now = timestamp(time.time_ns())
        for stream, rest in self._partial.items():
            self._append(b"%b %b P %b\n" % (now, stream.encode(), rest))
        self._partial.clear()
        os.close(self._descriptor)
        self._descriptor = -1

    def _append(self, data: bytes) -> None:
        """Write all of `data`; a full disk loses it, which beats a container that hangs on its own output."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            return


def _pieces(head: bytes, line: bytes, last_tag: bytes) -> list[bytes]:
    cuts = range(0, max(len(line), 1), LINE_BYTES_MAX)
    tags = [b"P "] * (len(cuts) - 1) + [last_tag]
    return [head + tag + line[cut : cut + LINE_BYTES_MAX] + b"\n" for tag, cut in zip(tags, cuts, strict=True)]


def timestamp(now_ns: int) -> bytes:
    """Return nanoseconds since 1970 as RFC 3339 in UTC with nine decimals."""
    seconds, rest = divmod(now_ns, 1_000_000_000)
    return b"%04d-%02d-%02dT%02d:%02d:%02d.%09dZ" % (*time.gmtime(seconds)[:6], rest)
