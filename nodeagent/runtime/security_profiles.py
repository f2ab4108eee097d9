"""What a container asks of the node's security modules: seccomp profiles from files, AppArmor profiles, SELinux labels.

Keeps true: whatever can't be applied on a node that could hold it to it is refused, before anything exists.
Reads the profile's file. Source: CRI v1 SecurityProfile and SELinuxOption.
"""

import logging
from pathlib import Path
from typing import Any

from nodeagent.runtime import seccomp
from nodeagent.runtime.errors import invalid
from proto import cri_v1 as cri

_LOG = logging.getLogger(__name__)


def seccomp_of(config: cri.ContainerConfig, where: str) -> dict[str, Any] | None:
    """Return the seccomp profile in the file that a container names, if it names one."""
    wanted = config.linux.security_context.seccomp
    if wanted.profile_type != cri.Localhost or config.linux.security_context.privileged:
        return None
    file = Path(wanted.localhost_ref.removeprefix("localhost/"))
    if not file.is_absolute():
        raise invalid(where, f"seccomp profile {wanted.localhost_ref!r} is no absolute path; give one")
    try:
        return seccomp.checked(file.read_text())
    except (OSError, ValueError) as error:
        found = error.strerror if isinstance(error, OSError) else error
        raise invalid(where, f"seccomp profile {str(file)!r}: {found}") from None


def check_labels(config: cri.ContainerConfig, where: str) -> None:
    """Refuse what this runtime can't apply; SELinux labels mean nothing to a kernel without it, which is told."""
    security = config.linux.security_context
    apparmor = security.apparmor.localhost_ref if security.apparmor.profile_type == cri.Localhost else ""
    if not security.HasField("apparmor") and security.apparmor_profile.startswith("localhost/"):
        apparmor = security.apparmor_profile
    if apparmor:
        raise invalid(where, f"AppArmor profile {apparmor!r} can't be applied; use RuntimeDefault")
    wanted = security.selinux_options
    if not any((wanted.user, wanted.role, wanted.type, wanted.level)):
        return
    if Path("/sys/fs/selinux/enforce").exists():
        raise invalid(where, "SELinux options can't be applied; leave seLinuxOptions out")
    _LOG.warning("%s: its SELinux options have no effect, as this kernel has no SELinux", where)
