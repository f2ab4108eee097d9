"""How long after a container has written a line `kubectl logs -f` shows it: container, shim, file, agent, API server.

python -m bench.logs             needs root; makes a cluster of its own and removes it
"""

import time
from statistics import median, quantiles
from typing import Any, Final

from bench.cluster import PODS, cluster, has_account, wait
from wherry.connection import Connection

LINES: Final = 300
PAUSE_S: Final = 0.02
BUDGET_MS: Final = 20
PROGRAM: Final = f"""
import time
for _ in range({LINES}):
    time.sleep({PAUSE_S})
    print(time.time_ns(), flush=True)
"""


def main() -> None:
    """Print the figures."""
    with cluster() as connection:
        wait(lambda: has_account(connection))
        connection.send("POST", PODS, _pod())
        wait(lambda: connection.get(f"{PODS}/writer").get("status", {}).get("phase") == "Running")
        late_ms = _follow(connection)
    percentiles = quantiles(late_ms, n=100)
    told = f"p50 {median(late_ms):.1f} ms, p90 {percentiles[89]:.1f} ms, p99 {percentiles[98]:.1f} ms"
    print(f"a line of a followed log, written to shown: {told} ({len(late_ms)} lines; budget {BUDGET_MS} ms)")


def _pod() -> dict[str, Any]:
    container = {"name": "main", "image": "wherry.local/host", "command": ["/usr/bin/python3", "-c", PROGRAM]}
    spec = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer"}, "spec": spec}


def _follow(connection: Connection) -> list[float]:
    """Return how late each line came that was written while somebody followed."""
    since_ns = time.time_ns()
    with Connection(connection.access).stream(f"{PODS}/writer/log", {"follow": "true"}) as lines:
        shown = [(int(line), time.time_ns()) for line in lines if line.strip()]
    return [(shown_ns - written_ns) / 1e6 for written_ns, shown_ns in shown if written_ns > since_ns]


if __name__ == "__main__":
    main()
