"""The command line, as it is run, against an API server of a test's own."""

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from apiserver.server import ApiServer
from tests.apiserver.conftest import pki_dir, server, wire
from tests.apiserver.kubectl import kubectl_for

__all__ = ["pki_dir", "server", "wire"]

Wherry = Callable[..., Awaitable[tuple[int, str]]]
"""Arguments in, exit code and output out; `stdin` is what `-f -` reads."""


@pytest.fixture
def wherry(server: ApiServer, tmp_path: Path) -> Wherry:
    """`wherry` as the server's admin."""
    return partial(kubectl_for(sys.executable, server, tmp_path), "-m", "wherry")
