"""Pods in a user namespace of their own: root inside is nobody outside."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nodeagent.runtime.user_namespace import can_be_made
from proto import cri_v1 as cri
from tests.runtime.machine import HOST_IMAGE, IMAGE, Client, until

pytestmark = pytest.mark.root

BASE, LENGTH = 200_000, 65536
MAPS_TMPFS = tuple(int(number) for number in os.uname().release.split(".")[:2]) >= (6, 3)


def _mapping(host: int = BASE, *, first: int = 0, length: int = LENGTH) -> list[cri.IDMapping]:
    return [cri.IDMapping(host_id=host, container_id=first, length=length)]


def _users(**fields: Any) -> cri.UserNamespace:
    return cri.UserNamespace(**{"mode": cri.POD, "uids": _mapping(), "gids": _mapping(), **fields})


async def _pod(client: Client, **fields: Any) -> str:
    return await client.pod(userns_options=_users(), **fields)


async def test_root_of_the_pod_is_nobody_on_the_node(client: Client) -> None:
    container = await client.run(await _pod(client), "sleep", "1000")
    verbose = await client.runtime.container_status(cri.ContainerStatusRequest(container_id=container, verbose=True))
    shown = (await client.exec(container, "cat", "/proc/self/uid_map", "/proc/self/gid_map")).stdout.split()

    pid = json.loads(verbose.info["info"])["pid"]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    assert shown == [b"0", b"200000", b"65536"] * 2
    assert next(line.split()[1:] for line in lines if line.startswith("Uid:")) == ["200000"] * 4
    assert next(line.split()[1:] for line in lines if line.startswith("Gid:")) == ["200000"] * 4


async def test_the_image_and_what_is_written_belong_to_the_pods_users(client: Client) -> None:
    script = (
        "stat -c '%u %g %n' /bin/busybox /etc/passwd / /dev /dev/shm; echo x > /new; touch /etc/mine /dev/shm/mine;"
    )
    script += "mkdir /tmp/d; stat -c '%u %n' /new /etc/mine /dev/shm/mine /tmp/d; echo y >> /etc/passwd && echo changed"

    output = await client.output(await _pod(client), "sh", "-c", script)

    lines = output.splitlines()
    assert lines[:5] == ["0 0 /bin/busybox", "0 0 /etc/passwd", "0 0 /", "0 0 /dev", "0 0 /dev/shm"]
    assert lines[5:] == ["0 /new", "0 /etc/mine", "0 /dev/shm/mine", "0 /tmp/d", "changed"]


async def test_a_user_by_name_is_who_the_image_says(client: Client) -> None:
    pod = await _pod(client)

    output = await client.output(pod, "sh", "-c", "id; cd /not && pwd", run_as_username="web", working_dir="/not/there")

    assert "uid=1000(web) gid=1001(web) groups=1001(web),1002(extra)" in output


async def test_an_exec_and_a_terminal_are_inside_too(client: Client) -> None:
    container = await client.run(await _pod(client), "sleep", "1000")
    answer = await client.exec(container, "sh", "-c", "id -u; cat /proc/self/uid_map; echo z > /dev/stdout")
    shown = await client.output(await _pod(client), "sh", "-c", "test -t 0 && stat -c %u $(tty)", tty=True)

    assert answer.stdout.split() == [b"0", b"0", b"200000", b"65536", b"z"]
    assert shown.strip() == "0"


async def test_a_mapped_volume_keeps_its_owners_and_another_shows_strangers(client: Client, tmp_path: Path) -> None:
    (tmp_path / "mapped").mkdir()
    (tmp_path / "plain").mkdir()
    mounts = [
        cri.Mount(
            container_path="/mapped", host_path=str(tmp_path / "mapped"), uidMappings=_mapping(), gidMappings=_mapping()
        ),
        cri.Mount(container_path="/plain", host_path=str(tmp_path / "plain")),
    ]
    script = "touch /mapped/file && stat -c %u /mapped/file; stat -c %u /plain; touch /plain/file || echo refused"

    output = await client.output(await _pod(client), "sh", "-c", f"({script}) 2>/dev/null", mounts=mounts)

    assert output.split() == ["0", "65534", "refused"]
    assert (tmp_path / "mapped" / "file").stat().st_uid == 0


@pytest.mark.parametrize(
    "attempt",
    [
        "umount /sys",
        "mount -o remount,bind,rw /sys",
        "mount -t proc none /tmp",
        "mount -t sysfs none /tmp",
        "umount /proc/timer_list",
        "mount -o remount,bind,rw /proc/sys",
        "mkdir /tmp/g && mount -t cgroup -o memory none /tmp/g && echo 1 > /tmp/g/notify_on_release",
        "mknod /tmp/disk b 254 0 && cat /tmp/disk > /dev/null",
        "echo 1 > /proc/sys/kernel/panic",
        "echo -17 > /proc/1/oom_score_adj",
        "busybox chroot /proc/1/root/../../.. test -e /work",
        "kill -9 -1; false",
    ],
)
async def test_every_capability_inside_is_none_outside(client: Client, attempt: str) -> None:
    every = cri.Capability(add_capabilities=["ALL"])
    unconfined = cri.SecurityProfile(profile_type=cri.Unconfined)
    script = f"({attempt}) 2>/dev/null && echo broken || echo held"

    output = await client.output(
        await _pod(client, sysctls={}),
        "sh",
        "-c",
        script,
        capabilities=every,
        seccomp=unconfined,
        masked_paths=["/proc/timer_list"],
        readonly_paths=["/proc/sys"],
    )

    assert output in {"held", ""}


async def test_pods_share_their_namespaces_with_all_their_containers(client: Client) -> None:
    pod = await _pod(client, pid=cri.POD, sysctls={"net.ipv4.ip_forward": "1"}, hostname="own")
    options = cri.NamespaceOption(pid=cri.POD)
    await client.run(pod, "sleep", "743", namespace_options=options)

    script = "ps -o args | grep 74[3]; cat /proc/sys/net/ipv4/ip_forward; hostname; echo > /dev/shm/x && echo written"
    output = await client.output(pod, "sh", "-c", script, name="other", namespace_options=options)

    assert output.split() == ["sleep", "743", "1", "own", "written"]


@pytest.mark.skipif(not MAPS_TMPFS, reason="needs Linux 6.3, which maps ids of a tmpfs")
async def test_the_machines_own_root_can_be_shown_mapped(client: Client) -> None:
    output = await client.output(await _pod(client), "stat", "-c", "%u", "/etc/passwd", "/root", image=HOST_IMAGE)

    assert output.split() == ["0", "0"]


@pytest.mark.skipif(MAPS_TMPFS, reason="this kernel maps ids of a tmpfs")
async def test_the_machines_own_root_is_refused_where_its_covers_cannot_be_mapped(client: Client) -> None:
    container = await client.create(await _pod(client), "true", image=HOST_IMAGE)

    code, message = await client.refusal(client.start(container))

    assert code == "UNKNOWN"
    assert "tmpfs 6.3" in message


@pytest.mark.parametrize(
    ("users", "found"),
    [
        (_users(uids=_mapping() + _mapping(300_000)), "one mapping"),
        (_users(uids=_mapping(first=1)), "container id 0"),
        (_users(gids=_mapping(length=1)), "as many uids as gids"),
        (_users(gids=[]), "gids need one mapping"),
        (_users(mode=cri.CONTAINER, uids=[], gids=[]), "use POD or NODE"),
        (_users(mode=cri.TARGET, uids=[], gids=[]), "use POD or NODE"),
        (_users(mode=cri.NODE), "without a user namespace"),
    ],
)
async def test_what_cannot_be_mapped_makes_no_sandbox(client: Client, users: cri.UserNamespace, found: str) -> None:
    code, message = await client.refusal(client.pod(userns_options=users))

    assert (code, found in message) == ("INVALID_ARGUMENT", True)


async def test_a_container_cannot_be_mapped_otherwise_than_its_pod(client: Client, tmp_path: Path) -> None:
    """It would have the node's users where it asked for others."""
    other = cri.NamespaceOption(pid=cri.CONTAINER, userns_options=_users(uids=_mapping(300_000)))
    mount = cri.Mount(container_path="/data", host_path=str(tmp_path), uidMappings=_mapping(7), gidMappings=_mapping(7))
    mapped, plain = await _pod(client), await client.pod()

    refusals = [
        await client.refusal(client.create(mapped, "true", namespace_options=other)),
        await client.refusal(client.create(plain, "true", namespace_options=other)),
        await client.refusal(client.create(mapped, "true", mounts=[mount])),
        await client.refusal(client.create(plain, "true", mounts=[mount])),
    ]

    assert {code for code, _ in refusals} == {"INVALID_ARGUMENT"}
    assert all("the same mapping" in message for _, message in refusals)


