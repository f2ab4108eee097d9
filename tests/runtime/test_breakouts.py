"""Break-out attempts by the well-known ways, one test each: nothing of them reaches the node or another pod.

Where a way is a published hole of another runtime, the test names it.
"""

import asyncio
import contextlib
import ctypes
import errno
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from proto import cri_v1 as cri
from tests.runtime.machine import HOST_IMAGE, Client, RuntimeProcess, until

pytestmark = pytest.mark.root

UNCONFINED = cri.SecurityProfile(profile_type=cri.Unconfined)
NODE_PIDS = cri.NamespaceOption(pid=cri.NODE)
POD_PIDS = cri.NamespaceOption(pid=cri.POD)
_PYTHON = "/usr/bin/python3"
_ADD_KEY, _KEYCTL = 248, 250
_libc = ctypes.CDLL(None)
_LIBC = "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True)\n"


async def _python(client: Client, pod: str, script: str, **fields: Any) -> str:
    """Run a script in a container of the machine's own programs; return what it printed."""
    return await client.output(pod, _PYTHON, "-c", _LIBC + script, image=HOST_IMAGE, **fields)


@pytest.mark.parametrize(
    "attempt",
    [
        "mount -t tmpfs none /tmp",
        "busybox unshare -m true",
        "echo 1 > /proc/sys/kernel/panic",
        "echo b > /proc/sysrq-trigger",
        "test $(dd if=/proc/kcore bs=1 count=1 2>/dev/null | wc -c) = 1",
        "test $(cat /proc/keys | wc -c) != 0",
        "ls /sys/firmware | grep -q .",
        "mkdir /sys/fs/cgroup/memory/escape",
        "mkdir /sys/fs/cgroup/escape",
        "mknod /dev/disk b 254 0 && cat /dev/disk > /dev/null",
        "mknod /tmp/disk b 254 0 && cat /tmp/disk > /dev/null",
        "hostname other",
        "busybox chroot /proc/1/root/../../.. test -e /work",
    ],
)
async def test_a_container_cannot(client: Client, attempt: str) -> None:
    """Each well-known way out is closed for root with the usual capabilities."""
    output = await client.output(await client.pod(), "sh", "-c", f"if {attempt}; then echo OUT; else echo kept in; fi")

    assert "kept in" in output.splitlines()


async def test_the_nodes_devices_can_be_used_but_not_changed(client: Client) -> None:
    """They are the node's own files: who may change their mode would shut /dev/null for the whole node."""
    devices = (Path("/dev/null"), Path("/dev/full"))
    before = [(device.stat().st_mode, device.stat().st_uid) for device in devices]
    script = "chmod 0 /dev/full; chown 7 /dev/null; chmod 0 /proc/timer_list; echo x > /dev/null && echo used"

    lines = (await client.output(await client.pod(), "sh", "-c", f"({script}) 2>&1")).splitlines()

    assert [line.rpartition(": ")[2] for line in lines] == [*["Read-only file system"] * 3, "used"]
    assert [(device.stat().st_mode, device.stat().st_uid) for device in devices] == before


async def test_nobody_can_write_to_the_program_that_becomes_a_container(
    client: Client, shared_runtime: RuntimeProcess
) -> None:
    """An image whose command is /proc/self/exe runs the node's own Python, and holds it open (CVE-2019-5736)."""
    program = Path(f"/proc/{shared_runtime.zygote_pid()}/exe")

    with pytest.raises(OSError, match="Read-only file system"):
        program.chmod(stat.S_IMODE(program.stat().st_mode))  # To write is refused anyhow while it runs.

    assert await client.output(await client.pod(), "echo", "fine") == "fine"


async def test_a_volume_at_dev_is_left_as_it_is(client: Client, tmp_path: Path) -> None:
    """What other containers of a pod can write must not decide what covers the masked paths."""
    (tmp_path / "null").symlink_to("/proc/sys/kernel/core_pattern")
    mounts = [cri.Mount(container_path="/dev", host_path=str(tmp_path))]
    script = "ls /dev; grep -c core /proc/timer_list /proc/keys; echo x > /proc/timer_list && cat /proc/timer_list"

    lines = (await client.output(await client.pod(), "sh", "-c", script, mounts=mounts)).splitlines()

    assert "fd" not in lines
    assert "/proc/keys:0" in lines
    assert "x" not in lines


