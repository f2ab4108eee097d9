"""What a container asks of seccomp: the profile in a file of the node; and what it may do without the default one.

Keeps true: what can't be applied is refused, before anything exists. Reads the profile's file.
Source: CRI v1 SecurityProfile.
"""

from pathlib import Path
from typing import Any

from nodeagent.runtime import seccomp
from nodeagent.runtime.errors import invalid
from proto import cri_v1 as cri


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


def may_mount(config: cri.ContainerConfig) -> bool:
    """Say whether a container may mount something, be it in a user namespace that it makes.

    It may then mount every hierarchy of cgroups, as deep down as it is in a group of its own.
    """
    security = config.linux.security_context
    is_filtered = security.seccomp.profile_type == cri.RuntimeDefault and security.HasField("seccomp")
    added = {name.upper().removeprefix("CAP_") for name in security.capabilities.add_capabilities}
    return security.privileged or not is_filtered or bool(added & {"ALL", "SYS_ADMIN"})
