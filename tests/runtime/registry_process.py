"""Debian's docker-registry on a loopback port."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WAIT_S = 20.0
STOP_S = 10.0


@contextmanager
def running_registry(folder: Path) -> Iterator[str]:
    """Run a registry that keeps its images in a folder; yields its host:port once it serves."""
    command = shutil.which("docker-registry")
    assert command is not None, "docker-registry is missing; run: apt-get install docker-registry"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([command, "serve", str(config)], stdout=log, stderr=log)
    try:
        _wait_for(port)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(STOP_S)


def _wait_for(port: int) -> None:
    until = time.monotonic() + WAIT_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < until, "the registry doesn't serve"
        time.sleep(0.05)