async def test_a_container_that_may_mount_gets_no_device_by_that(client: Client) -> None:
    """CAP_SYS_ADMIN is less than privileged: the node's disks stay out of reach, in an exec too."""
    capability = cri.Capability(add_capabilities=["SYS_ADMIN"])
    script = "mkdir /d; mount -t devtmpfs none /d && echo mounted; head -c 1 /d/loop0 2>&1; echo > /d/null && echo null"
    fields = {"capabilities": capability, "apparmor": UNCONFINED}  # The default profile denies the mount itself.
    container = await client.run(await client.pod(), "sleep", "1000", **fields)

    answer = await client.exec(container, "sh", "-c", script)

    lines = answer.stdout.decode().splitlines()
    assert lines == ["mounted", "head: /d/loop0: Operation not permitted", "null"]


async def test_a_symlink_in_a_volume_leads_no_mount_out_of_the_container(client: Client, tmp_path: Path) -> None:
    """The target is looked up inside the container's root: an absolute link stays in it."""
    volume, payload = tmp_path / "volume", tmp_path / "payload"
    volume.mkdir()
    payload.mkdir()
    (payload / "mark").touch()
    (volume / "link").symlink_to("/srv")
    mounts = [
        cri.Mount(container_path="/volume", host_path=str(volume)),
        cri.Mount(container_path="/volume/link/wherry-test", host_path=str(payload)),
    ]

    output = await client.output(await client.pod(), "ls", "/srv/wherry-test", mounts=mounts)

    assert output == "mark"
    assert not Path("/srv/wherry-test").exists()


async def test_a_relative_symlink_that_climbs_stays_inside_too(client: Client, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "link").symlink_to("../../../../../../../../srv")
    mounts = [
        cri.Mount(container_path="/volume", host_path=str(volume)),
        cri.Mount(container_path="/volume/link/wherry-test", host_path=str(tmp_path)),
    ]

    output = await client.output(await client.pod(), "ls", "/srv/wherry-test", mounts=mounts)

    assert output == "volume"
    assert not Path("/srv/wherry-test").exists()


@pytest.mark.parametrize(
    "call",
    [
        "libc.syscall(248, b'user', b'mine', b'secret', 6, -3)",  # add_key
        "libc.syscall(250, 0, -5, 0)",  # keyctl: the session's keyring
        "libc.syscall(249, b'user', b'other', 0, 0)",  # request_key
        "libc.syscall(272, 0x10000000)",  # unshare: a user namespace
        "libc.syscall(321, 0, 0, 0)",  # bpf
        "libc.syscall(298, 0, 0, -1, -1, 0)",  # perf_event_open
        "libc.syscall(425, 1, 0)",  # io_uring_setup
        "libc.syscall(304, 0, 0, 0)",  # open_by_handle_at
    ],
)
async def test_a_call_that_reaches_past_the_namespaces_is_refused(client: Client, call: str) -> None:
    """The kernel's keyrings, for one, are not parted by any of them."""
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86_64")
    script = f"import ctypes; libc = ctypes.CDLL(None, use_errno=True); print({call}, ctypes.get_errno())"

    output = await client.output(await client.pod(), "/usr/bin/python3", "-c", script, image=HOST_IMAGE)

    assert output == f"-1 {errno.EPERM}"


async def test_what_sysfs_tells_cannot_be_changed(client: Client) -> None:
    script = """
import itertools
found = [os.path.join(top, name) for top, _, names in os.walk('/sys') for name in names]
print(len(found) > 100, [path for path in found if os.access(path, os.W_OK)])
"""

    assert await _python(client, await client.pod(), script) == "True []"


async def test_the_nodes_settings_in_proc_cannot_be_changed(client: Client) -> None:
    script = """
tops = [f'/proc/{name}' for name in ('sys', 'bus', 'fs', 'irq')]
found = [os.path.join(top, name) for at in tops for top, _, names in os.walk(at) for name in names]
print(len(found) > 100, [path for path in (*found, '/proc/sysrq-trigger') if os.access(path, os.W_OK)])
"""

    assert await _python(client, await client.pod(), script) == "True []"


