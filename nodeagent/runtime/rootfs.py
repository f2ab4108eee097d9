"""Build a container's root: overlay, volumes, /proc, /dev, /sys, masked and read-only paths.

Keeps true: every mount lives in the container's own mount namespace, so nothing is left when it ends; sources are
opened before the root changes and targets are looked up after it, so no symlink of an image or a volume can lead a
mount out of the container; nothing mounted for an unprivileged container honours device nodes, but the bound ones,
which are the node's own and so can be used but not changed (chmod); /dev is filled only where it is ours alone.
Reads the bundle's `config.json` and `launch.json` (see docs/runtime.md); runs in the container's first process, in
its own mount and cgroup namespaces. Standard library only. Source: OCI runtime specification, config.md.
"""

import os
import stat
from typing import Any

from nodeagent.runtime import syscalls
from nodeagent.runtime.syscalls import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    MS_SLAVE,
    labelled,
)

_FLAGS = {
    "ro": MS_RDONLY,
    "nosuid": MS_NOSUID,
    "nodev": MS_NODEV,
    "noexec": MS_NOEXEC,
    "relatime": syscalls.MS_RELATIME,
    "strictatime": syscalls.MS_STRICTATIME,
}
_ATTRIBUTES = {
    "ro": syscalls.MOUNT_ATTR_RDONLY,
    "rro": syscalls.MOUNT_ATTR_RDONLY,
    "nosuid": syscalls.MOUNT_ATTR_NOSUID,
    "nodev": syscalls.MOUNT_ATTR_NODEV,
    "noexec": syscalls.MOUNT_ATTR_NOEXEC,
}
_WORDS = {"bind", "rbind", "rw", "private", "rprivate", "slave", "rslave", "shared", "rshared", "ridmap"}
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "core": "/proc/kcore",
    "ptmx": "pts/ptmx",
}
_NOT_DEVICES = {"/dev/pts", "/dev/shm", "/dev/mqueue"}  # noqa: S108
_LABELLED = {"tmpfs", "devpts", "mqueue"}  # The others label their files themselves.
_KERNEL_FOLDERS = ("/proc", "/sys", "/dev")


def enter(config: dict[str, Any], launch: dict[str, Any], users: int = -1) -> None:
    """Build the root that `config` describes, and make it the caller's; users: a file of the pod's user namespace."""
    privileged = launch["privileged"]
    trees = _open_binds(config["mounts"], shared=True)
    syscalls.mount("none", "/", "", MS_REC | MS_SLAVE)
    trees |= _open_binds(config["mounts"], shared=False)
    if users >= 0:
        _map_layers(config["mounts"], launch, users)
    trees |= _open_images(config["mounts"], launch["root"], launch["label"])
    for place, tree in trees.items():
        if "ridmap" in config["mounts"][place]["options"]:
            syscalls.map_ids(tree, users, config["mounts"][place]["source"], recursive=True)
    devices = _host_devices() if privileged else _open_devices(launch["devices"])
    cover = _open_device("/dev/null")
    _mount_overlay(launch, MS_NODEV if users >= 0 or not privileged else 0)
    syscalls.pivot_root_here(launch["root"])
    for folder in _KERNEL_FOLDERS:
        _require_real_folder(folder)
    for folder in launch["folders"]:
        os.close(open_folder(folder, launch["ids"]))
    for place, mount in enumerate(config["mounts"]):
        if place in trees:
            _attach(trees[place], mount["destination"], launch["ids"])
        else:
            _mount(mount, launch)
        if mount["destination"] == "/dev" and mount["type"] == "tmpfs":
            _fill_dev(devices)
    _mask(config["linux"]["maskedPaths"], cover, launch["label"])
    for path in config["linux"]["readonlyPaths"]:
        _make_readonly(path)
    if config["root"]["readonly"]:
        syscalls.mount("none", "/", "", MS_REMOUNT | MS_BIND | MS_RDONLY | (0 if privileged else MS_NODEV))


def mount_layers(launch: dict[str, Any]) -> None:
    """Mount the root alone, for another runtime to build the rest in; nothing of it is seen outside of the caller."""
    syscalls.mount("none", "/", "", MS_REC | MS_SLAVE)
    _mount_overlay(launch, MS_NODEV)
    os.chdir("/")


def _map_layers(mounts: list[dict[str, Any]], launch: dict[str, Any], users: int) -> None:
    """Show the layers of the image and of image volumes with owners as the pod's user namespace has them.

    They are below the bundle then, where `launch` and `mounts` find them.
    """
    top = f"{launch['bundle']}/layers"
    launch["layers"], launch["lower"] = _mapped(launch["layers"], launch["lower"], users, f"{top}/root")
    for place, mount in enumerate(mounts):
        if mount["type"] == "image":
            mount["source"], mount["lower"] = _mapped(mount["source"], mount["lower"], users, f"{top}/{place}")


