"""Read what the machine is and has.

Reads /proc, /sys, /etc; writes nothing.
"""

import os
import platform
import socket
from pathlib import Path
from typing import Final

from kube.api.core_v1 import NodeSystemInfo
from kube.quantity import Quantity

PODS_MAX: Final = 110
VERSION: Final = "v1.36.0"
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """Return the machine's architecture by Go's name for it."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def capacity(state_dir: Path) -> dict[str, Quantity]:
    """Return all that the machine has to offer."""
    disk = os.statvfs(state_dir)
    return {
        "cpu": Quantity(str(len(os.sched_getaffinity(0)))),
        "memory": Quantity(f"{_meminfo('MemTotal') // 1024}Ki"),
        "ephemeral-storage": Quantity(f"{disk.f_blocks * disk.f_frsize // 1024}Ki"),
        "pods": Quantity(str(PODS_MAX)),
        **huge_pages(),
    }


def huge_pages(root: Path = Path("/sys/kernel/mm/hugepages")) -> dict[str, Quantity]:
    """Return how much there is in huge pages of each size, by the name of the resource."""
    found = {}
    for folder in sorted(root.glob("hugepages-*kB")):
        size_kib = int(folder.name.removeprefix("hugepages-").removesuffix("kB"))
        count = int((folder / "nr_hugepages").read_text())
        unit = next(unit for unit in ((20, "Gi"), (10, "Mi"), (0, "Ki")) if size_kib >> unit[0])
        found[f"hugepages-{size_kib >> unit[0]}{unit[1]}"] = Quantity(f"{size_kib * count}Ki" if count else "0")
    return found


def _meminfo(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def system_info(runtime: str) -> NodeSystemInfo:
    """Return the machine's identity. runtime: "wherry://0.1"."""
    return NodeSystemInfo(
        architecture=architecture(),
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        container_runtime_version=runtime,
        kernel_version=platform.release(),
        kube_proxy_version=VERSION,
        kubelet_version=VERSION,
        machine_id=_read("/etc/machine-id"),
        operating_system="linux",
        os_image=_os_name(),
        system_uuid=_read("/sys/class/dmi/id/product_uuid"),
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_name() -> str:
    for line in _read("/etc/os-release").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip('"')
    return "Linux"


def address_towards(host: str) -> str:
    """Return this machine's address on the way to `host`; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address
