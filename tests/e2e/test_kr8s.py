"""The `kr8s` client from PyPI, unmodified."""

import json
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Cluster, run, succeed

pytestmark = pytest.mark.root


def test_kr8s_does_everything(cluster: Cluster, namespace: str, talker: str) -> None:
    script = str(Path(__file__).with_name("kr8s_session.py"))

    seen = json.loads(succeed(run([sys.executable, script, str(cluster.kubeconfig), namespace, talker])))

    assert seen == {
        "data": [{"b": "2"}],
        "refusals": [[409, "AlreadyExists"], [422, "Invalid"], True],
        "is gone": True,
        "log": ["one", "two"],
        "ran": "hello\n",
        "failed": 7,
        "forwarded": "WORD WORD",
    }
