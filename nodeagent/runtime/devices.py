"""The devices that a container asks for: that they are there, and that it gets no more of them than that.

Plain functions, but for a look at the node's /dev. Source: CRI v1 Device.
"""

import os
import stat
from collections.abc import Collection
from pathlib import Path

from nodeagent.runtime.device_filter import EVERY_ACCESS, USUAL_DEVICES, DeviceRule
from nodeagent.runtime.errors import invalid
from proto import cri_v1 as cri


def check(config: cri.ContainerConfig, where: str) -> None:
    """Refuse what is no device of the node."""
    for device in config.devices:
        found = f"device {device.host_path!r}"
        if set(device.permissions) - set(EVERY_ACCESS):
            raise invalid(where, f"{found}: permissions {device.permissions!r} are unknown; use some of {EVERY_ACCESS}")
        try:
            mode = Path(device.host_path).stat().st_mode
        except OSError as error:
            raise invalid(where, f"{found}: {error.strerror}; name one of this node's") from None
        if not (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)):
            raise invalid(where, f"{found} is no device; use a mount for files and folders")


def rules(config: cri.ContainerConfig, capabilities: Collection[str]) -> tuple[DeviceRule, ...]:
    """Return the devices that a container must be kept to, or none where its mounts keep it from others already.

    One that may mount (CAP_SYS_ADMIN) without being privileged could get round `nodev`, and no mount keeps a container
    from writing to a device that it may only read.
    """
    own = [_rule(device) for device in config.devices]
    may_mount = "CAP_SYS_ADMIN" in capabilities
    is_narrow = any(not {"r", "w"} <= set(rule.access) for rule in own)
    if config.linux.security_context.privileged or not (may_mount or is_narrow):
        return ()
    return (*USUAL_DEVICES, *own)


def _rule(device: cri.Device) -> DeviceRule:
    status = Path(device.host_path).stat()
    kind = "b" if stat.S_ISBLK(status.st_mode) else "c"
    return DeviceRule(
        kind, os.major(status.st_rdev), os.minor(status.st_rdev), "".join(sorted(device.permissions)) or EVERY_ACCESS
    )
