"""Pods on the real thing. One cluster serves all tests of this file; each test has pods of its own names."""

import asyncio
import contextlib
import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from kube import codec
from kube.api.core_v1 import ConfigMap, Event, Pod, Secret
from kube.client import Selection
from kube.config import Access
from kube.errors import ApiError
from kube.http_client import HttpClient
from kube.pki import Subject, issue
from nodeagent.cri.client import Cri
from nodeagent.log_rotation import rotate
from nodeagent.memory import is_tmpfs
from tests.nodeagent.make import NOW, container
from tests.nodeagent.real_node import (
    Cluster,
    authority_of,
    sh,
    until,
)

pytestmark = pytest.mark.root


COUNTING = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.02; done"


async def test_a_pod_gets_what_its_spec_says(cluster: Cluster) -> None:
    """Environment, volumes of every kind, addresses and names: seen from inside."""
    await cluster.client.create(
        codec.from_plain({"metadata": {"name": "cm", "namespace": "default"}, "data": {"k": "cv"}}, ConfigMap)
    )
    await cluster.client.create(
        codec.from_plain({"metadata": {"name": "sec", "namespace": "default"}, "data": {"k": "c3Y="}}, Secret)
    )
    mounts = [
        {"name": "work", "mountPath": "/work"},
        {"name": "cm", "mountPath": "/etc/cm"},
        {"name": "sec", "mountPath": "/etc/sec", "readOnly": True},
        {"name": "token", "mountPath": "/etc/token"},
        {"name": "cm", "mountPath": "/one/file", "subPath": "k"},
        {"name": "mem", "mountPath": "/mem"},
    ]
    script = (
        "cat /etc/cm/k /etc/sec/k /one/file /work/from-init; echo; echo $IP $(hostname); wc -c < /etc/token/token;"
        "grep $(hostname) /etc/hosts | cut -f1; stat -f -c %T /etc/sec /mem; touch /etc/sec/x 2>&1 | grep -o Read-only;"
        "grep -c cluster.local /etc/resolv.conf; echo bye > /dev/termination-log"
    )
    await cluster.run(
        "spec",
        sh(script, volumeMounts=mounts, env=[{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]),
        initContainers=[
            sh("echo -n init > /work/from-init", name="init", volumeMounts=[{"name": "work", "mountPath": "/work"}])
            | {"name": "init"}
        ],
        restartPolicy="Never",
        volumes=[
            {"name": "work", "emptyDir": {}},
            {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "cm", "configMap": {"name": "cm"}},
            {"name": "sec", "secret": {"secretName": "sec"}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        ],
    )

    pod = await cluster.wait_phase("spec", "Succeeded")

    lines = (await cluster.logs("spec")).splitlines()
    assert lines[0] == "cvsvcvinit"
    assert lines[1].endswith(" spec")
    assert int(lines[2]) > 100, "the token"
    assert lines[3] == lines[1].split()[0], "/etc/hosts has the pod's address"
    assert lines[4:] == ["tmpfs", "tmpfs", "Read-only", "1"]
    ended = pod.status.container_statuses[0].state.terminated
    assert ended is not None
    assert (ended.message, ended.reason) == ("bye\n", "Completed")
    await cluster.delete("spec")


async def test_secrets_lie_in_memory_only(cluster: Cluster) -> None:
    meta = {"metadata": {"name": "hidden", "namespace": "default"}, "data": {"k": "Y29uc3BpY3VvdXM="}}
    await cluster.client.create(codec.from_plain(meta, Secret))
    volumes = [{"name": "s", "secret": {"secretName": "hidden"}}]
    await cluster.run("secretive", sh("sleep 60", volumeMounts=[{"name": "s", "mountPath": "/s"}]), volumes=volumes)
    pod = await cluster.wait_ready("secretive")

    own = cluster.machine.folder / "run" / "pods" / pod.metadata.uid

    assert is_tmpfs(own)
    assert (own / "volumes/s/k").read_text() == "conspicuous"
    on_disk = [file for file in (cluster.machine.folder / "state" / "pods").rglob("*") if file.is_file()]
    assert all(b"conspicuous" not in file.read_bytes() for file in on_disk)
    await cluster.delete("secretive")
    await until(lambda: not own.exists(), "the removal of what was in memory")


async def test_a_link_out_of_its_volume_is_no_sub_path(cluster: Cluster) -> None:
    """A container may plant links in its volume; a later one must not be led to the machine's files by them."""
    planted = [{"name": "v", "mountPath": "/v"}]
    await cluster.run(
        "escape",
        sh("cat /x/hostname", volumeMounts=[{"name": "v", "mountPath": "/x", "subPath": "out"}]),
        initContainers=[sh("ln -s /etc /v/out", volumeMounts=planted) | {"name": "planter"}],
        volumes=[{"name": "v", "emptyDir": {}}],
    )

    async def is_refused() -> bool:
        statuses = (await cluster.pod("escape")).status.container_statuses
        waiting = statuses[0].state.waiting if statuses else None
        return waiting is not None and "leads out of its volume" in waiting.message

    await until(is_refused, "the refusal")
    await cluster.delete("escape")


async def test_probes_reach_the_pod_and_restart_what_fails(cluster: Cluster) -> None:
    serve = "touch /tmp/alive; cd /tmp; exec python3 -m http.server 8080"
    await cluster.run(
        "probed",
        sh(
            serve,
            ports=[{"name": "http", "containerPort": 8080}],
            readinessProbe={"httpGet": {"path": "/alive", "port": "http"}, "periodSeconds": 1},
            startupProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 20},
            livenessProbe={
                "exec": {"command": ["cat", "/tmp/alive"]},
                "periodSeconds": 1,
                "failureThreshold": 1,
                "timeoutSeconds": 5,
            },
        ),
    )
    await cluster.wait_ready("probed")

    await cluster.exec("probed", "rm", "/tmp/alive")

    async def is_restarted() -> bool:
        return (await cluster.pod("probed")).status.container_statuses[0].restart_count == 1

    await until(is_restarted, "the restart")
    await cluster.wait_ready("probed")

    async def is_told() -> bool:
        events = await cluster.client.list(Event, Selection("default"))
        return {"Unhealthy", "Killing"} <= {e.reason for e in events.items if e.involved_object.name == "probed"}

    await until(is_told, "the events of the restart")
    await cluster.delete("probed")


async def test_a_command_runs_in_the_pod_and_tells_how_it_ended(cluster: Cluster) -> None:
    await cluster.run("target", sh("sleep 60"))
    await cluster.wait_ready("target")

    output, status = await cluster.exec("target", "sh", "-c", "echo out; echo err >&2; exit 3")

    assert sorted(output.split()) == [b"err", b"out"]
    assert '"3"' in status
    await cluster.delete("target")


async def test_a_port_of_the_host_leads_to_the_pod(cluster: Cluster) -> None:
    serve = "echo hello > /tmp/hello; cd /tmp; exec python3 -m http.server 8080"
    ports = [{"containerPort": 8080, "hostPort": 18080}]
    await cluster.run(
        "ported", sh(serve, ports=ports, readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1})
    )
    await cluster.wait_ready("ported")

    reader, writer = await asyncio.open_connection(str(cluster.machine.host.address), 18080)
    writer.write(b"GET /hello HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert answer.endswith(b"hello\n")
    await cluster.delete("ported")


async def test_hooks_run_and_sidecars_outlive_the_others(cluster: Cluster) -> None:
    wait = "trap 'echo NAME >> /v/story; exit 0' TERM; while :; do sleep 1 & wait; done"
    mounts = [{"name": "v", "mountPath": "/v"}]
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo began >> /v/story"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo hook >> /v/story"]}},
    }
    main = sh(wait.replace("NAME", "main"), volumeMounts=mounts, lifecycle=hooks)
    side = sh(wait.replace("NAME", "side"), volumeMounts=mounts, restartPolicy="Always")
    folder = cluster.machine.folder / "story"
    folder.mkdir()
    await cluster.run(
        "told",
        main,
        initContainers=[side | {"name": "side"}],
        volumes=[{"name": "v", "hostPath": {"path": str(folder), "type": "Directory"}}],
        terminationGracePeriodSeconds=10,
    )
    await cluster.wait_ready("told")

    await cluster.delete("told")

    assert (folder / "story").read_text().split() == ["began", "hook", "main", "side"]


