"""Volumes as files: who may write what, and what is left of them."""

from pathlib import Path
from typing import Any

import pytest

from kube.api.core_v1 import ConfigMap, Secret
from kube.api.meta_v1 import ObjectMeta
from nodeagent.pods.downward import PodFacts
from nodeagent.pods.environment import References
from nodeagent.pods.volumes import NodeDirs, PodVolumes
from tests.nodeagent.make import container, pod

_HELD = References(
    {"cm": ConfigMap(metadata=ObjectMeta(name="cm"), data={"a": "1"})},
    {"sec": Secret(metadata=ObjectMeta(name="sec"), data={"pw": b"hunter2"})},
)
_SOURCES: dict[str, dict[str, Any]] = {
    "configMap": {"configMap": {"name": "cm"}},
    "secret": {"secret": {"secretName": "sec"}},
    "downwardAPI": {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    "projected": {"projected": {"sources": [{"configMap": {"name": "cm"}}]}},
    "emptyDir": {"emptyDir": {}},
}


@pytest.mark.parametrize("kind", _SOURCES)
def test_no_container_writes_where_the_node_writes_files(kind: str, tmp_path: Path) -> None:
    """A link planted beside `..data` would make the next update write, as root, wherever it leads."""
    mounts = [{"name": "v", "mountPath": "/v"}]
    wanted = pod(volumes=[{"name": "v", **_SOURCES[kind]}], containers=[container(volumeMounts=mounts)])
    volumes = PodVolumes(NodeDirs(tmp_path / "state", tmp_path / "run"), wanted)

    volumes.prepare(PodFacts(wanted), _HELD, {})
    (mount,) = volumes.mounts(wanted.spec.containers[0], {})

    assert mount.is_readonly is (kind != "emptyDir")
