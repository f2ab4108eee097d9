"""Which images go when their disk fills up, and which never do."""

from typing import cast

import pytest

from nodeagent.cri.client import Cri, CriError
from nodeagent.cri.values import ImageRecord
from nodeagent.image_garbage import YOUNG_S, Disk, ImageCollector, Marks, plan
from tests.kube.fake_clock import FakeClock

MARKS = Marks(high=85, low=80)
OLD_S = 1000.0
FULL = Disk(size_bytes=1000, free_bytes=100)


def image(name: str, size_bytes: int = 60, *, pinned: bool = False) -> ImageRecord:
    """Return an image whose id and tag are its name."""
    return ImageRecord(f"sha256:{name}", (f"example.com/{name}:1",), (), size_bytes, None, "", pinned)


def names(doomed: list[ImageRecord]) -> list[str]:
    """Return the names of images."""
    return [one.id.removeprefix("sha256:") for one in doomed]


def removed(*images: ImageRecord, used: frozenset[str] = frozenset(), disk: Disk = FULL) -> list[str]:
    """Return what goes of images whose last use was the longer ago the earlier they stand."""
    last_used_s = {one.id: float(place) for place, one in enumerate(images)}
    return names(plan(images, used, last_used_s=last_used_s, disk=disk, marks=MARKS, now_s=OLD_S))


def test_below_the_high_mark_every_image_stays() -> None:
    assert removed(image("a"), disk=Disk(1000, 160)) == []


def test_the_least_recently_used_go_until_the_low_mark_is_reached() -> None:
    """10 % of 1000 bytes are to be freed: two images of 60 do."""
    assert removed(image("a"), image("b"), image("c")) == ["a", "b"]


@pytest.mark.parametrize("name", ["sha256:a", "example.com/a:1"])
def test_an_image_of_a_container_stays_by_whatever_name_it_has_it(name: str) -> None:
    assert removed(image("a"), image("b"), used=frozenset({name})) == ["b"]


def test_a_pinned_image_stays() -> None:
    assert removed(image("a", pinned=True), image("b")) == ["b"]


def test_an_image_that_was_just_seen_stays() -> None:
    """Its pod may still be on the way."""
    young, unseen = image("a"), image("b")

    seen = {young.id: OLD_S - YOUNG_S + 1}

    assert plan([young, unseen], frozenset(), last_used_s=seen, disk=FULL, marks=MARKS, now_s=OLD_S) == []


class Stubborn:
    """A runtime that doesn't let go of one image."""

    def __init__(self, *images: ImageRecord, kept: str) -> None:
        self.there = list(images)
        self._kept = f"sha256:{kept}"

    async def images(self) -> list[ImageRecord]:
        """Return the images."""
        return self.there

    async def images_in_use(self) -> frozenset[str]:
        """Return what containers are made of."""
        return frozenset()

    async def remove_image(self, image_id: str) -> None:
        """Remove an image."""
        if image_id == self._kept:
            raise CriError("INTERNAL", "it is in use by somebody else")
        self.there = [one for one in self.there if one.id != image_id]


async def test_an_image_that_can_not_be_removed_keeps_no_other_from_going() -> None:
    cri, clock = Stubborn(image("a", 100), image("b", 100), kept="a"), FakeClock()
    collector = ImageCollector(cast("Cri", cri), clock, lambda: FULL, MARKS)
    await collector.collect()

    for _ in range(2):
        await clock.advance(YOUNG_S)
        await collector.collect()

    assert names(cri.there) == ["a"]
