"""Sandboxes and containers from birth to removal, over the CRI socket."""

import asyncio
import signal
from pathlib import Path

import pytest

from proto import cri_v1 as cri
from tests.runtime.machine import HOST_IMAGE, Client, until

pytestmark = pytest.mark.root


async def test_a_container_goes_from_created_over_running_to_exited(client: Client) -> None:
    pod = await client.pod()

    container = await client.create(pod, "sh", "-c", "echo out; echo err >&2; exit 7")
    created = await client.status(container)
    await client.start(container)
    ended = await client.ended(container)

    assert created.state == cri.CONTAINER_CREATED
    assert (ended.exit_code, ended.reason) == (7, "Error")
    assert ended.created_at < ended.started_at <= ended.finished_at
    assert sorted((await client.log(container)).splitlines()) == ["err", "out"]


async def test_a_command_that_succeeds_is_completed(client: Client) -> None:
    ended = await client.ended(await client.run(await client.pod(), "true"))

    assert (ended.exit_code, ended.reason) == (0, "Completed")


async def test_a_log_line_has_a_time_a_stream_and_a_tag(client: Client) -> None:
    container = await client.run(await client.pod(), "sh", "-c", "echo whole; echo -n part")
    status = await client.ended(container)

    lines = [line.split(" ", 3) for line in Path(status.log_path).read_text().splitlines()]

    assert [line[1:] for line in lines] == [["stdout", "F", "whole"], ["stdout", "P", "part"]]
    assert all(line[0].endswith("Z") and len(line[0]) == 30 for line in lines)


async def test_a_hundred_thousand_lines_are_all_in_the_log(client: Client) -> None:
    """A chatty container must lose nothing, also what it wrote right before its end."""
    container = await client.run(await client.pod(), "sh", "-c", "yes line | head -n 100000; echo last")
    await client.ended(container)

    lines = (await client.log(container)).splitlines()

    assert len(lines) == 100001
    assert lines[-1] == "last"


async def test_a_line_of_40000_bytes_is_cut_into_partial_ones(client: Client) -> None:
    script = "yes x | head -n 40000 | tr -d '\\n'; echo"
    status = await client.ended(await client.run(await client.pod(), "sh", "-c", script))

    lines = [line.split(" ", 3) for line in Path(status.log_path).read_text().splitlines()]

    assert [(line[2], len(line[3])) for line in lines] == [("P", 16384), ("P", 16384), ("F", 40000 - 2 * 16384)]


async def test_a_reopened_log_goes_on_in_a_new_file(client: Client) -> None:
    container = await client.run(
        await client.pod(), "sh", "-c", "echo before; while ! test -e /go; do sleep 0.01; done; echo after"
    )
    log = Path((await client.status(container)).log_path)
    await until(lambda: _holds(log, "before"), "the first line is written")
    rotated = log.rename(log.with_suffix(".1"))

    await client.runtime.reopen_container_log(cri.ReopenContainerLogRequest(container_id=container))
    await client.exec(container, "touch", "/go")
    await client.ended(container)

    assert "before" in rotated.read_text()
    assert "after" in log.read_text()
    assert "after" not in rotated.read_text()


async def _holds(file: Path, text: str) -> bool:
    return file.exists() and text in file.read_text()


async def test_stop_sends_the_containers_own_signal_first(client: Client) -> None:
    script = "trap 'echo got USR1; exit 3' USR1; echo ready; while true; do sleep 0.01; done"
    container = await client.run(await client.pod(), "sh", "-c", script, stop_signal=cri.SIGUSR1)
    log = Path((await client.status(container)).log_path)
    await until(lambda: _holds(log, "ready"), "the trap is set")

    await client.stop(container, timeout=10)

    ended = await client.status(container)
    assert (ended.state, ended.exit_code) == (cri.CONTAINER_EXITED, 3)
    assert "got USR1" in await client.log(container)


async def test_stop_kills_what_does_not_listen(client: Client) -> None:
    container = await client.run(await client.pod(), "sh", "-c", "trap '' TERM; sleep 1000 & wait; sleep 1000")

    await client.stop(container, timeout=1)

    ended = await client.status(container)
    assert (ended.state, ended.exit_code) == (cri.CONTAINER_EXITED, 128 + signal.SIGKILL)


async def test_stop_and_remove_may_be_repeated(client: Client) -> None:
    pod = await client.pod()
    container = await client.run(pod, "sleep", "1000")

    for _ in range(2):
        await client.stop(container)
    for _ in range(2):
        await client.remove(container)
    for _ in range(2):
        await client.remove_pod(pod)

    assert (await client.runtime.list_containers(cri.ListContainersRequest())).containers == []


async def test_stopping_a_sandbox_ends_its_containers_and_keeps_their_status(client: Client) -> None:
    pod = await client.pod()
    container = await client.run(pod, "sleep", "1000")

    await client.runtime.stop_pod_sandbox(cri.StopPodSandboxRequest(pod_sandbox_id=pod))

    status = await client.runtime.pod_sandbox_status(cri.PodSandboxStatusRequest(pod_sandbox_id=pod))
    assert status.status.state == cri.SANDBOX_NOTREADY
    assert (await client.status(container)).exit_code == 137


async def test_the_runtime_says_who_it_is_and_what_works(client: Client) -> None:
    network = cri.RuntimeConfig(network_config=cri.NetworkConfig(pod_cidr="10.1.0.0/24"))
    await client.runtime.update_runtime_config(cri.UpdateRuntimeConfigRequest(runtime_config=network))

    version = await client.runtime.version(cri.VersionRequest())
    conditions = (await client.runtime.status(cri.StatusRequest())).status.conditions
    config = await client.runtime.runtime_config(cri.RuntimeConfigRequest())

    assert (version.runtime_name, version.runtime_api_version) == ("wherry", "v1")
    assert {item.type for item in conditions if item.status} >= {"RuntimeReady", "NetworkReady"}
    assert config.linux.cgroup_driver == cri.CGROUPFS


