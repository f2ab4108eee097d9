"""What runs between fork and exec: the first process of a container, and a further one in it.

Keeps true: the process that execs has exactly the namespaces, cgroups, identity, capabilities, seccomp filter and
descriptors that its specification names; any failure is told over the status socket and nothing is exec'd.
Reads the process and launch parts of a bundle; writes cgroup memberships and /proc/self/oom_score_adj.
Standard library only, single thread. Source: OCI runtime specification, config.md and runtime.md.
"""

import errno
import fcntl
import json
import os
import resource
import signal
import stat
import struct
import termios
from collections.abc import Callable
from socket import SocketType
from typing import Any, NoReturn

from nodeagent.runtime import capabilities, identity, rootfs, seccomp_program, shim_messages, small_files, syscalls

EXIT_NOT_STARTED = 128
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127
DESCRIPTORS_MAX = 1 << 12
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TIOCSPTLCK, _TIOCGPTPEER = 0x40045431, 0x5441
_PTMX = os.makedev(5, 2)
READY = b"ready "
"""Begins a child's last word before it execs; a JSON object follows: who it is and what could not be had."""
FAILED = b"failed "
"""Begins its last word if it can't exec; its exit code and the reason follow."""


class StartError(Exception):
    """Why a process could not start; `exit_code` is what a shell would give."""

    def __init__(self, message: str, exit_code: int = EXIT_NOT_STARTED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run_container(bundle: str, stdio: list[int], status: SocketType) -> NoReturn:
    """Become the first process of the container (the caller is already in its pid namespace)."""
    with Reporting(status):
        config, launch = read_bundle(bundle)
        warnings = prepare(launch["cgroups"], launch.get("oom_score_adj"))
        take_labels(config["process"])
        syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWCGROUP)
        users = os.open(launch["user_namespace"], os.O_RDONLY | os.O_CLOEXEC) if launch["user_namespace"] else -1
        rootfs.enter(config, launch, users)
        _exec(config["process"], launch, stdio, status, warnings, users=users, is_first=True)


def run_further(process: dict[str, Any], bundle: str, pidfd: int, stdio: list[int], status: SocketType) -> NoReturn:
    """Become another process of the container whose first one `pidfd` stands for.

    process: what it has otherwise than the container's own one; `isWatched`: somebody in the container's pid namespace
    could look into it, so that it is not there yet.
    """
    with Reporting(status):
        config, launch = read_bundle(bundle)
        process = {**config["process"], **process}
        is_labelled = bool(process["apparmorProfile"] or process["selinuxLabel"])  # Which only an exec puts on.
        stand_in = None if is_labelled else _stand_in(process["args"])
        warnings = prepare(launch["cgroups"], launch.get("oom_score_adj"))
        take_labels(process)
        syscalls.join_namespaces(pidfd, syscalls.CLONE_NEWNS | syscalls.CLONE_NEWCGROUP)
        if process["isWatched"]:
            _step_inside(pidfd)
        users = pidfd if launch["user_namespace"] else -1
        _exec(process, launch, stdio, status, warnings, users=users, is_first=False, stand_in=stand_in)


