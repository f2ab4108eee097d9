"""SELinux: which labels a container's processes and files get.

Keeps true: a label that is asked for is one of the node's policy, or the container is refused before anything of it
exists. On a kernel without SELinux a type that would confine is refused; a level, role or user alone has no effect
there, as with every other runtime, and neither has the type of those that nothing confines: the log says so.
Reads the policy's contexts for containers; relabels volumes. Source: CRI v1 SELinuxOption; selinux(8); what
container-selinux installs.
"""

import logging
import os
import re
from pathlib import Path

import msgspec

from nodeagent.runtime.errors import invalid
from proto import cri_v1 as cri

_LOG = logging.getLogger(__name__)
UNCONFINED_TYPES = {"", "spc_t", "unconfined_t"}
_CONTEXT = re.compile(r'^\s*(process|file)\s*=\s*"([^"]+)"', re.MULTILINE)
_TYPE = re.compile(r"^SELINUXTYPE=(\S+)", re.MULTILINE)
_ATTRIBUTE = "security.selinux"
_NODES_OWN = {
    *("/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/media", "/mnt", "/opt", "/proc"),
    *("/root", "/run", "/sbin", "/srv", "/sys", "/usr", "/var", "/var/lib", "/var/log", "/var/run"),
}


class Labels(msgspec.Struct, frozen=True):
    """What a container's processes and its files are labelled; nothing leaves them as they would be."""

    process: str = ""
    files: str = ""


class SELinux:
    """What the node has of it."""

    def __init__(self, root: Path = Path("/")) -> None:
        """root: where /sys and /etc are."""
        self._root = root
        self._kernel = root / "sys/fs/selinux"

    def is_here(self) -> bool:
        """Whether the kernel has a policy."""
        return (self._kernel / "enforce").exists()

    def labels_of(self, options: cri.SELinuxOption, where: str, *, privileged: bool = False) -> Labels:
        """Return the labels that `options` ask for; raises INVALID_ARGUMENT."""
        if not any((options.user, options.role, options.type, options.level)):
            return Labels()
        if not self.is_here():
            return _without(options, where)
        process, files = self._contexts(where)
        own = _merged(process, options)
        files = ":".join([*files.split(":", 3)[:3], own.split(":", 3)[3]])
        for label in (own, files):
            self._check(label, where)
        return Labels("" if privileged else own, files)

    def _contexts(self, where: str) -> tuple[str, str]:
        """Return the policy's own labels for the processes and files of containers."""
        try:
            kind = _TYPE.search((self._root / "etc/selinux/config").read_text())
            folder = self._root / "etc/selinux" / (kind[1] if kind else "targeted")
            found = dict(_CONTEXT.findall((folder / "contexts/lxc_contexts").read_text()))
            return found["process"], found["file"]
        except (OSError, KeyError):
            told = "SELinux options: this node's policy has no labels for containers (contexts/lxc_contexts)"
            raise invalid(where, f"{told}; install container-selinux") from None

    def _check(self, label: str, where: str) -> None:
        """Ask the kernel whether its policy knows `label`."""
        try:
            (self._kernel / "context").write_text(label)
        except OSError:
            found = f"SELinux label {label!r} is not one of this node's policy"
            raise invalid(where, f"{found}; check seLinuxOptions") from None


def _without(options: cri.SELinuxOption, where: str) -> Labels:
    if options.type not in UNCONFINED_TYPES:
        found = f"SELinux type {options.type!r} can't be applied: this node's kernel has no SELinux"
        raise invalid(where, f"{found}; leave seLinuxOptions.type out, or use another node")
    _LOG.warning("%s: its SELinux options have no effect, as this kernel has no SELinux", where)
    return Labels()


def _merged(label: str, options: cri.SELinuxOption) -> str:
    parts = (*label.split(":", 3), "s0")[:4]
    asked = (options.user, options.role, options.type, options.level)
    return ":".join(own or usual for own, usual in zip(asked, parts, strict=True))


def relabel(folder: str, label: str, where: str) -> None:
    """Label a volume and everything in it; raises INVALID_ARGUMENT for a folder that the node itself lives by."""
    top = os.path.realpath(folder)
    if top in _NODES_OWN:
        raise invalid(where, f"mount {folder!r} is the node's own and is not relabelled; mount a folder in it")
    _set(top, label)
    for place, folders, files in os.walk(top):
        for name in (*folders, *files):
            _set(f"{place}/{name}", label)


def _set(path: str, label: str) -> None:
    os.setxattr(path, _ATTRIBUTE, label.encode() + b"\0", follow_symlinks=False)
