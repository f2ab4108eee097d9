"""AppArmor: which profile a container gets.

Keeps true: a profile that is asked for is loaded, or the container is refused before anything of it exists.
Reads the kernel's list of profiles; has `apparmor_parser` load the default one where it isn't yet.
Source: CRI v1 SecurityProfile; apparmor.d(5); kernel docs admin-guide/LSM/apparmor.
"""

import logging
import subprocess
from collections.abc import Callable
from pathlib import Path

from nodeagent.runtime.errors import invalid
from proto import cri_v1 as cri

_LOG = logging.getLogger(__name__)
DEFAULT_NAME = "wherry-default"
DEFAULT = f"""profile {DEFAULT_NAME} flags=(attach_disconnected,mediate_deleted) {{
  network,
  capability,
  file,
  umount,
  signal (receive) peer=unconfined,
  signal (send,receive) peer={DEFAULT_NAME},
  ptrace (trace,read,tracedby,readby) peer={DEFAULT_NAME},
  deny mount,
  deny /proc/* w,
  deny /proc/sys/[^kn]** w,
  deny /proc/sys/kernel/{{?,??,[^smn][^heg]**}} w,
  deny /proc/sysrq-trigger rwklx,
  deny /proc/kcore rwklx,
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}}
"""
"""RuntimeDefault: no mounts, nothing written in /proc and /sys that is the node's, no tracing of what is outside."""
_LOAD_TIMEOUT_S = 30


def _load(profile: str) -> None:
    subprocess.run(["apparmor_parser", "--replace"], input=profile.encode(), check=True, timeout=_LOAD_TIMEOUT_S)


class AppArmor:
    """What the node has of it."""

    def __init__(self, root: Path = Path("/"), load: Callable[[str], None] = _load) -> None:
        """root: where /sys is. load: hands a profile to the kernel."""
        self._enabled = root / "sys/module/apparmor/parameters/enabled"
        self._profiles = root / "sys/kernel/security/apparmor/profiles"
        self._load = load

    def is_here(self) -> bool:
        """Whether the kernel holds anyone to a profile."""
        try:
            return self._enabled.read_text().strip() == "Y"
        except OSError:
            return False

    def profile_of(self, security: cri.LinuxContainerSecurityContext, where: str) -> str:
        """Return the profile of a container, or nothing; raises INVALID_ARGUMENT."""
        asked = _asked(security)
        if not self.is_here():
            if asked not in ("", "unconfined"):
                found = f"AppArmor profile {asked!r} can't be applied: this node's kernel has no AppArmor"
                raise invalid(where, f"{found}; use Unconfined or none, or another node")
            return ""
        if asked == "unconfined" or (security.privileged and not asked.startswith("localhost/")):
            return ""
        if asked.startswith("localhost/"):
            return self._local(asked.removeprefix("localhost/"), where)
        return self._default(where, is_asked=bool(asked))

    def _local(self, name: str, where: str) -> str:
        if name not in self._loaded():
            found = f"AppArmor profile {name!r} is not loaded on this node"
            raise invalid(where, f"{found}; load it with apparmor_parser, or use RuntimeDefault")
        return name

    def _default(self, where: str, *, is_asked: bool) -> str:
        """Return the default profile; where nobody asked for it, a node that can't load it does without."""
        if DEFAULT_NAME in self._loaded():
            return DEFAULT_NAME
        try:
            self._load(DEFAULT)
        except (OSError, subprocess.SubprocessError) as error:
            found = f"AppArmor profile {DEFAULT_NAME!r} can't be loaded ({error}); install apparmor_parser"
            if is_asked:
                raise invalid(where, f"{found}, or use Unconfined") from None
            _LOG.warning("%s: %s; it runs without", where, found)
            return ""
        return DEFAULT_NAME

    def _loaded(self) -> set[str]:
        """Return the names of the kernel's list, each line of which is `NAME (mode)`."""
        try:
            return {line.rpartition(" (")[0] for line in self._profiles.read_text().splitlines()}
        except OSError:
            return set()


def _asked(security: cri.LinuxContainerSecurityContext) -> str:
    """Return `unconfined`, `runtime/default`, `localhost/NAME` or nothing, whichever field says so."""
    if not security.HasField("apparmor"):
        return security.apparmor_profile
    if security.apparmor.profile_type == cri.Localhost:
        return f"localhost/{security.apparmor.localhost_ref.removeprefix('localhost/')}"
    return "unconfined" if security.apparmor.profile_type == cri.Unconfined else "runtime/default"