async def test_a_read_only_path_cannot_be_mounted_anew(client: Client) -> None:
    """A user namespace of one's own would do, where no filter forbids it: its mounts keep the masks and locks."""
    script = """
print(libc.unshare(0x10000000))
for name, words in (('setgroups', 'deny'), ('uid_map', '0 0 1'), ('gid_map', '0 0 1')):
    with open(f'/proc/self/{name}', 'w') as file:
        file.write(words)
print(libc.unshare(0x20000))
print(libc.mount(b'none', b'/proc/sys', b'', 32 | 4096, None), libc.umount2(b'/proc/kcore', 2))
print(libc.umount2(b'/proc/sys', 2), libc.mount(b'none', b'/dev/shm', b'proc', 0, None))
print(libc.mount(b'none', b'/dev/shm', b'sysfs', 0, None), libc.mount(b'tmpfs', b'/dev/shm', b'tmpfs', 0, None))
"""

    told = await _python(client, await client.pod(), script, seccomp=UNCONFINED)

    assert told.split() == ["0", "0", "-1", "-1", "-1", "-1", "-1", "0"]


async def test_who_mounts_cgroups_sees_none_but_its_own(client: Client) -> None:
    """As root of the node outside of its own user namespace, it could else freeze or kill what isn't its own."""
    script = """
libc.unshare(0x10000000)
for name, words in (('setgroups', 'deny'), ('uid_map', '0 0 1'), ('gid_map', '0 0 1')):
    with open(f'/proc/self/{name}', 'w') as file:
        file.write(words)
libc.unshare(0x20000 | 0x02000000)
with open('/proc/self/cgroup') as file:
    hierarchies = [line.split(':')[1] for line in file]
for name in hierarchies:
    kind = b'cgroup' if name else b'cgroup2'
    options = (name if not name.startswith('name=') else 'none,' + name).encode()
    if libc.mount(b'none', b'/dev/shm', kind, 0, options or None) == 0:
        with open('/dev/shm/cgroup.procs') as file:
            members = file.read().split()
        below = [entry.name for entry in os.scandir('/dev/shm') if entry.is_dir()]
        print(name, members == [str(os.getpid())], below, os.path.exists('/dev/shm/release_agent'))
        libc.umount2(b'/dev/shm', 2)
"""

    told = await _python(client, await client.pod(), script, seccomp=UNCONFINED, apparmor=UNCONFINED)

    assert len(told.splitlines()) > 0
    assert all(line.endswith("True [] False") for line in told.splitlines())


async def test_a_keyring_is_a_containers_own(own_runtime: RuntimeProcess) -> None:
    """Whoever starts the runtime may have one: without a filter, a container would find the node's keys in it."""
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86_64")
    own_runtime.stop()
    assert _libc.syscall(_KEYCTL, 1, None) > 0  # A session keyring of our own, which what we start inherits.
    assert _libc.syscall(_ADD_KEY, b"user", b"wherry-test", b"secret", 6, -3) > 0
    own_runtime.start()
    client = Client(own_runtime.settings)
    pod = await client.pod()
    script = f"print(libc.syscall({_KEYCTL}, 10, -3, b'user', b'wherry-test', 0), ctypes.get_errno())"
    container = await client.run(pod, "sleep", "1000", image=HOST_IMAGE, seccomp=UNCONFINED)

    found = await _python(client, pod, script, name="finder", seccomp=UNCONFINED)
    executed = await client.exec(container, _PYTHON, "-c", _LIBC + script)
    await client.channel.close()

    assert _libc.syscall(_KEYCTL, 10, -3, b"user", b"wherry-test", 0) > 0
    assert found == executed.stdout.decode().strip() == f"-1 {errno.ENOKEY}"


@pytest.fixture
def victim() -> Iterator[int]:
    """A process of the node, with root's every right."""
    pid = os.posix_spawn("/usr/bin/sleep", ["sleep", "1000"], {})
    yield pid
    os.kill(pid, 9)
    os.waitpid(pid, 0)


async def test_a_process_of_the_node_can_be_seen_but_not_looked_into(client: Client, victim: int) -> None:
    """hostPID gives the numbers, not the memory, files or root of those who may more."""
    script = f"""
libc.ptrace.restype = ctypes.c_long
print(os.path.exists('/proc/{victim}'))
buffer = ctypes.create_string_buffer(8)
iov = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
print(libc.process_vm_readv({victim}, iov, 1, iov, 1, 0), ctypes.get_errno())
print(libc.ptrace(16, {victim}, 0, 0), ctypes.get_errno())
for name in ('mem', 'environ', 'root/etc', 'cwd', 'fd/0', 'map_files', 'exe'):
    try:
        path = '/proc/{victim}/' + name
        os.listdir(path) if name in ('root/etc', 'map_files') else open(path).close()
        print(name, 'open')
    except OSError as error:
        pass
print(libc.syscall(434, {victim}, 0) >= 0, libc.syscall(438, libc.syscall(434, {victim}, 0), 0, 0), ctypes.get_errno())
"""

    told = await _python(client, await client.pod(pid=cri.NODE), script, namespace_options=NODE_PIDS)

    refused = f"-1 {errno.EPERM}"
    assert told.splitlines() == ["True", refused, refused, f"True {refused}"]