async def test_a_pod_on_the_nodes_network_has_the_nodes_users(client: Client) -> None:
    shared, _ = await client.refusal(client.pod(userns_options=_users(), network=cri.NODE))

    assert shared == "INVALID_ARGUMENT"


async def test_who_may_mount_adds_to_its_own_mounts_in_an_exec_too(client: Client) -> None:
    capability = cri.Capability(add_capabilities=["SYS_ADMIN"])
    unconfined = cri.SecurityProfile(profile_type=cri.Unconfined)  # The default profile of AppArmor denies all mounts.
    fields = {"capabilities": capability, "apparmor": unconfined}
    container = await client.run(await _pod(client), "sleep", "1000", **fields)

    first = await client.exec(container, "mount", "-t", "tmpfs", "mine", "/tmp")
    second = await client.exec(container, "grep", "-c", "mine", "/proc/mounts")

    assert (first.exit_code, second.stdout) == (0, b"1\n")


async def test_privileged_is_everything_in_the_pod_and_nothing_on_the_node(client: Client) -> None:
    script = (
        "grep CapEff /proc/self/status; mount -t tmpfs none /tmp && echo mounted; mount -t sysfs none /srv && echo sys"
    )
    script += "; echo > /dev/null && echo used; test -b /dev/loop0 && echo there; cat /dev/loop0 || echo held"
    script += "; echo 1 > /proc/sys/kernel/panic || echo held; echo b > /proc/sysrq-trigger || echo held"
    script += "; mknod /tmp/n b 7 0 || echo held; umount /proc || echo held"

    output = await client.output(await _pod(client), "sh", "-c", f"({script}) 2>/dev/null", privileged=True)

    mask = (1 << int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1) - 1
    assert output.splitlines() == [f"CapEff:\t{mask:016x}", "mounted", "sys", "used", "there", *["held"] * 5]


