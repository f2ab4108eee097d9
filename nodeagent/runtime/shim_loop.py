"""What a shim waits for: descriptors that can be read, and children that end.

Keeps true: every child is collected, also one that came to the shim as an orphan. One thread, one epoll.
Standard library only.
"""

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress

_EVENTS_MAX = 16
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)


def set_signals() -> None:
    """Collect the children of the caller, the zygote; have a child's end wake the loop of its forks, the shims.

    What must not end a shim is ignored: it leaves when its pod does, not when a terminal or a session ends.
    """
    zygote = os.getpid()

    def on_child_end(_number: int, _frame: object) -> None:
        if os.getpid() == zygote:
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass

    signal.signal(signal.SIGCHLD, on_child_end)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)


class Loop:
    """Calls who waits, until `is_over`."""

    def __init__(self) -> None:
        self.is_over = False
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._children: dict[int, Callable[[int], None]] = {}
        self._orphans: dict[int, int] = {}
        self._keepers = 0
        self._wakeup, self._waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._waking, warn_on_full_buffer=False)
        self.watch(self._wakeup, self._collect)

    def run(self) -> None:
        """Serve until it is over."""
        while not self.is_over:
            for descriptor, _ in self._poll.poll(-1, _EVENTS_MAX):
                handler = self._handlers.get(descriptor)
                if handler is not None:
                    handler()

    def close(self) -> None:
        """Close its own descriptors."""
        signal.set_wakeup_fd(-1)
        for descriptor in (self._wakeup, self._waking):
            os.close(descriptor)
        self._poll.close()

    def watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        """Call `handler` whenever `descriptor` can be read or has ended."""
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, select.EPOLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Stop watching `descriptor`; it stays open."""
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def on_end(self, pid: int, handler: Callable[[int], None]) -> None:
        """Call `handler` with the wait status of the child `pid` once it has ended."""
        self._children[pid] = handler

    def keep_orphans(self) -> None:
        """Remember how unknown children end, until as many calls of `drop_orphans`: one of them may be named yet."""
        self._keepers += 1

    def drop_orphans(self) -> None:
        """End what `keep_orphans` began."""
        self._keepers -= 1
        if not self._keepers:
            self._orphans.clear()

    def take_orphan(self, pid: int) -> int | None:
        """Return how `pid` has ended, or None while it runs."""
        return self._orphans.pop(pid, None)

    def _collect(self) -> None:
        os.read(self._wakeup, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            handler = self._children.pop(pid, None)
            if handler is not None:
                handler(status)
            elif self._keepers:
                self._orphans[pid] = status
