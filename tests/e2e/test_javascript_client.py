"""The official JavaScript client, `@kubernetes/client-node` from npm, unmodified."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Cluster, run, succeed

pytestmark = pytest.mark.root

HERE = Path(__file__).parent / "javascript"


def test_the_javascript_client_does_everything(cluster: Cluster, namespace: str, talker: str) -> None:
    node = shutil.which("node", path=str(Path(sys.executable).parent))
    if node is None or not (HERE / "node_modules").exists():
        pytest.skip("the JavaScript client is not installed; `make e2e` does that")

    words = [node, str(HERE / "session.mjs"), str(cluster.kubeconfig), namespace, talker]
    seen = json.loads(succeed(run(words)))

    assert seen == {
        "data": {"b": "2", "d": "4"},
        "names": ["secret-0", "secret-1", "secret-2"],
        "refusals": [[404, "NotFound"], [409, "AlreadyExists"], [422, "Invalid"]],
        "told": [["add", "watched"], ["update", "2"], ["delete", "watched"]],
        "log": "one\ntwo\n",
        "ran": ["through", "Success", ""],
        "failed": ["", "Failure", "NonZeroExitCode"],
        "forwarded": "WORD WORD",
    }