async def test_an_ordinary_user_of_a_pod_that_shares_processes_cannot_look_into_its_root(client: Client) -> None:
    pod = await client.pod(pid=cri.POD)
    root = await client.run(pod, "sleep", "4321", name="root", namespace_options=POD_PIDS)
    script = "p=$(ps -o pid,args | grep 'sleep 432[1]' | head -n 1); set -- $p; test -d /proc/$1 && echo seen;"
    script += "cat /proc/$1/environ; ls /proc/$1/root/etc; ls -l /proc/$1/cwd/"

    output = await client.output(
        pod, "sh", "-c", f"({script}) 2>&1", namespace_options=POD_PIDS, run_as_user=cri.Int64Value(value=1000)
    )

    assert (await client.status(root)).state == cri.CONTAINER_RUNNING
    assert output.splitlines()[0] == "seen"
    assert len(output.splitlines()) == 4
    assert all("ermission denied" in line for line in output.splitlines()[1:])


async def test_one_pod_cannot_name_the_processes_of_another(client: Client, victim: int) -> None:
    """Not even with CAP_SYS_PTRACE: there is no such number in its pid namespace."""
    other = await client.run(await client.pod(), "sleep", "1000")
    capability = cri.Capability(add_capabilities=["SYS_PTRACE"])
    script = f"""
print([name for name in os.listdir('/proc') if name.isdigit() and int(name) != os.getpid()])
print(libc.ptrace(16, {victim}, 0, 0), ctypes.get_errno(), libc.kill({victim}, 9), ctypes.get_errno())
"""

    told = await _python(client, await client.pod(), script, capabilities=capability)

    gone = f"-1 {errno.ESRCH}"
    assert told.splitlines() == ["[]", f"{gone} {gone}"]
    assert (await client.status(other)).state == cri.CONTAINER_RUNNING


async def test_an_exec_cannot_be_caught_with_the_nodes_root(client: Client) -> None:
    """CAP_SYS_PTRACE looks into every process of its pid namespace, also before that has the container's root."""
    script = """
import time
print('begun', flush=True)
seen, caught = set(), 0
while not os.path.exists('/tmp/over'):
    for pid in os.listdir('/proc'):
        if pid.isdigit() and int(pid) != os.getpid():
            try:
                caught += len(os.listdir(f'/proc/{pid}/root/var/log'))
                seen.add(pid)
            except OSError:
                pass
print(len(seen) > 0, caught)
"""
    capability = cri.Capability(add_capabilities=["SYS_PTRACE"])
    command = (_PYTHON, "-c", _LIBC + script)
    container = await client.run(await client.pod(), *command, image=HOST_IMAGE, capabilities=capability)
    await until(lambda: _has_said(client, container, "begun"), "it looks")

    answers = [await client.exec(container, "sh", "-c", f"exit {number}") for number in range(20)]
    killed = await client.exec(container, "sh", "-c", "kill -9 $$")
    slow, _ = await client.refusal(client.exec(container, "sleep", "4323", timeout=1))
    left = await client.exec(container, "sh", "-c", "ps ax | grep -c 'sleep 432[3]'")
    await client.exec(container, "touch", "/tmp/over")
    await client.ended(container)

    assert (await client.log(container)).split() == ["begun", "True", "0"]
    assert [answer.exit_code for answer in answers] == list(range(20))
    assert (killed.exit_code, slow, left.stdout) == (137, "DEADLINE_EXCEEDED", b"0\n")


async def _has_said(client: Client, container: str, word: str) -> bool:
    return word in await client.log(container)


