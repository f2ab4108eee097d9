"""Remove images that nothing uses when the disk that holds them fills up.

Keeps true: an image that a container was made from, that is pinned, or that was used a moment ago stays; the one whose
last use is longest ago goes first, and no more of them than bring the disk down to the low mark. Images of this machine
that other clusters share may be pulled again by those, and layers that their containers run on stay anyway.
Reads the runtime's images and containers and the disk; removes through the runtime alone.
Source: kubernetes.io/docs/concepts/architecture/garbage-collection, section on container images.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kube.clock import Clock
from nodeagent.cri.client import Cri, CriError
from nodeagent.cri.values import ImageRecord

ROUND_S: Final = 60.0
YOUNG_S: Final = 120.0
"""How long an image stays after it was first seen or last used: its pod may still be on the way."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system that holds the images."""

    size_bytes: int
    free_bytes: int

    @property
    def used_percent(self) -> float:
        """How full it is, as those see it who may not use what is reserved for root."""
        return 100.0 - 100.0 * self.free_bytes / max(1, self.size_bytes)


@dataclass(frozen=True, slots=True)
class Marks:
    """At how much used disk, in percent, collecting begins, and to how much it goes."""

    high: float
    low: float


def disk_of(folder: Path) -> Disk:
    """Measure the file system of a folder."""
    told = os.statvfs(folder)
    return Disk(told.f_blocks * told.f_frsize, told.f_bavail * told.f_frsize)


def plan(
    images: Sequence[ImageRecord],
    used: frozenset[str],
    *,
    last_used_s: Mapping[str, float],
    disk: Disk,
    marks: Marks,
    now_s: float,
) -> list[ImageRecord]:
    """Return the images to remove, in order.

    used: ids and names that containers have. last_used_s: by image id; one that isn't in it was never seen before.
    """
    if disk.used_percent < marks.high:
        return []
    unused = [image for image in images if not image.is_pinned and not used & {image.id, *image.tags, *image.digests}]
    old = [image for image in unused if now_s - last_used_s.get(image.id, now_s) >= YOUNG_S]
    missing_bytes = disk.size_bytes * (disk.used_percent - marks.low) / 100
    doomed: list[ImageRecord] = []
    for image in sorted(old, key=lambda image: (last_used_s[image.id], image.id)):
        if sum(other.size_bytes for other in doomed) >= missing_bytes:
            break
        doomed.append(image)
    return doomed


class ImageCollector:
    """Looks after the images of one node. measure: tells how full their disk is. kept: a name that always stays."""

    def __init__(self, cri: Cri, clock: Clock, measure: Callable[[], Disk], marks: Marks, kept: str = "") -> None:
        self._cri = cri
        self._clock = clock
        self._measure = measure
        self._marks = marks
        self._kept = frozenset({kept} - {""})
        self._last_used_s: dict[str, float] = {}

    async def run(self) -> None:
        """Collect again and again, for ever."""
        while True:
            try:
                await self.collect()
            except (CriError, OSError) as error:
                _log.warning("images: not looked after, the next round tries again: %s", error)
            await self._clock.sleep(ROUND_S)

    async def collect(self) -> None:
        """Take note of what is used now, and remove what has to go."""
        images, used = await asyncio.gather(self._cri.images(), self._cri.images_in_use())
        used |= self._kept
        now_s = self._clock.monotonic_s()
        seen = {image.id: self._last_used_s.get(image.id, now_s) for image in images}
        seen |= {image.id: now_s for image in images if used & {image.id, *image.tags, *image.digests}}
        self._last_used_s = seen
        disk = self._measure()
        doomed = plan(images, used, last_used_s=seen, disk=disk, marks=self._marks, now_s=now_s)
        for image in doomed:
            await self._remove(image, disk, now_s)
        if disk.used_percent >= self._marks.high and not doomed:
            _log.warning("images: the disk is %.0f %% full, and no image can be spared; free space", disk.used_percent)

    async def _remove(self, image: ImageRecord, disk: Disk, now_s: float) -> None:
        """Remove one image; one that can't be counts as used just now, so that others have their turn before it."""
        names = ", ".join(image.tags) or image.id
        try:
            await self._cri.remove_image(image.id)
        except CriError as error:
            self._last_used_s[image.id] = now_s
            _log.warning("image %s: can't be removed: %s", names, error)
        else:
            _log.info(
                "image %s: removed, %d bytes: the disk is %.0f %% full", names, image.size_bytes, disk.used_percent
            )