def _mapped(source: str, layers: list[str], users: int, folder: str) -> tuple[str, list[str]]:
    names = [str(place) for place in range(len(layers))]
    for name, layer in zip(names, layers, strict=True):
        place = os.path.join(source, layer)
        tree = syscalls.clone_tree(place, recursive=False)
        syscalls.map_ids(tree, users, place)
        _attach(tree, f"{folder}/{name}", {})
    return folder, names


def _mount_overlay(launch: dict[str, Any], flags: int) -> None:
    """Mount the image's layers under the container's own; relative names keep the options within one page."""
    os.chdir(launch["layers"])
    lower, upper, work = ":".join(launch["lower"]), launch["upper"], launch["work"]
    # volatile: the layer ends with its container, so no sync of it is worth waiting for.
    options = f"lowerdir={lower},upperdir={upper},workdir={work},volatile"
    if len(options) > 4000:
        raise OSError(f"image: {len(launch['lower'])} layers don't fit one mount; use an image of at most 110 layers")
    syscalls.mount("overlay", launch["root"], "overlay", flags, labelled(options, launch["label"]))


def _open_binds(mounts: list[dict[str, Any]], *, shared: bool) -> dict[int, int]:
    """Return place -> tree of the bind mounts; those that propagate both ways must be opened while still shared."""
    return {
        place: _open_bind(mount)
        for place, mount in enumerate(mounts)
        if mount["type"] == "bind" and ("rshared" in mount["options"]) == shared
    }


def _open_images(mounts: list[dict[str, Any]], spare: str, label: str) -> dict[int, int]:
    """Return place -> tree of the image volumes, each mounted at `spare` for a moment."""
    return {place: _open_image(mount, spare, label) for place, mount in enumerate(mounts) if mount["type"] == "image"}


def _open_image(mount: dict[str, Any], spare: str, label: str) -> int:
    os.chdir(mount["source"])
    lower = mount["lower"] if len(mount["lower"]) > 1 else [*mount["lower"], spare]  # Overlayfs wants two.
    syscalls.mount("overlay", spare, "overlay", MS_RDONLY, labelled(f"lowerdir={':'.join(lower)}", label))
    try:
        tree = syscalls.clone_tree(f"{spare}/{mount['subPath']}", recursive=False)
    finally:
        syscalls.unmount(spare)
    syscalls.set_mount_attributes(tree, sum({_ATTRIBUTES[option] for option in mount["options"]}))
    return tree


def _open_bind(mount: dict[str, Any]) -> int:
    options = mount["options"]
    recursive = "rbind" in options
    tree = syscalls.clone_tree(mount["source"], recursive=recursive)
    attributes = sum({_ATTRIBUTES[option] for option in options if option in _ATTRIBUTES})
    if "rprivate" in options:
        syscalls.set_mount_attributes(tree, 0, propagation=syscalls.MS_PRIVATE, recursive=recursive)
    if attributes:
        syscalls.set_mount_attributes(tree, attributes, recursive="rro" in options)
    return tree


def _attach(tree: int, path: str, ids: dict[str, int]) -> None:
    """Put `tree` at `path`, or where the links there lead to in the container."""
    is_folder = stat.S_ISDIR(os.fstat(tree).st_mode)
    target = open_folder(path, ids) if is_folder else _open_file(os.path.realpath(path), ids)
    syscalls.attach_tree(tree, target)
    os.close(target)
    os.close(tree)


def open_folder(path: str, ids: dict[str, int]) -> int:
    """Return a descriptor of a folder; it and what it is in are made where they aren't there.

    ids: of the user namespace whose root gets what is made. Others may change links while this goes on: those that
    lead out of the container, which are the kernel's own in /proc, are never followed.
    """
    try:
        return syscalls.open_plain(path, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        real = os.path.realpath(path)
    parent, name = open_folder(os.path.dirname(real), ids), os.path.basename(real)
    try:
        os.mkdir(name, dir_fd=parent)
        if ids:
            os.chown(name, ids["uid"], ids["gid"], dir_fd=parent, follow_symlinks=False)
        return os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)


def _open_file(path: str, ids: dict[str, int]) -> int:
    """Return a descriptor of what is at `path`, an empty file where there is nothing."""
    parent, name = open_folder(os.path.dirname(path), ids), os.path.basename(path)
    try:
        return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except FileNotFoundError:
        return os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=parent)
    finally:
        os.close(parent)


