"""A registry with an image that stands in for `wherry.local/host`, for runtimes that can't show the machine itself.

It holds the programs that the tests' pods run, as this machine has them.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.e2e.containerd import make_layout, output
from tests.runtime.registry_process import running_registry

REGISTRY: Final = "wherry.local"
PROGRAMS: Final = (
    "bash cat chmod cp date echo env false grep head hostname id kill ln ls mkdir mv python3 rm sed sh sleep stat stty "
    "tail tar test touch tr true uname wc"
)
PYTHON: Final = Path("/usr/lib/python3.11")


@contextmanager
def serving_host_image(folder: Path) -> Iterator[str]:
    """Run a registry in a folder that has the image; yields its host:port."""
    layout = make_layout(folder / "layout", _make_root(folder / "root"), "--config.env", f"PATH={os.defpath}")
    shutil.rmtree(folder / "root")
    with running_registry(folder) as address:
        output("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:1", f"docker://{address}/host:latest")
        yield address


def _make_root(folder: Path) -> Path:
    """Copy the programs, Python, and the libraries that they load below a folder."""
    for name in ("bin", "lib", "lib64", "sbin"):
        (folder / "usr" / name).mkdir(parents=True)
        (folder / name).symlink_to(f"usr/{name}")
    for name in ("etc", "home", "proc", "root", "run", "sys", "tmp", "var/tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "tmp").chmod(0o1777)
    for file in ("/etc/passwd", "/etc/group"):
        _copy(file, folder)
    modules = folder / PYTHON.relative_to("/")
    shutil.copytree(PYTHON, modules, ignore=shutil.ignore_patterns("test", "__pycache__", "config-*", "dist-packages"))
    programs = [f"/usr/bin/{name}" for name in PROGRAMS.split()]
    for file in (*programs, *_libraries([*programs, *map(str, PYTHON.glob("lib-dynload/*.so"))])):
        _copy(file, folder)
    return folder


def _libraries(files: list[str]) -> set[str]:
    """Return what programs and modules load, as the machine's own loader finds it."""
    return set(re.findall(r"(/\S+) \(0x", output("ldd", *files)))


def _copy(file: str, folder: Path) -> None:
    """Copy a file, as what its links lead to, to the same place below a folder."""
    there = folder / file.lstrip("/")
    there.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, there)
