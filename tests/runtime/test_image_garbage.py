"""The node agent's collector of images on the real runtime."""

from pathlib import Path

import pytest

from nodeagent.cri.client import Cri
from nodeagent.image_garbage import YOUNG_S, Disk, ImageCollector, Marks
from nodeagent.runtime.images.archive import import_archive
from tests.kube.fake_clock import FakeClock
from tests.runtime.machine import HOST_IMAGE, IMAGE, Client, RuntimeProcess

pytestmark = pytest.mark.root


async def test_only_what_no_container_was_made_from_goes(own_runtime: RuntimeProcess, tmp_path: Path) -> None:
    spare = "test.local/spare:1"
    root = tmp_path / "spare"
    root.mkdir()
    (root / "file").write_text("spare")
    import_archive(own_runtime.settings.image_dir, root, spare)
    client, clock, cri = Client(own_runtime.settings), FakeClock(), Cri(f"unix:{own_runtime.settings.socket_path}")
    container = await client.run(await client.pod(), "sleep", "1000")
    collector = ImageCollector(cri, clock, lambda: Disk(1 << 40, 0), Marks(85, 80))

    await collector.collect()
    await clock.advance(YOUNG_S)
    await collector.collect()

    left = {tag for image in await cri.images() for tag in image.tags}
    assert left == {f"{HOST_IMAGE}:latest", IMAGE}
    assert (await client.exec(container, "true")).exit_code == 0
    await client.remove_all()
    await client.channel.close()
    await cri.close()
