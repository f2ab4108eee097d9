"""How long a cluster takes to come up, how long pods take to run, and what it costs when nothing happens.

python -m bench.cluster          needs root; makes a cluster of its own and removes it
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from kube.config import load_kubeconfig
from wherry.connection import Connection
from wherry.output import table

NAME: Final = "bench"
UPS: Final = 3
IDLE_PODS: Final = 10
IDLE_S: Final = 20.0
ROUNDS: Final = 5
CROWD: Final = 30
TIMEOUT_S: Final = 60.0
PODS: Final = "/api/v1/namespaces/default/pods"
COMMAND: Final = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"]
TICKS_PER_S: Final = 100


def main() -> None:
    """Print the tables."""
    seconds = [_timed_up() for _ in range(UPS)]
    print(
        f"wherry up to node Ready: {median(seconds):.2f} s (median of {UPS}; {min(seconds):.2f} to {max(seconds):.2f})"
    )
    with cluster() as connection:
        wait(lambda: has_account(connection))
        _measure_idle(connection)
        _measure_starts(connection)


def _timed_up() -> float:
    with cluster():
        ready = (Path(f"/var/lib/wherry/{NAME}") / "up-seconds").read_text()
    return float(ready)


@contextmanager
def cluster() -> Iterator[Connection]:
    """Bring a cluster up for the length of a block."""
    wherry = [sys.executable, "-m", "wherry"]
    began = time.monotonic()
    subprocess.run([*wherry, "up", "--name", NAME, "--port", str(_free_port())], check=True, capture_output=True)
    took = time.monotonic() - began
    try:
        state = Path(f"/var/lib/wherry/{NAME}")
        (state / "up-seconds").write_text(str(took))
        yield Connection(load_kubeconfig(state / "kubeconfig"))
    finally:
        subprocess.run([*wherry, "down", "--name", NAME, "--purge"], check=True, capture_output=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def has_account(connection: Connection) -> bool:
    """Say whether pods can be created."""
    items = connection.get("/api/v1/namespaces/default/serviceaccounts")["items"]
    return any(item["metadata"]["name"] == "default" for item in items)


def _pod(name: str) -> dict[str, Any]:
    container = {"name": "main", "image": "wherry.local/host", "imagePullPolicy": "IfNotPresent", "command": COMMAND}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1, "nodeName": ""}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": NAME}}, "spec": spec}


def _measure_starts(connection: Connection) -> None:
    one = [_start(connection, 1) for _ in range(ROUNDS)]
    ten = [_start(connection, 10) for _ in range(ROUNDS)]
    crowd = [_start(connection, CROWD) for _ in range(ROUNDS)]
    rows = [
        (f"{count} at once", f"{1000 * median(times):.0f}", f"{1000 * min(times):.0f} to {1000 * max(times):.0f}")
        for count, times in ((1, one), (10, ten), (CROWD, crowd))
    ]
    print(table(("CACHED PODS, CREATE TO ALL RUNNING", "MEDIAN MS", "RANGE MS"), rows))


def _start(connection: Connection, count: int) -> float:
    """Create pods, return the seconds until the last of them runs, and delete them again."""
    names = [f"bench-{number}" for number in range(count)]
    listed = connection.get(PODS)
    query = {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"], "timeoutSeconds": "60"}
    watching = Connection(connection.access)
    waiting = set(names)
    with watching.stream(PODS, query) as events:
        began = time.monotonic()
        for name in names:
            connection.send("POST", PODS, _pod(name))
        for line in events:
            event = json.loads(line)["object"]
            if event.get("status", {}).get("phase") == "Running":
                waiting.discard(event["metadata"]["name"])
            if not waiting:
                break
        took = time.monotonic() - began
    connection.send("DELETE", PODS, {})
    wait(lambda: not connection.get(PODS)["items"])
    return took


def wait(check: Callable[[], bool]) -> None:
    """Return once a condition holds."""
    until = time.monotonic() + TIMEOUT_S
    while not check():
        if time.monotonic() > until:
            raise TimeoutError(f"bench: not within {TIMEOUT_S:g} s")
        time.sleep(0.05)


@dataclass(frozen=True)
class Usage:
    """What one process has used. cpu_ticks: since its start. pss_bytes: with its part of shared pages."""

    cpu_ticks: int
    pss_bytes: int


def _measure_idle(connection: Connection) -> None:
    for number in range(IDLE_PODS):
        connection.send("POST", PODS, _pod(f"idle-{number}"))
    wait(lambda: all(item["status"]["phase"] == "Running" for item in connection.get(PODS)["items"]))
    time.sleep(3)
    before = _usages()
    time.sleep(IDLE_S)
    after = _usages()
    rows = [
        (
            name,
            f"{100 * (after[name].cpu_ticks - before[name].cpu_ticks) / TICKS_PER_S / IDLE_S:.2f}",
            f"{after[name].pss_bytes / 1e6:.1f}",
        )
        for name in sorted(after.keys() & before.keys())
    ]
    percent = sum(float(row[1]) for row in rows)
    megabytes = sum(float(row[2]) for row in rows)
    print(f"\nidle for {IDLE_S:g} s with {IDLE_PODS} pods")
    print(table(("PROCESS", "% OF A CORE", "PSS MB"), [*rows, ("all", f"{percent:.2f}", f"{megabytes:.1f}")]))
    connection.send("DELETE", PODS, {})
    wait(lambda: not connection.get(PODS)["items"])


def _usages() -> Mapping[str, Usage]:
    """Return the usage of the cluster's processes; all shims count as one."""
    found: dict[str, Usage] = {}
    for path in Path("/proc").glob("[0-9]*"):
        name = _role(path)
        if not name:
            continue
        try:
            usage = _usage(path)
        except (OSError, ValueError):
            continue
        so_far = found.get(name, Usage(0, 0))
        found[name] = Usage(so_far.cpu_ticks + usage.cpu_ticks, so_far.pss_bytes + usage.pss_bytes)
    return found


def _role(path: Path) -> str:
    """Return what a process is to the measured cluster, "" where it is nothing to it."""
    try:
        words = path.joinpath("cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        command = path.joinpath("comm").read_text().strip()
    except OSError:
        return ""
    if "wherry" in command and ("shim" in command or "zygote" in command):
        return command if _is_ours(path) else ""
    roles = {" server ": "server", " agent ": "agent", "runtime_process": "runtime"}
    return next((role for mark, role in roles.items() if mark in words), "") if NAME in words else ""


def _is_ours(path: Path) -> bool:
    """Say whether a zygote or shim, which all look alike, has a file of the measured cluster open."""
    try:
        return any(f"/{NAME}/" in str(link.readlink()) for link in path.joinpath("fd").iterdir())
    except OSError:
        return False


def _usage(path: Path) -> Usage:
    fields = path.joinpath("stat").read_text().rpartition(")")[2].split()
    rollup = path.joinpath("smaps_rollup").read_text().splitlines()
    pss = next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
    return Usage(int(fields[11]) + int(fields[12]), pss)


if __name__ == "__main__":
    main()
