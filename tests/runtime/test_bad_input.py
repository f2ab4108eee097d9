"""What can't be done is refused with the right code, says what was found and what would do, and leaves nothing."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from proto import cri_v1 as cri
from tests.runtime.machine import Client
from tests.runtime.test_registry import Content, FakeRegistry, serving
from tests.runtime.test_unpack import entry, layer

pytestmark = pytest.mark.root


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    """A registry with an honest image."""
    async with serving(Content(layer(entry("a", content=b"honest")))) as fake:
        yield fake


async def _refused_pull(client: Client, fake: FakeRegistry, tag: str = "1") -> tuple[str, str]:
    """Return what a pull is refused with; nothing of the image may be in the store, whole or half."""
    folders = [client.settings.image_dir / part for part in ("images", "names", "layers", "new")]
    before = [sorted(folder.iterdir()) for folder in folders]
    spec = cri.ImageSpec(image=f"{fake.address}/team/web:{tag}")

    refusal = await client.refusal(client.images.pull_image(cri.PullImageRequest(image=spec)))

    assert [sorted(folder.iterdir()) for folder in folders] == before
    return refusal


async def test_an_image_that_its_registry_lacks(client: Client, registry: FakeRegistry) -> None:
    code, message = await _refused_pull(client, registry, "absent")

    assert code == "NOT_FOUND"
    assert "its registry has no manifests/absent; check name and tag" in message


async def test_an_image_that_may_not_be_read(client: Client, registry: FakeRegistry) -> None:
    registry.refuse = lambda _: web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})

    code, message = await _refused_pull(client, registry)

    assert code == "UNAUTHENTICATED"
    assert "its registry refused access (401); give a pull secret that may read it" in message


async def test_an_image_of_another_platform(client: Client) -> None:
    async with serving(Content(layer(entry("a")), architecture="s390x")) as fake:
        code, message = await _refused_pull(client, fake)

    assert code == "INVALID_ARGUMENT"
    assert "it is made for linux/s390x; this machine is linux/" in message


async def test_a_corrupt_layer(client: Client, registry: FakeRegistry) -> None:
    blob = next(iter(registry.content.blobs))
    registry.content.blobs[blob] = gzip.compress(layer(entry("a", content=b"other")))

    code, message = await _refused_pull(client, registry)

    assert code == "FAILED_PRECONDITION"
    assert f"layer {blob}: what came has the digest" in message


async def test_a_hostile_layer(client: Client) -> None:
    async with serving(Content(layer(entry("fine"), entry("../../etc/cron.d/job", content=b"!")))) as fake:
        code, message = await _refused_pull(client, fake)

    assert code == "FAILED_PRECONDITION"
    assert "leaves the image; it was not made by an honest tool" in message


async def test_what_is_no_manifest(client: Client, registry: FakeRegistry) -> None:
    registry.refuse = lambda _: web.Response(text=json.dumps({"hello": "there"}))

    code, message = await _refused_pull(client, registry)

    assert code == "INVALID_ARGUMENT"
    assert "a manifest of schema 0 came; push it with a newer tool" in message


async def test_a_name_that_is_none(client: Client) -> None:
    request = cri.PullImageRequest(image=cri.ImageSpec(image="Team/Web:1"))

    code, message = await client.refusal(client.images.pull_image(request))

    assert code == "INVALID_ARGUMENT"
    assert "use one like registry.local/team/web:1" in message


@pytest.mark.parametrize(
    ("fields", "code", "found"),
    [
        ({"image": "absent:1"}, "NOT_FOUND", "image 'absent:1' is not here; pull it first"),
        (
            {"mounts": [cri.Mount(container_path="/data", host_path="/no/such")]},
            "INVALID_ARGUMENT",
            "mount source '/no/such' does not exist; make it first",
        ),
        (
            {"resources": cri.LinuxContainerResources(cpu_quota=500, cpu_period=100_000)},
            "INVALID_ARGUMENT",
            "cpu_quota 500 is out of range; use 1000 us or more",
        ),
        (
            {"resources": cri.LinuxContainerResources(cpu_period=10)},
            "INVALID_ARGUMENT",
            "cpu_period 10 is out of range; use 1000 to 1000000 us",
        ),
        (
            {"resources": cri.LinuxContainerResources(memory_limit_in_bytes=-5)},
            "INVALID_ARGUMENT",
            "memory_limit_in_bytes -5 is negative",
        ),
        (
            {"resources": cri.LinuxContainerResources(cpuset_cpus="x")},
            "INVALID_ARGUMENT",
            "cgroup: cpuset.cpus='x' was refused: Invalid argument; use a value that this kernel takes",
        ),
        ({"stop_signal": 99}, "INVALID_ARGUMENT", "stop signal: "),
    ],
)
async def test_a_container_that_cannot_be(client: Client, fields: dict[str, Any], code: str, found: str) -> None:
    pod = await client.pod()

    told = await client.refusal(client.create(pod, "true", **fields))

    assert (told[0], found in told[1]) == (code, True), told
    assert list(client.settings.containers_dir.iterdir()) == []
    assert _groups(client, pod) == []


def _groups(client: Client, pod: str) -> list[str]:
    """Return the cgroups of containers that a pod has."""
    tops = Path("/sys/fs/cgroup").glob(f"*{client.settings.cgroup_parent}/{pod}")
    return [str(folder) for top in tops for folder in top.iterdir() if folder.is_dir()]


@pytest.mark.parametrize(
    ("command", "fields", "found"),
    [
        ("no-such-command", {}, 'exec: "no-such-command": executable file not found in $PATH'),
        ("/no/such", {}, 'exec: "/no/such": No such file or directory'),
        ("/etc/passwd", {}, 'exec: "/etc/passwd": Permission denied'),
        ("true", {"run_as_username": "nobody-here"}, "use a number, or an image that knows it"),
        ("true", {"working_dir": "/etc/passwd"}, "Not a directory; use a folder of the image"),
        (
            "true",
            {"resources": cri.LinuxContainerResources(memory_limit_in_bytes=8192)},
            "its memory limit is too low to run any command; raise it",
        ),
    ],
)
async def test_a_command_that_cannot_run(client: Client, command: str, fields: dict[str, Any], found: str) -> None:
    """The container is over, with the reason in its status too, and goes without a trace."""
    container = await client.create(await client.pod(), command, **fields)

    code, message = await client.refusal(client.start(container))

    status = await client.status(container)
    assert (code, found in message) == ("UNKNOWN", True), message
    assert (status.state, status.exit_code, status.reason) == (cri.CONTAINER_EXITED, 128, "StartError")
    assert found in status.message


async def test_a_handler_that_the_node_lacks_makes_no_sandbox(client: Client) -> None:
    code, message = await client.refusal(client.pod(handler="gvisor"))

    assert code == "INVALID_ARGUMENT"
    assert "runtime handler 'gvisor' is unknown; this node has:" in message
    assert list(client.settings.sandboxes_dir.iterdir()) == []


async def test_a_sandbox_whose_name_exists(client: Client) -> None:
    first = await client.pod(name="twice")

    code, message = await client.refusal(client.pod(name="twice"))

    assert code == "ALREADY_EXISTS"
    assert f"attempt 0 exists as {first}; remove it or raise attempt" in message
    assert [folder.name for folder in client.settings.sandboxes_dir.iterdir()] == [first]


async def test_a_container_whose_name_exists(client: Client) -> None:
    pod = await client.pod()
    first = await client.create(pod, "true")

    code, message = await client.refusal(client.create(pod, "true"))

    assert code == "ALREADY_EXISTS"
    assert f"attempt 0 exists as {first}; remove it or raise attempt" in message
    assert [folder.name for folder in client.settings.containers_dir.iterdir()] == [first]


async def test_a_checkpoint(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")
    request = cri.CheckpointContainerRequest(container_id=container, location="/tmp/checkpoint")

    code, message = await client.refusal(client.runtime.checkpoint_container(request))

    assert code == "UNIMPLEMENTED"
    assert "checkpoints are not supported; stop the container and start another" in message
    assert (await client.status(container)).state == cri.CONTAINER_RUNNING
