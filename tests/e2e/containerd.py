"""A containerd of the tests' own, with the images that they need."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

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
MIRROR = """
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."{registry}"]
endpoint = ["http://{address}"]
"""


def output(*argv: str) -> str:
    """Return what a command prints. Fails the test where it does not end well."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Containerd:
    """A containerd that lives in a folder."""

    def __init__(self, folder: Path, mirrors: Mapping[str, str]) -> None:
        self._folder = folder
        self._argv = ["containerd", "--config", str(folder / "config.toml")]
        self._process: subprocess.Popen[bytes] | None = None
        told = [MIRROR.format(registry=name, address=address) for name, address in mirrors.items()]
        (folder / "config.toml").write_text("".join([CONFIG.format(folder=folder, image=IMAGE), *told]))

    @property
    def cni_configurations(self) -> list[Path]:
        """The networks that its pods may have."""
        return list((self._folder / "cni" / "conf").iterdir())

    @property
    def endpoint(self) -> str:
        """Its socket, as `--cri` takes it."""
        return f"unix://{self._folder / 'containerd.sock'}"

    def containers(self) -> list[str]:
        """Return the ids of all containers and sandboxes that it has."""
        return output(*self._ctr("containers", "ls", "-q")).split()

    def start(self) -> None:
        """Start it and wait until it serves."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log)
        until = time.monotonic() + WAIT_S
        while subprocess.run(self._ctr("version"), capture_output=True, check=False).returncode != 0:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < until, "containerd doesn't serve"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; what runs in its containers goes on."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(STOP_S)

    def load(self, archive: Path) -> None:
        """Give it the images of an archive."""
        output(*self._ctr("images", "import", str(archive)))

    def _ctr(self, *words: str) -> list[str]:
        socket = self.endpoint.removeprefix("unix://")
        return ["ctr", "--address", socket, "--namespace", "k8s.io", *words]


@contextmanager
def running_containerd(folder: Path, mirrors: Mapping[str, str] | None = None) -> Iterator[Containerd]:
    """Run containerd in a folder, with the image. mirrors: where a registry is to be found, host:port by its name."""
    containerd = Containerd(folder, mirrors or {})
    containerd.start()
    try:
        containerd.load(make_archive(folder / "image"))
        yield containerd
    finally:
        containerd.stop()


def make_archive(folder: Path, name: str = IMAGE) -> Path:
    """Return an archive of an image of busybox that sleeps unless it is told otherwise."""
    archive = folder / "image.tar"
    folder.mkdir()
    root = make_root(folder / "root")
    settings = ("--config.cmd", "/bin/sleep", "--config.cmd", "1000000", "--config.env", "PATH=/bin")
    layout = make_layout(folder / "layout", root, *settings)
    output("skopeo", "copy", f"oci:{layout}:1", f"docker-archive:{archive}:{name}")
    shutil.rmtree(root)
    return archive


def make_layout(layout: Path, root: Path, *settings: str) -> Path:
    """Make an OCI layout with an image `1` of a root file system. settings: options of `umoci config`."""
    for words in (
        ("init", "--layout", str(layout)),
        ("new", "--image", f"{layout}:1"),
        ("insert", "--image", f"{layout}:1", str(root), "/"),
        ("config", "--image", f"{layout}:1", *settings),
    ):
        output("umoci", *words)
    return layout
