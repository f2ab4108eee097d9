"""An operator that is written with `kopf` from PyPI, unmodified."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Cluster, eventually, succeed

pytestmark = pytest.mark.root

PAGE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: page, labels: {greeted: "yes"}}
data: {a: "1"}
"""


@pytest.fixture
def operator(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """An operator in a process of its own. Returns where its log is."""
    script, log = Path(__file__).with_name("kopf_operator.py"), tmp_path / "log"
    argv = [sys.executable, "-m", "kopf", "run", "--standalone", "--namespace", namespace, str(script)]
    environ = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    with log.open("w") as output, subprocess.Popen(argv, env=environ, stdout=output, stderr=output) as process:
        yield log
        process.terminate()
        assert process.wait(30) == 0, log.read_text()


def test_an_operator_hears_of_objects_and_writes_on_them(cluster: Cluster, namespace: str, operator: Path) -> None:
    def annotations() -> dict[str, Any]:
        found = json.loads(succeed(cluster.wherry("get", "configmap", "page", "-n", namespace, "-o", "json")))
        return dict(found["metadata"].get("annotations", {}))

    succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", stdin=PAGE))
    eventually("the greeting", lambda: annotations().get("greeting") == "hello page")
    succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", stdin=PAGE.replace('a: "1"', 'b: "1"')))
    eventually("the change", lambda: annotations().get("changed") == "b")
    succeed(cluster.wherry("delete", "configmap", "page", "-n", namespace))

    events = succeed(cluster.wherry("get", "events", "-n", namespace))
    assert "Farewell" in events
    told = operator.read_text()
    assert "Handler 'greet' succeeded" in told
    assert "Traceback" not in told
