"""What a container may see and do: namespaces, capabilities, seccomp, users, mounts, files of its pod."""

import os
import socket
from pathlib import Path

import pytest

from proto import cri_v1 as cri
from tests.runtime.machine import Client

pytestmark = pytest.mark.root


def _namespace(name: str) -> str:
    return str(Path(f"/proc/self/ns/{name}").readlink())


async def test_a_container_has_namespaces_of_its_own(client: Client) -> None:
    output = await client.output(await client.pod(), "sh", "-c", "ls -l /proc/self/ns; echo my pid is $$")

    for name in ("pid", "mnt", "uts", "ipc", "net", "cgroup"):
        assert _namespace(name) not in output
    assert "my pid is 1" in output


async def test_containers_of_a_pod_share_network_and_ipc_but_not_processes(client: Client) -> None:
    """Both run while they are asked: the kernel gives the number of a namespace that has gone to another one."""
    pod = await client.pod()
    containers = [await client.run(pod, "sleep", "60", name=name) for name in ("a", "b")]
    script = "for n in net ipc uts pid; do readlink /proc/self/ns/$n; done"

    answers = [await client.exec(container, "sh", "-c", script) for container in containers]

    first, second = (answer.stdout.decode().split() for answer in answers)

    assert first[:3] == second[:3]
    assert first[3] != second[3]


async def test_a_pod_on_the_nodes_network_has_its_name_and_links(client: Client) -> None:
    pod = await client.pod(network=cri.NODE)

    output = await client.output(pod, "sh", "-c", "ls -l /proc/self/ns/net; hostname")

    assert _namespace("net") in output
    assert output.splitlines()[-1] == socket.gethostname()


async def test_a_container_in_the_nodes_pid_namespace_sees_the_nodes_processes(client: Client) -> None:
    pod = await client.pod(pid=cri.NODE)

    output = await client.output(
        pod,
        "sh",
        "-c",
        f"test -d /proc/{os.getpid()} && echo seen",
        namespace_options=cri.NamespaceOption(pid=cri.NODE),
    )

    assert output == "seen"


async def test_what_a_container_in_the_nodes_pid_namespace_started_ends_with_it(client: Client) -> None:
    """No pid namespace ends its leftovers: the shim does, by its cgroup."""
    pod = await client.pod(pid=cri.NODE)
    options = cri.NamespaceOption(pid=cri.NODE)
    container = await client.run(pod, "sh", "-c", "sleep 7777 & echo $!; exit 0", namespace_options=options)
    await client.ended(container)

    left = (await client.log(container)).strip()

    assert not Path(f"/proc/{left}/cmdline").exists() or b"7777" not in Path(f"/proc/{left}/cmdline").read_bytes()


async def test_containers_of_a_pod_that_shares_its_pid_namespace_see_each_other(client: Client) -> None:
    """Process 1 is a reaper then, and a container that ends takes no other with it."""
    options = cri.NamespaceOption(pid=cri.POD)
    pod = await client.pod(pid=cri.POD)
    first = await client.run(pod, "sleep", "4321", name="first", namespace_options=options)

    output = await client.output(pod, "ps", "-o", "pid,args", name="second", namespace_options=options)

    assert "sleep 4321" in output
    assert "ps -o pid,args" in output
    assert (await client.status(first)).state == cri.CONTAINER_RUNNING


async def test_a_container_sees_the_processes_of_its_target(client: Client) -> None:
    """This is how `kubectl debug --target` looks at another container."""
    pod = await client.pod()
    target = await client.run(pod, "sleep", "4322", name="target")
    options = cri.NamespaceOption(pid=cri.TARGET, target_id=target)

    output = await client.output(pod, "ps", "-o", "pid,args", name="debug", namespace_options=options)

    assert "sleep 4322" in output


async def test_root_has_the_usual_capabilities_and_no_more(client: Client) -> None:
    output = await client.output(await client.pod(), "grep", "Cap", "/proc/self/status")

    masks = dict(line.split(":\t") for line in output.splitlines())
    assert masks["CapPrm"] == masks["CapEff"] == masks["CapBnd"] == "00000000a80425fb"
    assert masks["CapInh"] == masks["CapAmb"] == "0000000000000000"


async def test_capabilities_are_added_and_dropped(client: Client) -> None:
    capability = cri.Capability(add_capabilities=["NET_ADMIN"], drop_capabilities=["ALL"])

    output = await client.output(await client.pod(), "grep", "CapEff", "/proc/self/status", capabilities=capability)

    assert output == f"CapEff:\t{1 << 12:016x}"


async def test_an_unknown_capability_is_refused(client: Client) -> None:
    capability = cri.Capability(add_capabilities=["FLY"])

    code, message = await client.refusal(client.create(await client.pod(), "true", capabilities=capability))

    assert (code, "FLY" in message) == ("INVALID_ARGUMENT", True)


