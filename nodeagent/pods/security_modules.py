"""AppArmor and SELinux: what a pod asks of them, in the runtime's words. Plain functions, but for a look at the kernel.

Source: kubernetes.io/docs/tasks/configure-pod-container/security-context, .../tutorials/security/apparmor.
"""

from pathlib import Path

from kube.api.core_v1 import PodSecurityContext, SecurityContext
from proto import cri_v1


def has_app_armor(root: Path = Path("/")) -> bool:
    """Say whether this node's kernel holds anyone to a profile."""
    try:
        return (root / "sys/module/apparmor/parameters/enabled").read_text().strip() == "Y"
    except OSError:
        return False


def app_armor(own: SecurityContext | None, shared: PodSecurityContext | None) -> cri_v1.SecurityProfile | None:
    """Return the profile that a container names, else its pod's."""
    asked = (own.app_armor_profile if own else None) or (shared.app_armor_profile if shared else None)
    if asked is None:
        return None
    return cri_v1.SecurityProfile(profile_type=asked.type, localhost_ref=asked.localhost_profile or "")


def se_linux(own: SecurityContext | None, shared: PodSecurityContext | None) -> cri_v1.SELinuxOption | None:
    """Return the options that a container names, else its pod's."""
    asked = (own.se_linux_options if own else None) or (shared.se_linux_options if shared else None)
    if asked is None:
        return None
    return cri_v1.SELinuxOption(user=asked.user, role=asked.role, type=asked.type, level=asked.level)
