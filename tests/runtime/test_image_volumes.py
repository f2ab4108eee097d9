"""Volumes that are images: read-only, whole or a part, and never a way out of the image."""

import tarfile
from collections.abc import AsyncIterator

import pytest

from proto import cri_v1 as cri
from tests.runtime.machine import HOST_IMAGE, IMAGE, Client
from tests.runtime.test_registry import Content, serving
from tests.runtime.test_unpack import entry, layer

pytestmark = pytest.mark.root


@pytest.fixture
async def layered(client: Client) -> AsyncIterator[str]:
    """An image of two layers: the second removes a file of the first, replaces a folder, and adds a link."""
    lower = layer(entry("srv/page", content=b"first"), entry("etc/passwd"), entry("etc/group"))
    upper = layer(
        entry("srv/.wh..wh..opq"),
        entry("srv/page", content=b"second"),
        entry("srv/out", tarfile.SYMTYPE, "/etc"),
        entry("etc/.wh.group"),
    )
    async with serving(Content(lower, upper)) as registry:
        name = f"{registry.address}/team/web:1"
        await client.images.pull_image(cri.PullImageRequest(image=cri.ImageSpec(image=name)))
    yield name
    await client.images.remove_image(cri.RemoveImageRequest(image=cri.ImageSpec(image=name)))


def _volume(image: str = IMAGE, path: str = "", *, readonly: bool = True) -> cri.Mount:
    return cri.Mount(container_path="/volume", readonly=readonly, image=cri.ImageSpec(image=image), image_sub_path=path)


async def test_an_image_is_there_and_cannot_be_written_to(client: Client) -> None:
    script = "/volume/bin/busybox cat /volume/etc/group; touch /volume/new 2>&1; chmod 700 /volume/etc 2>&1"

    output = await client.output(await client.pod(), "sh", "-c", script, mounts=[_volume()])

    assert "extra:x:1002:web" in output
    assert output.count("Read-only file system") == 2


async def test_a_part_of_an_image_is_mounted_by_its_path(client: Client) -> None:
    folder = await client.output(await client.pod(), "ls", "/volume", mounts=[_volume(path="etc")])
    file = await client.output(await client.pod(), "cat", "/volume", mounts=[_volume(path="etc/group")])

    assert folder.split() == ["group", "passwd"]
    assert "extra:x:1002:web" in file


async def test_layers_are_laid_over_each_other(client: Client, layered: str) -> None:
    script = "cat /volume/srv/page; ls /volume/etc"

    output = await client.output(await client.pod(), "sh", "-c", script, mounts=[_volume(layered)])

    assert output.split() == ["secondpasswd"]


@pytest.mark.parametrize("path", ["absent", "etc/group", "srv/out", "srv/out/passwd", "../etc", "etc/.."])
async def test_a_part_that_is_not_there_or_behind_a_link_is_refused(client: Client, layered: str, path: str) -> None:
    """A link of an image would be followed on the node."""
    pod = await client.pod()

    code, message = await client.refusal(client.create(pod, "true", mounts=[_volume(layered, path)]))

    assert (code, "a folder or file of the image" in message) == ("INVALID_ARGUMENT", True)


async def test_what_cannot_be_a_volume_is_refused_with_its_reason(client: Client) -> None:
    pod = await client.pod()

    writable, told = await client.refusal(client.create(pod, "true", mounts=[_volume(readonly=False)]))
    host, _ = await client.refusal(client.create(pod, "true", mounts=[_volume(HOST_IMAGE)]))
    absent, _ = await client.refusal(client.create(pod, "true", mounts=[_volume("test.local/absent:1")]))

    assert (writable, "set readonly" in told) == ("INVALID_ARGUMENT", True)
    assert (host, absent) == ("INVALID_ARGUMENT", "NOT_FOUND")


async def test_the_status_tells_which_image_is_mounted_and_it_outlives_its_name(client: Client, layered: str) -> None:
    container = await client.run(await client.pod(), "sleep", "1000", mounts=[_volume(layered)])
    spec = cri.ImageSpec(image=layered)
    image = (await client.images.image_status(cri.ImageStatusRequest(image=spec))).image

    await client.images.remove_image(cri.RemoveImageRequest(image=spec))
    page = await client.exec(container, "cat", "/volume/srv/page")

    assert (await client.status(container)).mounts[0].image.image_ref == image.id
    assert page.stdout == b"second"