async def test_what_is_unknown_is_not_found(client: Client) -> None:
    code, message = await client.refusal(client.status("nothing"))

    assert code == "NOT_FOUND"
    assert "nothing" in message


async def test_a_container_can_be_started_once(client: Client) -> None:
    container = await client.run(await client.pod(), "true")
    await client.ended(container)

    code, message = await client.refusal(client.start(container))

    assert code == "FAILED_PRECONDITION"
    assert "EXITED" in message


async def test_lists_are_filtered_by_state_label_and_sandbox(client: Client) -> None:
    first, second = await client.pod(), await client.pod()
    running = await client.run(first, "sleep", "1000", labels={"app": "a"})
    await client.create(second, "true", labels={"app": "b"})

    async def listed(**wanted: object) -> list[str]:
        request = cri.ListContainersRequest(filter=cri.ContainerFilter(**wanted))  # type: ignore[arg-type]
        return [item.id for item in (await client.runtime.list_containers(request)).containers]

    assert await listed(state=cri.ContainerStateValue(state=cri.CONTAINER_RUNNING)) == [running]
    assert await listed(label_selector={"app": "a"}) == [running]
    assert await listed(pod_sandbox_id=first) == [running]
    assert len(await listed()) == 2


async def test_events_tell_of_a_container_from_creation_to_removal(client: Client) -> None:
    """The node agent hears of an end at once: it doesn't poll."""
    pod = await client.pod()
    stream = client.runtime.get_container_events(cri.GetEventsRequest())
    heard: list[cri.ContainerEventResponse] = []

    async def listen() -> None:
        async for event in stream:
            heard.append(event)
            if event.container_event_type == cri.CONTAINER_DELETED_EVENT:
                return

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(listen())
        await stream.wait_for_connection()
        container = await client.run(pod, "true")
        await client.ended(container)
        await client.remove(container)

    kinds = [event.container_event_type for event in heard if event.container_id == container]
    assert kinds == [
        cri.CONTAINER_CREATED_EVENT,
        cri.CONTAINER_STARTED_EVENT,
        cri.CONTAINER_STOPPED_EVENT,
        cri.CONTAINER_DELETED_EVENT,
    ]
    stopped = heard[2]
    assert stopped.containers_statuses[0].state == cri.CONTAINER_EXITED
    assert stopped.created_at - stopped.containers_statuses[0].finished_at < 50_000_000


async def test_the_end_of_the_shortest_containers_is_always_told(client: Client) -> None:
    """The node agent waits for this event: one lost is a pod that never completes."""
    pod = await client.pod()
    stream = client.runtime.get_container_events(cri.GetEventsRequest())
    await stream.wait_for_connection()

    made = {await client.run(pod, "true", name=f"c{number}") for number in range(20)}

    ended: set[str] = set()
    async with asyncio.timeout(10):
        while ended != made:
            event = await stream.read()
            assert isinstance(event, cri.ContainerEventResponse)
            if event.container_event_type == cri.CONTAINER_STOPPED_EVENT:
                assert event.container_id not in ended
                ended.add(event.container_id)
    stream.cancel()


async def test_the_hosts_own_root_is_an_image_with_its_secrets_hidden(client: Client) -> None:
    """A pod on wherry.local/host runs any program of the machine, writes nothing to it, and sees no state of ours."""
    mark = Path("/wherry-test-mark")
    script = f"touch {mark} && ls -A /root /home {client.settings.image_dir.parent}; test -x /usr/bin/env && echo fine"

    output = await client.output(await client.pod(), "sh", "-c", script, image=HOST_IMAGE)

    assert output.splitlines()[-1] == "fine"
    assert [line for line in output.splitlines() if line and not line.endswith(":")] == ["fine"]
    assert not mark.exists()


async def test_what_the_host_image_hides_is_empty_to_write_to_and_never_comes_back(client: Client) -> None:
    """Covered in the container's own layer: neither removing nor moving the cover shows what is below."""
    script = """
        wc -c < /etc/shadow; ls -A /var/log | wc -l; stat -c %a /etc/shadow /var/log
        echo x > /var/log/x && ls -A /var/log; rm -r /var/log /etc/shadow; ls -d /var/log /etc/shadow 2>&1 | wc -l
        mkdir /var/log && ls -A /var/log | wc -l; mount | grep -c hidden; ls /etc/passwd
    """
    modes = [f"{Path(path).stat().st_mode & 0o7777:o}" for path in ("/etc/shadow", "/var/log")]

    output = await client.output(await client.pod(), "sh", "-c", script, image=HOST_IMAGE)

    assert output.split() == ["0", "0", *modes, "x", "2", "0", "0", "/etc/passwd"]
    assert Path("/etc/shadow").stat().st_size > 0


async def test_the_host_image_can_be_neither_removed_nor_pulled_away(client: Client) -> None:
    image = cri.ImageSpec(image=HOST_IMAGE)

    code, _ = await client.refusal(client.images.remove_image(cri.RemoveImageRequest(image=image)))
    pulled = await client.images.pull_image(cri.PullImageRequest(image=image))

    assert code == "FAILED_PRECONDITION"
    assert (await client.images.image_status(cri.ImageStatusRequest(image=image))).image.id == pulled.image_ref