def _step_inside(pidfd: int) -> None:
    """Go on as a child in the container's pid namespace, which nobody there has seen with the node's root.

    The caller stays outside: it ends as its child does, which ends with it.
    """
    syscalls.join_namespaces(pidfd, syscalls.CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        return
    os.closerange(0, DESCRIPTORS_MAX)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os._exit(code if code >= 0 else 128 - code)


def _stand_in(arguments: list[str]) -> Callable[[], int] | None:
    """Return what is done where the image has no such command; imported while the node's files are there."""
    if arguments[0] != "tar":
        return None
    from nodeagent.runtime import container_tar  # noqa: PLC0415 - no shim pays for what hardly any command needs.

    return lambda: container_tar.main(arguments[1:])


def read_bundle(bundle: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return `config.json` and `launch.json`; who runs by them reads them, as a shim would keep them in memory."""
    return small_files.read_json(f"{bundle}/config.json"), small_files.read_json(f"{bundle}/launch.json")


class Reporting:
    """Tell the shim of any failure inside the block, and end the process there."""

    def __init__(self, status: SocketType) -> None:
        self._status = status

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        message = str(error) if isinstance(error, (StartError, ValueError)) else _describe(error)
        code = error.exit_code if isinstance(error, StartError) else EXIT_NOT_STARTED
        self._status.send(FAILED + b"%d " % code + message.encode(errors="replace"))
        os._exit(code)


def _describe(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror or error}: {error.filename}"
    return f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error)


def prepare(cgroups: list[str], oom_score_adj: int | None) -> list[str]:
    """Leave the shim's session, keyring, signals and cgroups; return what could not be had."""
    os.setsid()
    syscalls.join_new_keyring()
    os.umask(0o022)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for path in cgroups:
        small_files.write(path, b"0")
    if oom_score_adj is None:
        return []
    try:
        small_files.write("/proc/self/oom_score_adj", b"%d" % oom_score_adj)
    except OSError as error:
        return [f"oom_score_adj {oom_score_adj}: {error.strerror}; this host's root lacks CAP_SYS_RESOURCE"]
    return []


def take_labels(process: dict[str, Any], folder: str = "/proc/thread-self/attr") -> None:
    """Have the next exec put on the process's AppArmor profile and SELinux label.

    Done while /proc is still the node's: what a container has there could lead the words elsewhere.
    """
    if process["selinuxLabel"]:
        _tell(f"{folder}/exec", process["selinuxLabel"])
    if process["apparmorProfile"]:
        own = f"{folder}/apparmor/exec"  # Since Linux 5.8, where modules need not share one file.
        _tell(own if os.path.exists(own) else f"{folder}/exec", f"exec {process['apparmorProfile']}")


def _tell(file: str, words: str) -> None:
    try:
        small_files.write(file, words.encode())
    except OSError as error:
        raise StartError(f"security module: the kernel refused {words!r}: {error.strerror}") from None


def _exec(
    process: dict[str, Any],
    launch: dict[str, Any],
    stdio: list[int],
    status: SocketType,
    warnings: list[str],
    *,
    users: int,
    is_first: bool,
    stand_in: Callable[[], int] | None = None,
) -> NoReturn:
    """Become the command; users: a pidfd or file of the user namespace to enter, -1 for the node's.

    stand_in: does it where the image doesn't have it.
    """
    who = identity.resolve(launch["identity"])
    if process["terminal"]:
        stdio = _open_terminal(status, process.get("consoleSize"))
    owner = launch["ids"].get("uid", 0) + who.uid
    for place, descriptor in enumerate(stdio):
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode) or process["terminal"]:
            os.fchown(descriptor, owner, -1)  # So that it can be opened again as /dev/stdout.
        os.dup2(descriptor, place)
    warnings += _set_limits(process["rlimits"])
    if users >= 0:
        syscalls.join_namespaces(users, syscalls.CLONE_NEWUSER)
        os.setresuid(0, 0, 0)  # Root of the pod, whom its files belong to.
        os.setresgid(0, 0, 0)
        if is_first and "CAP_SYS_ADMIN" in process["capabilities"]["bounding"]:
            # Its mounts become its own, to add to; those that were made for it can't be taken away or loosened.
            syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWCGROUP)
    syscalls.close_all_but(status.fileno())
    _enter_folder(process["cwd"])
    environment = _environment(process, who)
    _restrict(process, who)
    report = {"user": {"uid": who.uid, "gid": who.gid, "groups": who.groups}, "warnings": warnings}
    status.send(READY + json.dumps(report).encode())
    try:
        _replace_process(process["args"], environment)
    except StartError as error:
        if stand_in is None or error.exit_code != EXIT_NOT_FOUND:
            raise
    os.closerange(3, DESCRIPTORS_MAX)  # As if something were exec'd: that closes the status socket too.
    os._exit(stand_in())


def _environment(process: dict[str, Any], who: identity.Identity) -> dict[str, str]:
    environment = dict(item.split("=", 1) for item in process["env"])
    environment.setdefault("PATH", _DEFAULT_PATH)
    if not environment.get("HOME"):
        environment["HOME"] = who.home or "/"
    return environment