async def test_a_working_directory_cannot_be_the_nodes(client: Client, tmp_path: Path) -> None:
    """CVE-2024-21626 by what is left open, and by /proc/1/root where the node's processes can be seen."""
    pod = await client.pod(pid=cri.NODE)
    folders = [f"/proc/1/root{tmp_path}", "/proc/1/root", "/proc/1/cwd", f"/proc/self/root/../../{tmp_path}/new"]
    folders += [f"/proc/self/fd/{number}" for number in range(3, 24)]
    (tmp_path / "mark").touch()

    shown = [
        await _said_at(client, pod, folder, f"c{place}", namespace_options=NODE_PIDS)
        for place, folder in enumerate(folders)
    ]

    assert not [words for words in shown if "mark" in words or "work" in words.split()]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["mark"]


async def _said_at(client: Client, pod: str, folder: str, name: str, **fields: Any) -> str:
    """Return what is in the working directory `folder`, or nothing where the container can't be started there."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        return await client.output(pod, "ls", name=name, working_dir=folder, **fields)
    return ""


async def test_nothing_of_the_runtime_is_left_open_in_a_container(client: Client) -> None:
    pod = await client.pod()
    script = "import os; top = '/proc/self/fd/'; "
    script += "print([n for n in os.listdir(top) if int(n) > 2 and os.path.exists(top + n)])"
    container = await client.run(pod, "sleep", "1000", image=HOST_IMAGE)

    first = await client.output(pod, _PYTHON, "-c", script, name="first", image=HOST_IMAGE)
    terminal = await client.output(pod, _PYTHON, "-c", script, name="terminal", image=HOST_IMAGE, tty=True)
    executed = await client.exec(container, _PYTHON, "-c", script)

    assert (first, terminal.strip(), executed.stdout) == ("[]", "[]", b"[]\n")


async def test_the_runtimes_own_program_cannot_be_written_to_from_within(client: Client) -> None:
    """CVE-2019-5736: a command that is /proc/self/exe is the node's program, which it may run but not change."""
    script = "import os; fd = os.open('/proc/self/exe', os.O_RDONLY); os.set_inheritable(fd, True);"
    script += "os.execv('/bin/sh', ['sh', '-c', f'(echo x >> /proc/self/fd/{fd}; chmod 777 /proc/self/fd/{fd}) 2>&1'])"

    told = await client.output(await client.pod(), "/proc/self/exe", "-I", "-S", "-c", script, image=HOST_IMAGE)

    assert len(told.splitlines()) == 2
    assert all("Read-only file system" in line or "Text file busy" in line for line in told.splitlines())


@pytest.mark.parametrize("path", ["/proc", "/proc/sys", "/proc/self/attr", "/proc/../proc/sysrq-trigger", "/"])
async def test_nothing_can_stand_for_the_kernels_own_words(client: Client, tmp_path: Path, path: str) -> None:
    """CVE-2019-19921, CVE-2025-52881: what the runtime reads and writes in /proc must be /proc."""
    pod, mount = await client.pod(), cri.Mount(container_path=path, host_path=str(tmp_path))

    code, message = await client.refusal(client.create(pod, "true", mounts=[mount]))

    assert (code, path in message) == ("INVALID_ARGUMENT", True)
    assert list(client.settings.containers_dir.iterdir()) == []


async def test_a_figure_of_the_kernel_may_be_mounted_over_as_lxcfs_does(client: Client, tmp_path: Path) -> None:
    (tmp_path / "uptime").write_text("1.0 1.0\n")
    mount = cri.Mount(container_path="/proc/uptime", host_path=str(tmp_path / "uptime"))

    assert await client.output(await client.pod(), "cat", "/proc/uptime", mounts=[mount]) == "1.0 1.0"


@pytest.mark.parametrize("target", ["/proc/1/root", "/proc/1/cwd", "/proc/self/fd"])
async def test_no_mount_is_put_where_a_link_of_the_kernel_leads(client: Client, tmp_path: Path, target: str) -> None:
    """In a shared volume such a link would lead out of a container that sees the node's processes."""
    volume, marks = tmp_path / "volume", tmp_path / "marks"
    volume.mkdir()
    marks.mkdir()
    (volume / "link").symlink_to(target)
    mounts = [
        cri.Mount(container_path="/volume", host_path=str(volume)),
        cri.Mount(container_path=f"/volume/link{tmp_path}/made/by/mount", host_path=str(marks)),
    ]
    pod = await client.pod(pid=cri.NODE)

    with contextlib.suppress(grpc.aio.AioRpcError):
        await client.output(pod, "true", mounts=mounts, namespace_options=NODE_PIDS)

    assert not (tmp_path / "made").exists()