async def test_a_container_that_eats_too_much_memory_is_oom_killed(cluster: Cluster) -> None:
    await cluster.run(
        "glutton",
        container(
            command=["python3", "-c", "x = bytearray(200 * 1024 * 1024)"],
            resources={"limits": {"memory": "32Mi"}},
        ),
        restartPolicy="Never",
    )

    pod = await cluster.wait_phase("glutton", "Failed")

    ended = pod.status.container_statuses[0].state.terminated
    assert ended is not None
    assert ended.reason == "OOMKilled"
    await cluster.delete("glutton")


async def test_logs_are_cut_as_asked(cluster: Cluster) -> None:
    await cluster.run("chatty", sh("for i in 1 2 3 4 5; do echo line $i; done; exit 1"))

    async def has_crashed_twice() -> bool:
        return (await cluster.pod("chatty")).status.container_statuses[0].restart_count >= 1

    await cluster.wait_phase("chatty", "Running")
    await until(has_crashed_twice, "a restart")

    assert (await cluster.logs("chatty", previous="true", tailLines="2")).splitlines() == ["line 4", "line 5"]
    assert await cluster.logs("chatty", previous="true", limitBytes="8") == "line 1\nl"
    stamped = (await cluster.logs("chatty", previous="true", timestamps="true")).splitlines()[0]
    assert stamped.endswith("Z line 1")
    await cluster.delete("chatty")


async def test_a_followed_log_shows_lines_as_they_come_and_ends_with_the_container(cluster: Cluster) -> None:
    await cluster.run("slow", sh("for i in 1 2 3; do sleep 0.3; echo $i; done"), restartPolicy="Never")
    await cluster.wait_phase("slow", "Running")
    path = "/api/v1/namespaces/default/pods/slow/log"

    async with cluster.client.stream(path, query={"follow": "true"}, accept="*/*") as pieces:
        text = b"".join([piece async for piece in pieces])

    assert text == b"1\n2\n3\n"
    await cluster.delete("slow")


