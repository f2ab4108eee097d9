"""A containerd of the tests' own, and an image in it."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.conftest import Result, run, succeed
from tests.runtime.machine import make_root

IMAGE = "test.local/busybox:1"
WAIT_S = 30.0
STOP_S = 20.0
# A pod's sandbox needs an image too; a host whose root lacks CAP_SYS_RESOURCE needs restrict_oom_score_adj.
CONFIG = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{image}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{folder}/cni/bin"
conf_dir = "{folder}/cni/conf"
"""


def socket_of(folder: Path) -> Path:
    """Return the socket of the containerd that lives in a folder."""
    return folder / "containerd.sock"


def containers(folder: Path) -> list[str]:
    """Return the ids of all containers and sandboxes that it has."""
    return succeed(_ctr(folder, "containers", "ls", "-q")).split()


@contextmanager
def running_containerd(folder: Path) -> Iterator[None]:
    """Run containerd in a folder, with the image."""
    config = folder / "config.toml"
    config.write_text(CONFIG.format(folder=folder, image=IMAGE))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["containerd", "--config", str(config)], stdout=log, stderr=log)
    try:
        _wait_for(folder, process)
        succeed(_ctr(folder, "images", "import", str(_archive(folder / "image"))))
        yield
    finally:
        process.terminate()
        process.wait(STOP_S)


def _wait_for(folder: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + WAIT_S
    while _ctr(folder, "version").code != 0:
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < until, "containerd doesn't serve"
        time.sleep(0.05)


def _ctr(folder: Path, *words: str) -> Result:
    return run(["ctr", "--address", str(socket_of(folder)), "--namespace", "k8s.io", *words])


def _archive(folder: Path) -> Path:
    """Return an archive of an image of busybox that sleeps unless it is told otherwise."""
    layout, archive = folder / "layout", folder / "image.tar"
    folder.mkdir()
    root = make_root(folder / "root")
    settings = ("--config.cmd", "/bin/sleep", "--config.cmd", "1000000", "--config.env", "PATH=/bin")
    for words in (
        ("umoci", "init", "--layout", str(layout)),
        ("umoci", "new", "--image", f"{layout}:1"),
        ("umoci", "insert", "--image", f"{layout}:1", str(root), "/"),
        ("umoci", "config", "--image", f"{layout}:1", *settings),
        ("skopeo", "copy", f"oci:{layout}:1", f"docker-archive:{archive}:{IMAGE}"),
    ):
        succeed(run(words))
    shutil.rmtree(root)
    return archive