async def test_a_link_that_changes_while_mounts_are_made_leads_nowhere(client: Client, tmp_path: Path) -> None:
    """CVE-2021-30465, CVE-2024-45310: another container of the pod swaps a folder of the shared volume for a link."""
    volume, marks, outside = tmp_path / "volume", tmp_path / "marks", tmp_path / "outside"
    for folder in (volume, marks, outside):
        folder.mkdir()
    (volume / "place").mkdir()
    (volume / "other").symlink_to(f"/proc/1/root{outside}")
    mounts = [
        cri.Mount(container_path="/volume", host_path=str(volume)),
        cri.Mount(container_path="/volume/place/deep/er", host_path=str(marks)),
    ]
    pod, over = await client.pod(pid=cri.NODE), threading.Event()
    swapping = threading.Thread(target=_swap, args=(volume, over))
    swapping.start()

    try:
        for number in range(20):
            with contextlib.suppress(grpc.aio.AioRpcError):
                container = await client.run(pod, "true", name=f"c{number}", mounts=mounts, namespace_options=NODE_PIDS)
                await client.ended(container)
    finally:
        over.set()
        await asyncio.to_thread(swapping.join)

    assert list(outside.iterdir()) == []


def _swap(volume: Path, over: threading.Event) -> None:
    """Give `place` and `other` each other's names, again and again."""
    exchange = 2
    names = [os.fsencode(volume / name) for name in ("place", "other")]
    while not over.is_set():
        _libc.renameat2(-100, names[0], -100, names[1], exchange)


async def test_a_terminal_is_the_kernels_or_none(client: Client, tmp_path: Path) -> None:
    """CVE-2025-52565: what stands at /dev/pts/ptmx in a volume is nothing to open as the node's root."""
    (tmp_path / "pts").mkdir()
    (tmp_path / "pts" / "ptmx").symlink_to("/proc/sys/kernel/core_pattern")
    mount = cri.Mount(container_path="/dev", host_path=str(tmp_path))
    container = await client.create(await client.pod(), "true", mounts=[mount], tty=True)

    _, message = await client.refusal(client.start(container))

    assert "/dev/pts/ptmx" in message


async def test_an_abstract_socket_is_not_the_runtimes_way_in(client: Client) -> None:
    """CVE-2020-15257: such sockets belong to a network namespace, and a pod may have the node's."""
    with socket.socket(socket.AF_UNIX) as mine:
        mine.bind("\0wherry-test")
        mine.listen()
        script = "import socket; s = socket.socket(socket.AF_UNIX); print(s.connect_ex('\\0wherry-test'))"
        own = await _python(client, await client.pod(), script)
        nodes = await _python(client, await client.pod(network=cri.NODE), script, name="node")
        listed = await client.output(await client.pod(network=cri.NODE), "cat", "/proc/net/unix", name="list")

    assert (own, nodes) == (str(errno.ECONNREFUSED), "0")
    abstract = [line.split()[-1] for line in listed.splitlines() if "@" in line]
    assert not [name for name in abstract if "shim" in name or "cri" in name or "runtime" in name]


async def test_memory_and_messages_are_shared_in_a_pod_and_nowhere_else(client: Client) -> None:
    first, second = await client.pod(), await client.pod()
    name = f"wherry-test-{os.getpid()}"
    make = f"""
open('/dev/shm/{name}', 'w').close()
libc.mq_open.restype = ctypes.c_int
libmq = ctypes.CDLL('librt.so.1', use_errno=True)
print(libmq.mq_open(b'/{name}', os.O_CREAT | os.O_RDWR, 0o666, None) >= 0, libc.shmget(7777, 4096, 0o1666) >= 0)
"""
    look = f"""
print(os.path.exists('/dev/shm/{name}'), os.path.exists('/dev/mqueue/{name}'), libc.shmget(7777, 4096, 0) >= 0)
"""

    made = await _python(client, first, make)
    same = await _python(client, first, look, name="same")
    other = await _python(client, second, look)

    assert (made, same, other) == ("True True", "True True True", "False False False")
    assert not Path(f"/dev/shm/{name}").exists()