async def test_a_rotated_log_loses_no_line_even_for_those_who_follow_it(cluster: Cluster) -> None:
    """The node's limits are large; here the rotation itself is done by hand, on the same socket as the agent's."""
    await cluster.run("rotated", sh("for i in $(seq 200); do echo line $i; sleep 0.005; done"), restartPolicy="Never")
    await cluster.wait_phase("rotated", "Running")
    folder = next((cluster.machine.folder / "state/logs").glob("default_rotated_*")) / "main"
    container_id = (await cluster.pod("rotated")).status.container_statuses[0].container_id.partition("://")[2]
    cri = Cri(f"unix:{cluster.machine.folder / 'run' / 'runtime.sock'}")
    path = "/api/v1/namespaces/default/pods/rotated/log"

    async def follow() -> str:
        async with cluster.client.stream(path, query={"follow": "true"}, accept="*/*") as pieces:
            return b"".join([piece async for piece in pieces]).decode()

    async with asyncio.TaskGroup() as group:
        following = group.create_task(follow())
        for number in range(3):
            size = (folder / "0.log").stat().st_size
            await until(lambda size=size: (folder / "0.log").stat().st_size > size, "more lines")  # type: ignore[misc]
            await rotate(cri, container_id, folder / "0.log", NOW + timedelta(seconds=number), 5)
    await cri.close()

    lines = [f"line {number}" for number in range(1, 201)]
    assert following.result().splitlines() == lines
    assert (await cluster.logs("rotated")).splitlines() == lines
    assert len(list(folder.iterdir())) == 4
    await cluster.delete("rotated")


async def test_killing_the_agent_stops_no_container_and_loses_no_line(cluster: Cluster) -> None:
    """The point of the whole design: SIGKILL of the agent (the runtime goes with it), and pods go on."""
    machine = cluster.machine
    await cluster.run("survivor", sh(COUNTING))
    await cluster.run("deleted", sh("sleep 60"))
    await cluster.run("crashing", sh("sleep 1; exit 4"), restartPolicy="Never")
    before = await cluster.wait_ready("survivor")
    await cluster.wait_ready("deleted")
    await cluster.wait_phase("crashing", "Running")
    agent = machine.processes[-1]

    machine.end(agent, signal.SIGKILL)
    await cluster.client.delete(Pod, "deleted", namespace="default", grace_s=0)
    log = next((machine.folder / "state/logs").glob("default_survivor_*")) / "main/0.log"
    size = log.stat().st_size
    await until(lambda: log.stat().st_size > size, "lines while nobody watches")
    machine.start_agent()

    ended = (await cluster.wait_phase("crashing", "Failed")).status.container_statuses[0].state.terminated
    assert ended is not None
    assert ended.exit_code == 4, "it ended while no agent ran, or soon after"
    await until(lambda: not list((machine.folder / "state/logs").glob("default_deleted_*")), "the orphan's removal")
    after = await cluster.wait_ready("survivor")
    assert after.status.container_statuses[0].container_id == before.status.container_statuses[0].container_id
    assert after.status.container_statuses[0].restart_count == 0
    lines = (await cluster.logs("survivor")).splitlines()
    assert lines == [f"line {number}" for number in range(1, len(lines) + 1)]
    assert (await cluster.exec("survivor", "echo", "there"))[0] == b"there\n"
    await cluster.delete("survivor")
    await cluster.delete("crashing")


async def test_killing_the_runtime_alone_stops_no_container(cluster: Cluster) -> None:
    machine = cluster.machine
    await cluster.run("steady", sh(COUNTING))
    before = await cluster.wait_ready("steady")
    runtime = runtime_process(machine.processes[-1].pid)

    os.kill(runtime, signal.SIGKILL)
    await until(lambda: runtime_process(machine.processes[-1].pid) not in (0, runtime), "another runtime")

    await cluster.run("next", sh("sleep 60"))
    await cluster.wait_ready("next")
    after = await cluster.pod("steady")
    assert after.status.container_statuses == before.status.container_statuses
    await cluster.delete("steady")
    await cluster.delete("next")


def runtime_process(agent: int) -> int:
    """Return the process id of an agent's runtime, 0 where there is none."""
    for child in Path(f"/proc/{agent}/task/{agent}/children").read_text().split():
        with contextlib.suppress(OSError):
            if b"nodeagent.runtime_process" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return 0


async def test_a_stranger_is_not_answered(cluster: Cluster) -> None:
    """A pod that finds the node's port must not read the logs of others."""
    machine = cluster.machine
    authority = authority_of(machine.folder)
    pair = issue(authority, Subject("mallory", ("system:nodes",)), ("client",))
    stranger = Access(
        f"https://{machine.host.address}:10250", authority.certificate_pem, pair.certificate_pem, pair.key_pem
    )

    async with HttpClient(stranger) as client:
        with pytest.raises(ApiError) as refused:
            await client.request_raw("GET", "/pods")

    assert refused.value.code == 403
