"""Hand a bundle to another OCI runtime (runc, crun), which makes the container that the shim then keeps.

Keeps true: the runtime is a child that ends once the container runs; the container's first process becomes the shim's
own child (it is a subreaper), so logs, exit status and survival are as with the built-in one. The root is mounted in
the runtime's mount namespace alone; its state lies in the bundle and goes with it.
Reads the bundle's parts; writes `oci/config.json` below it. Standard library only.
Source: OCI runtime specification; the command line that runc and crun share.
"""

import json
import os
import signal
import stat
from socket import SocketType
from typing import Any, NoReturn

from nodeagent.runtime import container_init, identity, rootfs, syscalls
from nodeagent.runtime.shim_spawn import Outcome

_STATUS_BYTES = 65536
_EXIT_CODE_NOT_STARTED = 128


def run(bundle: str, stdio: list[int], status: SocketType) -> NoReturn:
    """Mount the root, complete the configuration, and become the runtime that makes the container."""
    with container_init.Reporting(status):
        config, launch = container_init.read_bundle(bundle)
        os.setsid()
        syscalls.control_process(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)  # No start goes on without its shim.
        syscalls.unshare(syscalls.CLONE_NEWNS)
        rootfs.mount_layers(launch)
        who = _within(launch)
        folder = folder_of(launch["bundle"])
        os.mkdir(folder, 0o700)
        with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
            json.dump(adapted(config, launch, who, _own_oom_score()), file)
        for place, descriptor in enumerate(stdio):
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.fchown(descriptor, who.uid, -1)  # So that it can be opened again as /dev/stdout.
            os.dup2(descriptor, place)
        syscalls.close_on_exec_from(3)
        report = {"user": {"uid": who.uid, "gid": who.gid, "groups": who.groups}, "warnings": []}
        status.send(container_init.READY + json.dumps(report).encode())
        os.execv(launch["handler"][0], command(launch))  # noqa: S606 - the whole point of this module.


def run_further(process: dict[str, Any], bundle: str, stdio: list[int], status: SocketType) -> NoReturn:
    """Become the runtime that adds a process to a container of a kernel of its own."""
    with container_init.Reporting(status):
        if process["terminal"]:
            raise container_init.StartError("a terminal can't be had in a container of this runtime; leave out tty")
        _, launch = container_init.read_bundle(bundle)
        os.setsid()
        for place, descriptor in enumerate(stdio):
            os.dup2(descriptor, place)
        syscalls.close_on_exec_from(3)
        status.send(container_init.READY + json.dumps({"user": {}, "warnings": []}).encode())
        os.execv(launch["handler"][0], further_command(process["args"], launch, _user(launch)))  # noqa: S606 - see run().


def folder_of(bundle: str) -> str:
    """Return where the runtime's own bundle, state, log and pid file are."""
    return f"{bundle}/oci"


def command(launch: dict[str, Any]) -> list[str]:
    """Return the command line that makes and starts a container."""
    folder = folder_of(launch["bundle"])
    return [*_spoken_to(launch), "run", "--detach", "--pid-file", f"{folder}/pid", "--bundle", folder, _name(launch)]


def further_command(arguments: list[str], launch: dict[str, Any], user: dict[str, Any]) -> list[str]:
    """Return the command line that adds a process to a container, and ends as that does.

    user: whom the container runs as; runsc takes all else from there by itself, but makes root of who isn't named.
    """
    groups = [word for gid in user["additionalGids"] for word in ("--additional-gids", str(gid))]
    who = ["--user", f"{user['uid']}:{user['gid']}", *groups]
    return [*_spoken_to(launch), "exec", *who, _name(launch), *arguments]


def _user(launch: dict[str, Any]) -> dict[str, Any]:
    with open(f"{folder_of(launch['bundle'])}/config.json", encoding="utf-8") as file:
        user: dict[str, Any] = json.load(file)["process"]["user"]
        return user


def _spoken_to(launch: dict[str, Any]) -> list[str]:
    folder = folder_of(launch["bundle"])
    return [*launch["handler"], "--root", f"{folder}/state", "--log", f"{folder}/log", "--log-format", "json"]