async def test_calls_in_the_words_of_another_architecture_never_happen(client: Client) -> None:
    """The numbers of 32 bits and of x32 would pass by a filter that looks at those of 64 bits alone."""
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86_64")
    script = """
import mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(bytes([0x53, 0x89, 0xf8, 0xcd, 0x80, 0x5b, 0xc3]))
old = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
print(old(20), libc.syscall(0x40000000 | 39), ctypes.get_errno())
"""
    pod = await client.pod()

    filtered = await _python(client, pod, script)
    free = await _python(client, pod, script, name="free", seccomp=UNCONFINED)

    assert filtered == f"-{errno.ENOSYS} -1 {errno.ENOSYS}"
    assert free.split()[0] in ("1", f"-{errno.ENOSYS}", "")  # Where the kernel knows 32 bits, it is process 1.


async def test_a_user_that_no_kernel_has_is_not_root(client: Client) -> None:
    """The kernel takes 4294967295 for "as before", which is root: runAsNonRoot would let it by."""
    pod = await client.pod()
    containers = [
        await client.create(pod, "id", name="user", run_as_user=cri.Int64Value(value=0xFFFFFFFF)),
        await client.create(pod, "id", name="more", run_as_user=cri.Int64Value(value=1 << 32)),
        await client.create(pod, "id", name="name", run_as_username="4294967295"),
        await client.create(pod, "id", name="group", supplemental_groups=[0xFFFFFFFF]),
    ]

    messages = [(await client.refusal(client.start(container)))[1] for container in containers]

    assert all("there are none beyond 2147483647" in message for message in messages)


async def test_who_may_not_gain_rights_gains_none_by_a_setuid_program(client: Client) -> None:
    pod = await client.pod()
    make = "cp /bin/cat /tmp/show && chmod 4755 /tmp/show && sleep 1000"
    maker = await client.run(pod, "sh", "-c", make, image=HOST_IMAGE, name="maker")
    await until(lambda: _succeeds(client, maker, "test", "-u", "/tmp/show"), "the program is setuid")
    volume = client.settings.containers_dir / maker / "upper" / "tmp"
    fields = {
        "image": HOST_IMAGE,
        "run_as_user": cri.Int64Value(value=1000),
        "mounts": [cri.Mount(container_path="/srv", host_path=str(volume))],
    }

    free = await client.output(pod, "/srv/show", "/proc/self/status", name="free", **fields)
    held = await client.output(pod, "/srv/show", "/proc/self/status", name="held", no_new_privs=True, **fields)

    assert (_effective_user(free), _effective_user(held)) == ("0", "1000")


def _effective_user(status: str) -> str:
    return next(line.split()[2] for line in status.splitlines() if line.startswith("Uid:"))


async def _succeeds(client: Client, container: str, *command: str) -> bool:
    return (await client.exec(container, *command)).exit_code == 0


async def test_a_device_that_may_be_read_cannot_be_written_to(client: Client) -> None:
    devices = [
        cri.Device(container_path="/dev/one", host_path="/dev/loop0", permissions="r"),
        cri.Device(container_path="/dev/two", host_path="/dev/loop1", permissions="rw"),
    ]
    script = "for d in one two; do (: < /dev/$d) && echo read; (: > /dev/$d) && echo written; done; echo > /dev/null"

    output = await client.output(await client.pod(), "sh", "-c", f"({script}) 2>/dev/null", devices=devices)

    assert output.split() == ["read", "read", "written"]


@pytest.mark.parametrize(
    ("source", "permissions", "found"),
    [("/dev/no-such", "rw", "No such file"), ("/etc/passwd", "rw", "is no device"), ("/dev/null", "rx", "are unknown")],
)
async def test_what_is_no_device_is_not_given_as_one(client: Client, source: str, permissions: str, found: str) -> None:
    device = cri.Device(container_path="/dev/mine", host_path=source, permissions=permissions)

    code, message = await client.refusal(client.create(await client.pod(), "true", devices=[device]))

    assert (code, found in message) == ("INVALID_ARGUMENT", True)
    assert list(client.settings.containers_dir.iterdir()) == []


async def test_privileged_devices_are_as_the_nodes_own(client: Client) -> None:
    """Whoever is no root in there can use what anybody can use, and no more."""
    user = cri.Int64Value(value=1000)
    script = "stat -c %a /dev/null /dev/loop0; echo > /dev/null && echo used; cat /dev/loop0 || echo held"

    output = await client.output(
        await client.pod(), "sh", "-c", f"({script}) 2>/dev/null", privileged=True, run_as_user=user
    )

    modes = [f"{stat.S_IMODE(Path(path).stat().st_mode):o}" for path in ("/dev/null", "/dev/loop0")]
    assert output.split() == [*modes, "used", "held"]