async def test_an_ordinary_user_has_no_capabilities(client: Client) -> None:
    output = await client.output(
        await client.pod(), "sh", "-c", "id; grep CapEff /proc/self/status", run_as_user=cri.Int64Value(value=1000)
    )

    assert output.splitlines() == ["uid=1000(web) gid=1001(web) groups=1001(web),1002(extra)", f"CapEff:\t{0:016x}"]


async def test_a_user_is_found_by_name_in_the_image(client: Client) -> None:
    pod = await client.pod()
    container = await client.run(pod, "sh", "-c", "id -u; echo $HOME", run_as_username="web")
    status = await client.ended(container)

    assert (await client.log(container)).split() == ["1000", "/srv"]
    assert (status.user.linux.uid, status.user.linux.gid) == (1000, 1001)
    assert list(status.user.linux.supplemental_groups) == [1001, 1002]


async def test_a_user_that_the_image_lacks_is_an_error_and_never_root(client: Client) -> None:
    container = await client.create(await client.pod(), "id", run_as_username="nobody-here")

    _, message = await client.refusal(client.start(container))

    assert "'nobody-here'" in message
    assert "/etc/passwd" in message


async def test_strict_supplemental_groups_leave_out_those_of_the_image(client: Client) -> None:
    output = await client.output(
        await client.pod(),
        "id",
        "-G",
        run_as_user=cri.Int64Value(value=1000),
        supplemental_groups=[2000],
        supplemental_groups_policy=cri.Strict,
    )

    assert output == "1001 2000"


async def test_no_new_privileges_is_set_when_asked(client: Client) -> None:
    pod = await client.pod()

    without = await client.output(pod, "grep", "NoNewPrivs", "/proc/self/status", name="without")
    having = await client.output(pod, "grep", "NoNewPrivs", "/proc/self/status", name="having", no_new_privs=True)

    assert (without.split()[1], having.split()[1]) == ("0", "1")


async def test_seccomp_is_on_by_default_and_off_when_unconfined(client: Client) -> None:
    pod, unconfined = await client.pod(), cri.SecurityProfile(profile_type=cri.Unconfined)

    default = await client.output(pod, "grep", "Seccomp:", "/proc/self/status", name="default")
    without = await client.output(pod, "grep", "Seccomp:", "/proc/self/status", name="without", seccomp=unconfined)

    assert (default.split()[1], without.split()[1]) == ("2", "0")