def _name(launch: dict[str, Any]) -> str:
    return os.path.basename(str(launch["bundle"]))


def adapted(config: dict[str, Any], launch: dict[str, Any], who: identity.Identity, oom_score: int) -> dict[str, Any]:
    """Return our configuration as any OCI runtime takes it: users by number, devices made by it, seccomp in its place.

    oom_score: our own; a lower one needs a capability that not every host's root has.
    """
    process = {key: value for key, value in config["process"].items() if key != "seccomp" and value != ""}
    process["user"] = {"uid": who.uid, "gid": who.gid, "additionalGids": who.groups}
    if who.home and not any(item.startswith("HOME=") for item in process["env"]):
        process["env"] = [*process["env"], f"HOME={who.home}"]
    if (launch["oom_score_adj"] or 0) > oom_score:
        process["oomScoreAdj"] = launch["oom_score_adj"]
    devices = [_device(item["path"], item["source"]) for item in launch["devices"]]
    allowed = [
        {"allow": True, "access": asked["access"], **_numbers(device)}
        for asked, device in zip(launch["devices"], devices, strict=True)
    ]
    linux = {
        **{key: value for key, value in config["linux"].items() if value != ""},
        "devices": devices,
        "resources": {"devices": [{"allow": False, "access": "rwm"}, *allowed]},
    }
    if config["process"]["seccomp"]:
        linux["seccomp"] = config["process"]["seccomp"]
    made = {**config, "process": process, "linux": linux, "mounts": [_mount(mount) for mount in config["mounts"]]}
    if not any(namespace["type"] == "uts" for namespace in linux["namespaces"]):
        del made["hostname"]
    return made


def _mount(mount: dict[str, Any]) -> dict[str, Any]:
    """Return a mount; the runtime makes device nodes in /dev, which must work there."""
    if mount["destination"] != "/dev":
        return mount
    return {**mount, "options": [option for option in mount["options"] if option != "nodev"]}


def _device(path: str, source: str) -> dict[str, Any]:
    found = os.stat(source)
    kind = "b" if stat.S_ISBLK(found.st_mode) else "c"
    numbers = {"major": os.major(found.st_rdev), "minor": os.minor(found.st_rdev)}
    mode = stat.S_IMODE(found.st_mode)
    return {"path": path, "type": kind, **numbers, "fileMode": mode, "uid": found.st_uid, "gid": found.st_gid}


def _numbers(device: dict[str, Any]) -> dict[str, Any]:
    return {key: device[key] for key in ("type", "major", "minor")}


def _within(launch: dict[str, Any]) -> identity.Identity:
    """Return whom the image's own files name, and make its volumes' folders, both looked up inside the root."""
    outside = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.chroot(launch["root"])
    os.chdir("/")
    try:
        for folder in launch["folders"]:
            os.makedirs(folder, exist_ok=True)
        return identity.resolve(launch["identity"])
    finally:
        os.fchdir(outside)
        os.chroot(".")
        os.close(outside)


def _own_oom_score() -> int:
    with open("/proc/self/oom_score_adj", encoding="utf-8") as file:
        return int(file.read())


class Start:
    """How the start of one container by a runtime goes: its words before it became the runtime, and its end."""

    def __init__(self, bundle: str) -> None:
        self._folder = folder_of(bundle)
        self.outcome: Outcome | None = None
        self.status: int | None = None

    def pid(self) -> int:
        """Return the pid of the container's first process, 0 where it could not be started."""
        if self.outcome is None or not self.outcome.ready or self.status != 0:
            return 0
        with open(f"{self._folder}/pid", encoding="utf-8") as file:
            return int(file.read())

    def failure(self) -> Outcome:
        """Return why it could not be started."""
        if self.outcome is not None and self.outcome.error:
            return self.outcome
        return Outcome(b"", [], self._last_words() or "the runtime was killed over the start", _EXIT_CODE_NOT_STARTED)

    def _last_words(self) -> str:
        try:
            with open(f"{self._folder}/log", encoding="utf-8", errors="replace") as file:
                lines = file.read(_STATUS_BYTES).splitlines()
            return str(json.loads(lines[-1])["msg"])
        except (OSError, ValueError, LookupError):
            return ""
