"""Import a program's modules in less time: what a process that starts needs at once, and keeps until it ends."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SYSTEM_ROOTS: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""What tells OpenSSL where the authorities are that the system trusts."""


@contextmanager
def importing(*, system_roots: bool) -> Iterator[None]:
    """Have what is imported within take less time.

    A third of it would go into looking for garbage among what only grows. aiohttp reads the system's authorities twice
    when it is imported, 20 ms and a megabyte each, for connections whose TLS nobody names. system_roots: whether there
    are such connections; without, they trust nobody.
    """
    told = {name: os.environ.get(name) for name in _SYSTEM_ROOTS}
    if not system_roots:
        os.environ.update(dict.fromkeys(_SYSTEM_ROOTS, os.devnull))
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        _set_environment(told)


def _set_environment(told: dict[str, str | None]) -> None:
    for name, value in told.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
