"""The real kubectl, of the versions that this machine has, as the admin of a test's own server."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from apiserver.server import ApiServer

Kubectl = Callable[..., Awaitable[tuple[int, str]]]
"""Arguments in, exit code and output out; `stdin` is what `-f -` reads."""

TIMEOUT_S = 30


def binary(version: str) -> str:
    """Return the kubectl of a version, "" where this machine has none. version "": the one on PATH."""
    found = shutil.which("kubectl")
    if found is None or not version:
        return found or ""
    beside = Path(found).resolve().with_name(f"kubectl.{version}")
    return str(beside) if beside.exists() else ""


def kubectl_for(program: str, server: ApiServer, home: Path) -> Kubectl:
    """Return kubectl as the server's admin. program: its path; home: where its files go."""
    keys = server.credentials
    user = {"client-certificate": str(keys.certificate("admin")), "client-key": str(keys.key("admin"))}
    config = {
        "clusters": [
            {"name": "c", "cluster": {"server": server.url, "certificate-authority": str(keys.certificate("ca"))}}
        ],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (home / "config").write_text(json.dumps(config))
    environ = {"HOME": str(home), "KUBECONFIG": str(home / "config"), "PATH": "/usr/bin:/bin"}

    async def run(*arguments: str, stdin: str = "") -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            env=environ,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(TIMEOUT_S):
            output, _ = await process.communicate(stdin.encode())
        return process.returncode or 0, output.decode()

    return run