async def test_a_setuid_program_makes_its_user_root_of_the_pod_alone(client: Client) -> None:
    script = "cp /bin/busybox /tmp/b && chmod 4755 /tmp/b && sleep 1000"
    container = await client.run(await _pod(client), "sh", "-c", script)
    await until(lambda: _succeeds(client, container, "test", "-u", "/tmp/b"), "the program is setuid")
    upper = client.settings.containers_dir / container / "upper"

    assert (upper / "tmp" / "b").stat().st_uid == BASE


async def _succeeds(client: Client, container: str, *command: str) -> bool:
    return (await client.exec(container, *command)).exit_code == 0


async def test_an_image_volume_belongs_to_the_pods_users(client: Client) -> None:
    mounts = [
        cri.Mount(container_path="/whole", readonly=True, image=cri.ImageSpec(image=IMAGE)),
        cri.Mount(container_path="/part", readonly=True, image=cri.ImageSpec(image=IMAGE), image_sub_path="etc/group"),
    ]
    script = "stat -c %u /whole /whole/etc/passwd /part; touch /whole/new 2>&1; grep -c extra /part"

    output = await client.output(await _pod(client), "sh", "-c", script, mounts=mounts)

    assert output.split()[:3] == ["0", "0", "0"]
    assert output.splitlines()[3:] == ["touch: /whole/new: Read-only file system", "1"]


async def test_nothing_is_masked_for_a_pod_of_its_own_users_that_asks_for_nothing_masked(client: Client) -> None:
    """procMount: Unmasked; whoever is root there can't write to what is the node's all the same."""
    script = "grep -c ' /proc/' /proc/mounts; echo 1 > /proc/sys/kernel/panic || echo held"

    own = await client.output(await _pod(client), "sh", "-c", f"({script}) 2>/dev/null")
    nodes = await client.output(await client.pod(), "sh", "-c", f"({script}) 2>/dev/null")

    assert own.split() == ["0", "held"]
    assert int(nodes.split()[0]) > 5


def test_what_the_kernel_lacks_for_them_is_known_beforehand(tmp_path: Path) -> None:
    limit, none = tmp_path / "limit", tmp_path / "none"
    limit.write_text("1000\n")
    none.write_text("0\n")

    assert can_be_made("5.19.0-1-amd64", str(limit))
    assert can_be_made("6.1", str(limit))
    assert not can_be_made("5.10.0", str(limit))
    assert not can_be_made("6.1", str(none))
    assert not can_be_made("6.1", str(tmp_path / "missing"))
