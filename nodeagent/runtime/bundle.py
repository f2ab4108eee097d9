"""Turn what the CRI asks of a container into its bundle: an OCI `config.json`, and `launch.json` for what OCI lacks.

Keeps true: what can't be given is refused here, before anything exists. Plain functions: values in, values out.
Source: OCI runtime specification v1.1; CRI v1; containerd's defaults where the CRI is silent.
"""

import posixpath
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from nodeagent.runtime import capabilities, seccomp
from nodeagent.runtime.errors import invalid
from nodeagent.runtime.images.model import ImageConfig, RootLayers
from nodeagent.runtime.selinux import Labels
from nodeagent.runtime.user_mapping import mapped
from proto import cri_v1 as cri

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_PROC_FILES = {
    *("/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo", "/proc/slabinfo", "/proc/stat"),
    *("/proc/swaps", "/proc/uptime", "/proc/sys/crypto/fips_enabled", "/proc/sys/kernel/ns_last_pid"),
}
"""What may be mounted over: figures that a container's own file system (lxcfs) gives it instead of the node's."""
SHM = "/dev/shm"  # noqa: S108 - the pod's own, not a place for files of ours.
_SAFE = ["nosuid", "noexec", "nodev"]
_PID_MODES = {cri.POD: "pod", cri.CONTAINER: "container", cri.NODE: "node", cri.TARGET: "target"}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a container lives: what its sandbox, the cgroup driver and the image store have prepared.

    entry_files, oom_file, cgroup_mounts: see `cgroups`. shm: the host path of the pod's /dev/shm.
    volumes: the layers of each image volume, by its path in the container.
    ids: the pod's user namespace (see `pod.ids_of`), empty where it has the node's.
    seccomp: the profile of type Localhost, where one is asked for.
    pins: OCI's name and the file of each namespace that the pod has for itself.
    apparmor, labels: the profile of AppArmor, the labels of SELinux.
    """

    bundle: str
    hostname: str
    resolv_conf: str
    hostname_file: str
    shm: str
    cgroup: str
    entry_files: tuple[str, ...]
    oom_file: str
    cgroup_mounts: tuple[str, ...]
    layers: RootLayers
    log_path: str
    volumes: tuple[tuple[str, RootLayers], ...] = ()
    seccomp: Mapping[str, Any] | None = None
    pid_target: str = ""
    ids: Mapping[str, int] = {}
    pins: tuple[tuple[str, str], ...] = ()
    apparmor: str = ""
    labels: Labels = Labels()


def command(config: cri.ContainerConfig, image: ImageConfig) -> list[str]:
    """Return the argument vector: the pod's words override the image's; its command drops the image's Cmd."""
    if config.command:
        words = [*config.command, *config.args]
    else:
        words = [*(image.entrypoint or ()), *(config.args or image.cmd or ())]
    if not words:
        raise invalid(f"container {config.metadata.name!r}", "neither it nor its image names a command; set command")
    return words


def oci_config(config: cri.ContainerConfig, image: ImageConfig, place: Place) -> dict[str, Any]:
    """Return the OCI runtime configuration."""
    security = config.linux.security_context
    _refuse_unsupported(config, place)
    masked, readonly = list(security.masked_paths), list(security.readonly_paths)
    if security.privileged:
        masked, readonly = [], []
    elif not masked and not readonly and not place.ids:
        masked, readonly = list(MASKED_PATHS), list(READONLY_PATHS)
    return {
        "ociVersion": "1.1.0",
        "process": _process(config, image, place),
        "root": {"path": f"{place.bundle}/rootfs", "readonly": security.readonly_rootfs},
        "hostname": place.hostname,
        "mounts": _mounts(config, place),
        "linux": {
            "namespaces": _namespaces(security.namespace_options.pid, place.pins),
            "cgroupsPath": place.cgroup,
            "maskedPaths": masked,
            "readonlyPaths": readonly,
            "mountLabel": place.labels.files,
        },
    }