def _open_terminal(status: SocketType, size: dict[str, int] | None) -> list[int]:
    """Make a terminal in the container's own /dev/pts, hand its master to the shim, return it thrice for stdio."""
    master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if os.fstat(master).st_rdev != _PTMX:
        raise StartError("terminal: /dev/pts/ptmx is not the kernel's; mount nothing over /dev/pts")
    os.set_blocking(master, True)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
    if size:
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size["height"], size["width"], 0, 0))
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    shim_messages.send(status, b"terminal", [master])
    return [slave, slave, slave]


def _set_limits(wanted: list[dict[str, Any]]) -> list[str]:
    warnings = []
    for limit in wanted:
        number = getattr(resource, limit["type"])
        try:
            resource.setrlimit(number, (limit["soft"], limit["hard"]))
        except (OSError, ValueError) as error:
            warnings.append(f"{limit['type']} {limit['hard']}: {error}; this host's root lacks CAP_SYS_RESOURCE")
    return warnings


def _enter_folder(path: str) -> None:
    """Go to a folder of the container, which is made where it isn't there; /proc/1/root, for one, would lead out."""
    try:
        folder = rootfs.open_folder(path, {})
        os.fchdir(folder)
        os.close(folder)
    except OSError as error:
        raise StartError(f"working directory {path!r}: {error.strerror}; use a folder of the image") from None


def _restrict(process: dict[str, Any], who: identity.Identity) -> None:
    """Give up everything that the process isn't meant to have.

    The filter goes on last, as a profile need not allow what is done here; without no_new_privs it takes a capability.
    """
    sets = process["capabilities"]
    held = _held_capabilities()
    bounding = capabilities.mask(sets["bounding"]) & held
    ambient = capabilities.mask(sets["ambient"]) & bounding
    if process["noNewPrivileges"]:
        syscalls.control_process(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    drop_bounding_capabilities(bounding)
    if process["seccomp"] and not process["noNewPrivileges"]:
        syscalls.install_seccomp_filter(seccomp_program.program(process["seccomp"]))
    os.setgroups(who.groups)
    os.setresgid(who.gid, who.gid, who.gid)
    if who.uid != 0 and ambient:
        syscalls.control_process(syscalls.PR_SET_KEEPCAPS, 1)
    os.setresuid(who.uid, who.uid, who.uid)
    if who.uid == 0:
        syscalls.set_capabilities(bounding, bounding, ambient)
    else:
        syscalls.set_capabilities(ambient, ambient, ambient)
    for number in range(ambient.bit_length()):
        if ambient >> number & 1:
            syscalls.control_process(syscalls.PR_CAP_AMBIENT, syscalls.PR_CAP_AMBIENT_RAISE, number)
    if process.get("isWatched"):
        syscalls.control_process(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if process["seccomp"] and process["noNewPrivileges"]:
        syscalls.install_seccomp_filter(seccomp_program.program(process["seccomp"]))


def drop_bounding_capabilities(kept: int) -> None:
    for number in range(64):
        if kept >> number & 1:
            continue
        try:
            syscalls.control_process(syscalls.PR_CAPBSET_DROP, number)
        except OSError as error:
            if error.errno == errno.EINVAL:  # The first number that this kernel doesn't know.
                return
            raise


def _held_capabilities() -> int:
    """Return the mask of what this process has; a machine's root may lack some."""
    lines = small_files.read("/proc/thread-self/status").splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith(b"CapPrm:"))


def _replace_process(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    name = arguments[0]
    path = environment["PATH"]
    candidates = [name] if "/" in name else [f"{folder or '.'}/{name}" for folder in path.split(":")]
    denied: OSError | None = None
    for candidate in candidates:
        try:
            os.execve(candidate, arguments, environment)  # noqa: S606 - the whole point of this module.
        except (FileNotFoundError, NotADirectoryError) as error:
            if "/" in name:
                raise StartError(f'exec: "{name}": {error.strerror}', EXIT_NOT_FOUND) from None
        except OSError as error:
            denied = error
    if denied is not None:
        raise StartError(f'exec: "{name}": {denied.strerror}', EXIT_NOT_EXECUTABLE)
    raise StartError(f'exec: "{name}": executable file not found in $PATH ({path})', EXIT_NOT_FOUND)