async def test_exec_gets_no_more_than_the_containers_own_process(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000", run_as_user=cri.Int64Value(value=1000))

    answer = await client.exec(
        container, "sh", "-c", "id -u; grep -E 'CapEff|CapBnd|Seccomp:' /proc/self/status; cat /proc/self/cgroup"
    )

    lines = answer.stdout.decode().splitlines()
    assert lines[:4] == ["1000", f"CapEff:\t{0:016x}", "CapBnd:\t00000000a80425fb", "Seccomp:\t2"]
    assert any(line.endswith(":memory:/") or line.startswith("0::/") for line in lines[4:])


async def test_privileged_has_every_capability_and_device(client: Client) -> None:
    script = "grep CapEff /proc/self/status; grep Seccomp: /proc/self/status; "
    script += "test -b /dev/loop0 && echo device; mount -t tmpfs none /tmp && echo mounted"

    output = await client.output(await client.pod(), "sh", "-c", script, privileged=True)

    lines = output.splitlines()
    held = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
    assert lines == [held, "Seccomp:\t0", "device", "mounted"]


async def test_a_readonly_root_can_only_be_written_where_something_is_mounted(client: Client, tmp_path: Path) -> None:
    mount = cri.Mount(container_path="/data", host_path=str(tmp_path))
    script = "touch /file 2>/dev/null || echo refused; touch /data/file && touch /dev/shm/file && echo written"

    output = await client.output(await client.pod(), "sh", "-c", script, readonly_rootfs=True, mounts=[mount])

    assert output.split() == ["refused", "written"]
    assert (tmp_path / "file").exists()


async def test_a_readonly_mount_refuses_writes(client: Client, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    mount = cri.Mount(container_path="/deep/er/data", host_path=str(tmp_path), readonly=True)

    output = await client.output(
        await client.pod(),
        "sh",
        "-c",
        "cat /deep/er/data/file; touch /deep/er/data/new 2>/dev/null || echo refused",
        mounts=[mount],
    )

    assert output == "contentrefused"


async def test_a_single_file_can_be_mounted_over_one_of_the_image(client: Client, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("10.0.0.1 web\n")
    mount = cri.Mount(container_path="/etc/hosts", host_path=str(hosts))

    output = await client.output(await client.pod(), "cat", "/etc/hosts", mounts=[mount])

    assert output == "10.0.0.1 web"


async def test_a_link_that_dangles_in_the_image_gets_what_is_mounted_there(client: Client, tmp_path: Path) -> None:
    """As /etc/resolv.conf does on a machine whose resolver keeps it below /run."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "conf").symlink_to("/run/resolver/conf")
    (tmp_path / "file").write_text("here")
    mounts = [
        cri.Mount(container_path="/volume", host_path=str(folder)),
        cri.Mount(container_path="/volume/conf", host_path=str(tmp_path / "file")),
    ]

    output = await client.output(await client.pod(), "cat", "/run/resolver/conf", mounts=mounts)

    assert output == "here"
    assert not Path("/run/resolver").exists()


async def test_the_pod_has_its_own_name_resolver_and_shared_memory(client: Client) -> None:
    dns = cri.DNSConfig(servers=["10.96.0.10"], searches=["default.svc.cluster.local"], options=["ndots:5"])
    pod = await client.pod(hostname="web-0", dns=dns)

    first = await client.output(pod, "sh", "-c", "hostname; cat /etc/hostname /etc/resolv.conf; touch /dev/shm/mine")
    second = await client.output(pod, "ls", "/dev/shm", name="other")

    assert first.splitlines() == [
        "web-0",
        "web-0",
        "nameserver 10.96.0.10",
        "search default.svc.cluster.local",
        "options ndots:5",
    ]
    assert second == "mine"


async def test_sysctls_of_the_pods_namespaces_are_set_and_others_refused(client: Client) -> None:
    pod = await client.pod(sysctls={"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1"})

    output = await client.output(pod, "cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/shm_rmid_forced")
    code, message = await client.refusal(client.pod(sysctls={"vm.swappiness": "1"}))
    shared, _ = await client.refusal(client.pod(network=cri.NODE, sysctls={"net.ipv4.ip_forward": "1"}))

    assert output.split() == ["1", "1"]
    assert (code, "vm.swappiness" in message) == ("INVALID_ARGUMENT", True)
    assert shared == "INVALID_ARGUMENT"


async def test_a_sysctl_that_the_kernel_refuses_leaves_no_sandbox(client: Client) -> None:
    code, message = await client.refusal(client.pod(sysctls={"net.ipv4.no_such_setting": "1"}))

    assert (code, "no_such_setting" in message) == ("UNKNOWN", True)
    assert (await client.runtime.list_pod_sandbox(cri.ListPodSandboxRequest())).items == []


async def test_two_way_propagation_needs_a_shared_mount(client: Client, tmp_path: Path) -> None:
    mount = cri.Mount(container_path="/data", host_path=str(tmp_path), propagation=cri.PROPAGATION_BIDIRECTIONAL)

    code, message = await client.refusal(client.create(await client.pod(), "true", mounts=[mount]))

    assert (code, "make-rshared" in message) == ("INVALID_ARGUMENT", True)


async def test_devices_that_were_asked_for_are_there(client: Client) -> None:
    device = cri.Device(container_path="/dev/fuse", host_path="/dev/fuse", permissions="rw")

    output = await client.output(
        await client.pod(),
        "sh",
        "-c",
        "test -c /dev/fuse && echo device; test -b /dev/loop0 || echo only",
        devices=[device],
    )

    assert output.split() == ["device", "only"]


async def test_the_working_directory_is_made_when_missing(client: Client) -> None:
    output = await client.output(await client.pod(), "sh", "-c", "pwd", working_dir="/not/there/yet")

    assert output == "/not/there/yet"


async def test_the_environment_is_the_images_then_the_pods(client: Client) -> None:
    envs = [cri.KeyValue(key="A", value=b"1=2"), cri.KeyValue(key="PATH", value=b"/bin")]

    output = await client.output(await client.pod(hostname="h"), "env", envs=envs)

    assert set(output.splitlines()) >= {"A=1=2", "PATH=/bin", "HOSTNAME=h", "HOME=/root"}


@pytest.mark.parametrize(
    ("readonly", "propagation", "found"),
    [
        (False, cri.PROPAGATION_PRIVATE, "not readonly"),
        (True, cri.PROPAGATION_HOST_TO_CONTAINER, "propagates"),
        (True, cri.PROPAGATION_BIDIRECTIONAL, "propagates"),
    ],
)
async def test_a_recursively_readonly_mount_that_cannot_stay_so_is_refused(
    client: Client, tmp_path: Path, readonly: bool, propagation: cri.MountPropagation, found: str
) -> None:
    mount = cri.Mount(container_path="/data", host_path=str(tmp_path), readonly=readonly, propagation=propagation)
    mount.recursive_read_only = True

    code, message = await client.refusal(client.create(await client.pod(), "true", mounts=[mount]))

    assert (code, found in message) == ("INVALID_ARGUMENT", True)


async def test_a_pod_with_a_long_name_has_it_cut_to_what_the_kernel_takes(client: Client) -> None:
    name = "web-" + "x" * 80

    output = await client.output(await client.pod(hostname="", name=name), "hostname")

    assert output == name[:63]
