"""An API server in a process of its own, to be killed."""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from apiserver.credentials import ensure_credentials
from tests.contracts.etcd_process import free_port

READY_TIMEOUT_S = 60.0


class ServerProcess:
    """Keeps its port over kill() and start()."""

    def __init__(self, pki_dir: Path, store: str, log: Path, around: Sequence[str] = ()) -> None:
        """store: as --store has it. log: where what it says goes. around: a command to run it with."""
        self.credentials = ensure_credentials(pki_dir, ("127.0.0.1",), datetime.now(UTC))
        self.port = free_port()
        self.log = log
        self._command = [*around, sys.executable, "-m", "apiserver", "--pki-dir", str(pki_dir)]
        self._command += ["--store", store, "--port", str(self.port)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and return when it is ready."""
        self._spawn()
        tls = ssl.create_default_context(cafile=str(self.credentials.certificate("ca")))
        async with aiohttp.ClientSession() as session, asyncio.timeout(READY_TIMEOUT_S):
            while not await self._is_ready(session, tls):
                await asyncio.sleep(0.02)

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    async def _is_ready(self, session: aiohttp.ClientSession, tls: ssl.SSLContext) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            async with session.get(f"{self.url}/readyz", ssl=tls) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def kill(self) -> None:
        """End it with SIGKILL, if it runs, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
