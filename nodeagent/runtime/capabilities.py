"""The capabilities of Linux: their numbers, the set that a container gets by default, and additions and drops.

Standard library only. Source: linux/capability.h; the default is what Docker, containerd and CRI-O agree on.
"""

from collections.abc import Iterable

_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
NAMES = _NAMES.split()

_DEFAULT = (
    "CAP_AUDIT_WRITE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_MKNOD CAP_NET_BIND_SERVICE "
    "CAP_NET_RAW CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT"
)
DEFAULT = frozenset(_DEFAULT.split())

ALL = frozenset(f"CAP_{name}" for name in NAMES)
_NUMBERS = {f"CAP_{name}": number for number, name in enumerate(NAMES)}


def normalize(name: str) -> str:
    """Return `name` in the form CAP_X, or ALL; raise ValueError for one that Linux doesn't have."""
    upper = name.upper()
    full = upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}"
    if full != "ALL" and full not in _NUMBERS:
        raise ValueError(f"capability {name!r}: Linux has none of that name; use one like NET_ADMIN, or ALL")
    return full


def effective_set(added: Iterable[str], dropped: Iterable[str]) -> frozenset[str]:
    """Return the default set with `added` and without `dropped`; a name given on its own outweighs ALL."""
    plus, minus = {normalize(name) for name in added}, {normalize(name) for name in dropped}
    kept = ALL if "ALL" in plus else DEFAULT
    if "ALL" in minus:
        kept = frozenset()
    return (kept | (plus - {"ALL"})) - (minus - {"ALL"})


def mask(names: Iterable[str]) -> int:
    """Return the bit mask of capabilities in the form CAP_X."""
    return sum(1 << _NUMBERS[name] for name in set(names))