def _namespaces(pid: cri.NamespaceMode, pins: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return OCI's list; the shim is in the pod's namespaces already, other runtimes enter them by these paths."""
    own = [{"type": "mount"}, {"type": "cgroup"}, *([{"type": "pid"}] if pid == cri.CONTAINER else [])]
    return own + [{"type": kind, "path": path} for kind, path in pins]


def launch(config: cri.ContainerConfig, image: ImageConfig, place: Place) -> dict[str, Any]:
    """Return what the shim needs beyond OCI: layers, streams, cgroup files, and the user by name."""
    security = config.linux.security_context
    adjustment = config.linux.resources.oom_score_adj
    return {
        "layers": place.layers.folder,
        "lower": list(place.layers.lower),
        "folders": sorted(image.volumes or ()),
        "upper": f"{place.bundle}/upper",
        "work": f"{place.bundle}/work",
        "root": f"{place.bundle}/rootfs",
        "bundle": place.bundle,
        "privileged": security.privileged,
        "may_trace": "CAP_SYS_PTRACE" in _capabilities(security),
        "devices": [
            {"path": item.container_path, "source": item.host_path, "access": item.permissions or "rwm"}
            for item in config.devices
        ],
        "cgroups": list(place.entry_files),
        "cgroup_mounts": list(place.cgroup_mounts),
        "oom_file": place.oom_file,
        "oom_score_adj": adjustment or None,
        "identity": _identity(security, image.user),
        "pid_mode": _PID_MODES[security.namespace_options.pid],
        "pid_target": place.pid_target,
        "ids": dict(place.ids),
        "label": place.labels.files,
        "user_namespace": dict(place.pins).get("user", ""),
        "terminal": config.tty,
        "stdin": config.stdin,
        "stdin_once": config.stdin_once,
        "log_path": place.log_path,
    }


def _refuse_unsupported(config: cri.ContainerConfig, place: Place) -> None:
    security = config.linux.security_context
    where = f"container {config.metadata.name!r}"
    if security.HasField("run_as_group") and not (security.HasField("run_as_user") or security.run_as_username):
        raise invalid(where, "run_as_group was given without a user; set run_as_user too")
    users = security.namespace_options.userns_options
    if (users.uids or users.gids) and mapped(users.uids, users.gids) != place.ids:
        raise invalid(where, "its user namespace is not its pod's; give both the same mapping")
    if config.CDI_devices:
        raise invalid(where, "CDI devices are not supported; use devices")
    for mount in config.mounts:
        _check_target(mount, where)
        _check_recursive_readonly(mount, where)
        if (mount.uidMappings or mount.gidMappings) and mapped(mount.uidMappings, mount.gidMappings) != place.ids:
            found = f"mount {mount.container_path!r} maps ids otherwise than its pod's user namespace"
            raise invalid(where, f"{found}; give both the same mapping")
        if mount.image.image and not mount.readonly:
            raise invalid(where, f"image volume {mount.container_path!r} can't be written to; set readonly")


def _check_target(mount: cri.Mount, where: str) -> None:
    """Refuse a path where a mount would be without effect, or would stand for the kernel's own words in /proc."""
    path, found = posixpath.normpath(mount.container_path), f"mount path {mount.container_path!r}"
    if not path.startswith("/"):
        raise invalid(where, f"{found} is relative; use an absolute one")
    if path.strip("/") == "":
        raise invalid(where, f"{found} is the whole root, which the image fills; use a folder in it")
    is_kernels = path == "/proc" and posixpath.normpath(mount.host_path) == "/proc"
    if f"{path}/".startswith("/proc/") and path not in _PROC_FILES and not is_kernels:
        raise invalid(where, f"{found} is in /proc, which is the kernel's; use another")


def _check_recursive_readonly(mount: cri.Mount, where: str) -> None:
    if not mount.recursive_read_only:
        return
    found = f"mount {mount.container_path!r} is recursively read-only"
    if not mount.readonly:
        raise invalid(where, f"{found} but not readonly; set that too")
    if mount.propagation != cri.PROPAGATION_PRIVATE:
        raise invalid(where, f"{found} and propagates, so what appears below it later would not be; set one of them")


def _process(config: cri.ContainerConfig, image: ImageConfig, place: Place) -> dict[str, Any]:
    security = config.linux.security_context
    kept = _capabilities(security)
    ambient = sorted({capabilities.normalize(name) for name in security.capabilities.add_ambient_capabilities} & kept)
    return {
        "terminal": config.tty,
        "args": command(config, image),
        "env": _environment(config, image, place.hostname),
        "cwd": config.working_dir or image.working_dir or "/",
        "user": {"uid": security.run_as_user.value, "gid": security.run_as_group.value},
        "capabilities": {
            "bounding": sorted(kept),
            "effective": sorted(kept),
            "permitted": sorted(kept),
            "inheritable": ambient,
            "ambient": ambient,
        },
        "rlimits": [],
        "noNewPrivileges": security.no_new_privs,
        "seccomp": _seccomp(security, kept, place),
        "apparmorProfile": place.apparmor,
        "selinuxLabel": place.labels.process,
    }


def _seccomp(
    security: cri.LinuxContainerSecurityContext, kept: frozenset[str], place: Place
) -> Mapping[str, Any] | None:
    """Return the profile; no word of one means Unconfined, as the CRI has it, and privileged always is."""
    if security.privileged or not security.HasField("seccomp"):
        return None
    if security.seccomp.profile_type == cri.Localhost:
        return place.seccomp
    return seccomp.default_profile(kept) if security.seccomp.profile_type == cri.RuntimeDefault else None


def _capabilities(security: cri.LinuxContainerSecurityContext) -> frozenset[str]:
    if security.privileged:
        return capabilities.ALL
    try:
        return capabilities.effective_set(
            [*security.capabilities.add_capabilities, *security.capabilities.add_ambient_capabilities],
            security.capabilities.drop_capabilities,
        )
    except ValueError as error:
        raise invalid("security context", str(error)) from None


def _environment(config: cri.ContainerConfig, image: ImageConfig, hostname: str) -> list[str]:
    """Return NAME=value once per name; the image's first, then the pod's over it."""
    found = dict(item.split("=", 1) for item in (DEFAULT_PATH, f"HOSTNAME={hostname}"))
    if config.tty:
        found["TERM"] = "xterm"
    found |= dict(item.split("=", 1) for item in image.env or () if "=" in item)
    found |= {item.key: item.value.decode("utf-8", "surrogateescape") for item in config.envs}
    return [f"{name}={value}" for name, value in found.items()]


def _identity(security: cri.LinuxContainerSecurityContext, image_user: str) -> dict[str, Any]:
    user, _, group = image_user.partition(":")
    if security.HasField("run_as_user"):
        user, group = str(security.run_as_user.value), ""
    elif security.run_as_username:
        user, group = security.run_as_username, ""
    if security.HasField("run_as_group"):
        group = str(security.run_as_group.value)
    policy = "Strict" if security.supplemental_groups_policy == cri.Strict else "Merge"
    return {"user": user, "group": group, "extra": list(security.supplemental_groups), "policy": policy}


def _mounts(config: cri.ContainerConfig, place: Place) -> list[dict[str, Any]]:
    privileged = config.linux.security_context.privileged
    wanted = sorted(
        (_volume(mount, place, privileged) for mount in config.mounts), key=lambda item: _depth(item["destination"])
    )
    taken = {item["destination"] for item in wanted}
    return [item for item in _usual_mounts(privileged, place) if item["destination"] not in taken] + wanted


def _depth(path: str) -> int:
    return path.count("/")


def _usual_mounts(privileged: bool, place: Place) -> list[dict[str, Any]]:
    locked = [] if privileged else ["ro"]
    mounts = [
        _mount("/proc", "proc", "proc", _SAFE),
        _mount("/dev", "tmpfs", "tmpfs", ["nosuid", *_nodev(privileged), "mode=755", "size=64k", *_owner(place.ids)]),
        _mount(
            "/dev/pts",
            "devpts",
            "devpts",
            ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", f"gid={place.ids.get('gid', 0) + 5}"],
        ),
        _mount("/dev/mqueue", "mqueue", "mqueue", _SAFE),
        _mount("/sys", "sysfs", "sysfs", [*_SAFE, *locked]),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", [*_SAFE, *locked]),
        _mount(SHM, "bind", place.shm, ["rbind", "rprivate", *_SAFE]),
    ]
    for target, source in (("/etc/resolv.conf", place.resolv_conf), ("/etc/hostname", place.hostname_file)):
        if source:
            mounts.append(_mount(target, "bind", source, ["bind", "rprivate", *_nodev(privileged)]))
    return mounts


def _owner(ids: Mapping[str, int]) -> list[str]:
    return [f"{name}={ids[name]}" for name in ("uid", "gid") if ids]


def _nodev(privileged: bool) -> list[str]:
    return [] if privileged else ["nodev"]


def _mount(target: str, kind: str, source: str, options: Iterable[str]) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


def _volume(mount: cri.Mount, place: Place, privileged: bool) -> dict[str, Any]:
    target = posixpath.normpath(mount.container_path)
    if mount.image.image:
        layers = dict(place.volumes)[mount.container_path]
        volume = _mount(target, "image", layers.folder, ["ro", "nosuid", *_nodev(privileged)])
        return volume | {"lower": list(layers.lower), "subPath": mount.image_sub_path.strip("/")}
    propagation = {
        cri.PROPAGATION_PRIVATE: "rprivate",
        cri.PROPAGATION_HOST_TO_CONTAINER: "rslave",
        cri.PROPAGATION_BIDIRECTIONAL: "rshared",
    }[mount.propagation]
    options = ["rbind", propagation, *_nodev(privileged), *(["ridmap"] if mount.uidMappings else [])]
    if mount.readonly:
        options.append("rro" if mount.recursive_read_only else "ro")
    return _mount(target, "bind", mount.host_path, options)