def _mount(mount: dict[str, Any], launch: dict[str, Any]) -> None:
    target, kind = mount["destination"], mount["type"]
    os.close(open_folder(target, launch["ids"]))
    flags = sum({_FLAGS[option] for option in mount["options"] if option in _FLAGS})
    options = ",".join(option for option in mount["options"] if option not in _FLAGS and option not in _WORDS)
    if kind == "cgroup":
        _mount_cgroups(target, flags, launch["cgroup_mounts"])
    else:
        label = launch["label"] if kind in _LABELLED else ""
        syscalls.mount(mount["source"], target, kind, flags, labelled(options, label))


def _mount_cgroups(target: str, flags: int, hierarchies: list[str]) -> None:
    """Show the container its own cgroups: the one v2 tree, or a folder for each v1 hierarchy."""
    if not hierarchies:
        syscalls.mount("cgroup", target, "cgroup2", flags)
        return
    syscalls.mount("tmpfs", target, "tmpfs", flags & ~MS_RDONLY, "mode=755,size=64k")
    for controllers in hierarchies:
        folder = f"{target}/{controllers}"
        os.mkdir(folder)
        syscalls.mount("cgroup", folder, "cgroup", flags, controllers)
        for controller in controllers.split(","):
            if controller != controllers:
                os.symlink(controllers, f"{target}/{controller}")
    syscalls.mount("none", target, "", flags | MS_REMOUNT | MS_BIND)


def _open_devices(extra: list[dict[str, str]]) -> dict[str, int]:
    """Return path in the container -> tree of the host's device, for the usual ones and `extra`."""
    trees = {f"/dev/{name}": _open_device(f"/dev/{name}") for name in _DEVICES}
    for device in extra:
        trees[device["path"]] = _open_device(device["source"])
    return trees


def _open_device(path: str) -> int:
    """Return a tree of a device: read-only, which lets it be written to as a device, but not be changed as a file."""
    tree = syscalls.clone_tree(path, recursive=False)
    syscalls.set_mount_attributes(tree, syscalls.MOUNT_ATTR_RDONLY)
    return tree


def _host_devices() -> dict[str, os.stat_result]:
    """Return path -> what it is, of every device under the host's /dev."""
    found: dict[str, os.stat_result] = {}
    for folder, folders, files in os.walk("/dev"):
        folders[:] = [name for name in folders if f"{folder}/{name}" not in _NOT_DEVICES]
        for name in files:
            status = os.lstat(f"{folder}/{name}")
            if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                found[f"{folder}/{name}"] = status
    found.pop("/dev/ptmx", None)
    return found


def _fill_dev(devices: dict[str, int] | dict[str, os.stat_result]) -> None:
    for path, device in devices.items():
        if isinstance(device, int):
            _attach(device, path, {})
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.mknod(path, device.st_mode, device.st_rdev)
            os.chown(path, device.st_uid, device.st_gid)
            os.chmod(path, stat.S_IMODE(device.st_mode))  # What mknod makes of it depends on the umask.
    for name, target in _LINKS.items():
        os.symlink(target, f"/dev/{name}")


def _require_real_folder(path: str) -> None:
    """Refuse an image that would lead the kernel's own file systems elsewhere by a symlink."""
    if not os.path.lexists(path):
        os.mkdir(path, 0o755)
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        raise OSError(f"image: {path} is not a folder; the kernel's file system can't be mounted there")


def _mask(paths: list[str], cover: int, label: str) -> None:
    """Cover `paths`; cover: a tree of the node's /dev/null, as a volume at /dev might lead its name elsewhere."""
    for path in paths:
        if os.path.isdir(path):
            flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
            syscalls.mount("tmpfs", path, "tmpfs", flags, labelled("size=4k", label))
        elif os.path.exists(path):
            cover = _attach_and_copy(cover, path)
    os.close(cover)


def _attach_and_copy(tree: int, path: str) -> int:
    """Put `tree` at `path`; return a tree of the same, which can be had only of what is attached."""
    target = _open_file(os.path.realpath(path), {})
    syscalls.attach_tree(tree, target)
    os.close(target)
    copy = syscalls.clone_attached(tree)
    os.close(tree)
    return copy


def _make_readonly(path: str) -> None:
    if os.path.lexists(path):
        syscalls.mount(path, path, "", MS_BIND | MS_REC)
        keep = MS_NOSUID | MS_NODEV | MS_NOEXEC
        syscalls.mount("none", path, "", MS_REMOUNT | MS_BIND | MS_RDONLY | keep)
