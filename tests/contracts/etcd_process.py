"""A real etcd for the tests: one member on loopback, ended by its pid."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

ETCD = "/usr/bin/etcd"
READY_TIMEOUT_S = 20.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class EtcdProcess:
    """Keeps its data and its ports over stop() and start()."""

    def __init__(self, folder: Path, *, tls: dict[str, Path] | None = None) -> None:
        """folder: for the data. tls: `ca`, `cert` and `key` of the server; clients then need a certificate."""
        self._folder = folder
        self._tls = tls
        self._client_port, self._peer_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._client_port}"

    @property
    def is_running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._process is not None

    async def start(self) -> None:
        """Start it and return when it listens."""
        self._spawn()
        async with asyncio.timeout(READY_TIMEOUT_S):
            while not await self._listens():
                await asyncio.sleep(0.02)

    def _spawn(self) -> None:
        peer = f"http://127.0.0.1:{self._peer_port}"
        flags: dict[str, str | Path] = {
            "name": "one",
            "data-dir": self._folder / "data",
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"one={peer}",
            "log-level": "error",
        }
        if self._tls:
            flags |= {"trusted-ca-file": self._tls["ca"], "cert-file": self._tls["cert"], "key-file": self._tls["key"]}
            flags["client-cert-auth"] = "true"
        words = [f"--{name}={value}" for name, value in flags.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([ETCD, *words], stdout=log, stderr=log)

    def stop(self) -> None:
        """Kill it and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Have it stand still, all its threads: it keeps its connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self) -> None:
        """Have it go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self._client_port)
            writer.close()
            await writer.wait_closed()
            return True
        return False
