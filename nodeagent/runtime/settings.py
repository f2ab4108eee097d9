"""What one runtime process is told at its start, and where its files are."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from nodeagent.memory import keep_in_memory

HIDDEN_PATHS = (
    *("/home", "/media", "/mnt", "/root", "/run", "/srv", "/tmp", "/var/lib/wherry", "/var/tmp"),  # noqa: S108
    *("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/krb5.keytab", "/etc/ssh/ssh_host_*_key"),
    *("/etc/kubernetes", "/etc/letsencrypt", "/etc/rancher", "/etc/ssl/private", "/etc/wireguard"),
    *("/etc/NetworkManager/system-connections", "/etc/ppp/*-secrets"),
    *("/var/backups", "/var/crash", "/var/log", "/var/mail", "/var/spool"),
    *(f"/var/lib/{name}" for name in ("containerd", "containers", "docker", "etcd", "kubelet", "rancher", "k0s")),
    *(f"/var/lib/{name}" for name in ("libvirt", "lxc", "lxd", "machines", "NetworkManager", "private", "systemd")),
    *(f"/var/lib/{name}" for name in ("mysql", "postgresql", "mongodb", "redis", "consul", "vault", "samba", "cloud")),
)
"""What is the machine's data or secret, and no program of it; shell patterns."""


class RuntimeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one runtime; every folder is made with mode 0700 when it is missing.

    socket_path: the CRI socket. state_dir: survives everything (records, logs of shims, writable layers).
    run_dir: pins, shim sockets, covers; in memory. image_dir: the content store, shared by all clusters of a machine.
    cgroup_parent: where the cgroups of pods go that name no parent of their own, like `/wherry/NAME`.
    hidden_paths: what a container of `wherry.local/host` sees as empty; shell patterns.
    insecure_registries: host[:port] of registries that are spoken to over http; loopback addresses always are.
    registry_mirrors: REGISTRY=HOST[:PORT][/PREFIX], asked before the registry itself.
    streaming_address: where exec and attach are served; the port is any free one.
    handlers: the OCI runtimes that a sandbox may name instead of the built-in one, and their command lines.
    pids_per_container: how many processes one may have where it names no limit itself; 0 for any number.
    """

    socket_path: Path
    state_dir: Path
    run_dir: Path
    image_dir: Path
    cgroup_parent: str = "/wherry"
    allow_host_image: bool = False
    insecure_registries: tuple[str, ...] = ()
    registry_mirrors: tuple[str, ...] = ()
    hidden_paths: tuple[str, ...] = HIDDEN_PATHS
    streaming_address: str = "127.0.0.1"
    handlers: Mapping[str, str] = {}
    pids_per_container: int = 0

    @property
    def sandboxes_dir(self) -> Path:
        """One folder per sandbox: its record, its shim's pid, resolv.conf, hostname."""
        return self.state_dir / "sandboxes"

    @property
    def containers_dir(self) -> Path:
        """One folder (a bundle) per container."""
        return self.state_dir / "containers"

    @property
    def covers_dir(self) -> Path:
        """What `wherry.local/host` has over the machine's root."""
        return self.run_dir / "covers"

    @property
    def rehearsal_dir(self) -> Path:
        """Where the zygote rehearses, for a moment after its start."""
        return self.run_dir / "rehearsal"

    def make_dirs(self) -> None:
        """Make the folders; only root may look into them, as images hold setuid programs and pods hold secrets."""
        for folder in (self.state_dir, self.sandboxes_dir, self.containers_dir, self.image_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_in_memory(self.run_dir)
        self.socket_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
