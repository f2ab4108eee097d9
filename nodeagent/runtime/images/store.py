"""The content store: images, their names and their unpacked layers, shared by every cluster of a machine.

Keeps true: a layer is whole or absent (made elsewhere, then renamed); an image is listed only when all its layers are
here; a layer goes only when no image and no container needs it. Writes, under the image folder:
`images/<hex>.json` one per image, `names/<quoted name>` holding an image id, `layers/<first half of the diffID>/`,
`users/<owner>/<container>.<n>` holding each image that a container needs, `new/` for what is being made, `lock`.
Several processes may use one store: names and users are one file each, and removal holds the lock.
"""

import fcntl
import hashlib
import itertools
import os
import secrets
import stat
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from kube import image_names
from nodeagent.runtime import state
from nodeagent.runtime.images.covers import Covers
from nodeagent.runtime.images.model import Image, ImageConfig, RootLayers

_LAYER_NAME_LENGTH = 32  # 128 bits of the diffID keep lowerdir= of 100 layers within the page that mount(2) reads.
_CLOCK_GRAIN_NS = 50_000_000  # Two changes of a folder this close may share one modification time.
HOST_IMAGE_ID = "sha256:" + hashlib.sha256(image_names.HOST_IMAGE.encode()).hexdigest()


class ImageStore:
    """The store in one folder, as one owner (a runtime, told by its state folder) sees it.

    covers: what is laid over the machine's own root; without it, that is no image here.
    """

    def __init__(self, folder: Path, owner: Path, covers: Covers | None = None) -> None:
        self.folder = folder
        self._users = folder / "users" / hashlib.sha256(str(owner.resolve()).encode()).hexdigest()[:16]
        self._covers = covers
        self._cached: list[Image] = []
        self._stamp: tuple[int, ...] = ()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in ("images", "names", "layers", "new", "users"):
            (folder / part).mkdir(mode=0o700, exist_ok=True)

    def all(self) -> list[Image]:
        """Return every image with its names; read anew only when another process or we changed a folder."""
        stamp = tuple((self.folder / part).stat().st_mtime_ns for part in ("images", "names"))
        if stamp != self._stamp or time.time_ns() - max(stamp) < _CLOCK_GRAIN_NS:
            self._cached, self._stamp = self._read_all(), stamp
        return list(self._cached)

    def _read_all(self) -> list[Image]:
        names = self._names()
        found = [host_image()] if self._covers is not None else []
        for file in sorted((self.folder / "images").glob("*.json")):
            image = state.load(file, Image)
            if image is not None:
                found.append(_with_names(image, [name for name, target in names.items() if target == image.id]))
        return found

    def find(self, name: str) -> Image | None:
        """Return the image that `name` (a name or an id, maybe abbreviated) is for; raises ValueError on a bad name."""
        if name.startswith("sha256:") and not image_names.is_image_id(name):
            name = name.removeprefix("sha256:")
        if image_names.is_image_id(name):
            return next((image for image in self.all() if image.id == name), None)
        full = str(image_names.parse(name))
        for image in self.all():
            if full in (*image.repo_tags, *image.repo_digests):
                return image
        short = [image for image in self.all() if len(name) >= 7 and image.id.removeprefix("sha256:").startswith(name)]
        return short[0] if len(short) == 1 else None

    def has_layer(self, diff_id: str) -> bool:
        """Whether a layer is here, unpacked."""
        return self.layer_path(diff_id).is_dir()

    def layer_path(self, diff_id: str) -> Path:
        """Return where the unpacked layer belongs."""
        return self.folder / "layers" / diff_id.removeprefix("sha256:")[:_LAYER_NAME_LENGTH]

    def new_folder(self) -> Path:
        """Return a fresh folder for something that is being made."""
        folder = self.folder / "new" / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        return folder

    def add_layer(self, folder: Path, diff_id: str) -> None:
        """Take the unpacked layer in `folder`; where it is here already, the one in `folder` goes."""
        try:
            folder.rename(self.layer_path(diff_id))
        except OSError:
            if not self.has_layer(diff_id):
                raise
            state.remove_tree(folder)

    def add(self, image: Image, names: list[str]) -> Image:
        """List an image whose layers are here, under `names` (in full), and return it with them."""
        missing = [layer for layer in image.layers if not self.has_layer(layer)]
        if missing:
            raise ValueError(
                f"image {image.id}: {len(missing)} of its layers are not here, {missing[0]} first; pull again"
            )
        state.save(self.folder / "images" / f"{image.id.removeprefix('sha256:')}.json", image)
        for name in names:
            file = self.folder / "names" / urllib.parse.quote(name, safe="")
            fresh = self.folder / "new" / secrets.token_hex(8)
            fresh.write_text(image.id)
            fresh.rename(file)
        return _with_names(image, [name for name, target in self._names().items() if target == image.id])

    def remove(self, name: str) -> None:
        """Remove an image by id or last name, or just this name; what is not here is no error."""
        image = self.find(name)
        if image is None:
            return
        if image.id == HOST_IMAGE_ID:
            raise ValueError(f"image {image_names.HOST_IMAGE}: it is the machine itself and can't be removed")
        names = [*image.repo_tags, *image.repo_digests]
        full = "" if image_names.is_image_id(name) else str(image_names.parse(name))
        dropped = [full] if full in names else names
        with self.locked():
            for item in dropped:
                (self.folder / "names" / urllib.parse.quote(item, safe="")).unlink(missing_ok=True)
            tags = [item for item in image.repo_tags if item not in dropped]
            if not tags or dropped == names:
                for item in image.repo_digests:
                    (self.folder / "names" / urllib.parse.quote(item, safe="")).unlink(missing_ok=True)
                (self.folder / "images" / f"{image.id.removeprefix('sha256:')}.json").unlink(missing_ok=True)
            self._drop_unused_layers(image)

    def use(self, images: Iterable[Image], container_id: str) -> None:
        """Note that a container needs `images`: their layers stay until the container is gone."""
        stored = [image for image in images if image.id != HOST_IMAGE_ID]
        if stored:
            self._users.mkdir(mode=0o700, exist_ok=True)
            with self.locked():
                for place, image in enumerate(stored):
                    state.save(self._users / f"{container_id}.{place}", image)

    def release(self, container_id: str) -> None:
        """Forget a container."""
        for place in itertools.count():
            try:
                (self._users / f"{container_id}.{place}").unlink()
            except FileNotFoundError:
                return

    def release_all(self) -> None:
        """Forget every container of this owner."""
        if self._users.is_dir():
            state.remove_tree(self._users)

    def root_layers(self, image: Image) -> RootLayers:
        """Return what a container on `image` mounts."""
        if image.id == HOST_IMAGE_ID and self._covers is not None:
            return RootLayers("/", (str(self._covers.layer()), "/"))
        lower = tuple(self.layer_path(layer).name for layer in reversed(image.layers))
        return RootLayers(str(self.folder / "layers"), lower)

    def has_path(self, image: Image, path: str) -> bool:
        """Whether an image has `path` (relative), without a symbolic link or `..` on the way to it."""
        found = [self.layer_path(layer) for layer in reversed(image.layers)]
        for name in path.strip("/").split("/") if path.strip("/") else ():
            found = _below(found, name)
        return bool(found)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store against every other process that removes or unpacks."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _drop_unused_layers(self, image: Image) -> None:
        kept: set[str] = set()
        for file in [*(self.folder / "images").glob("*.json"), *(self.folder / "users").glob("*/*")]:
            other = state.load(file, Image)
            kept |= set(other.layers) if other else set()
        for layer in set(image.layers) - kept:
            if self.has_layer(layer):
                doomed = self.folder / "new" / secrets.token_hex(8)
                self.layer_path(layer).rename(doomed)
                state.remove_tree(doomed)

    def _names(self) -> dict[str, str]:
        found = {}
        for file in (self.folder / "names").iterdir():
            try:
                found[urllib.parse.unquote(file.name)] = file.read_text()
            except FileNotFoundError:
                continue  # Another process has just removed it.
        return found


def _below(folders: Iterable[Path], name: str) -> list[Path]:
    """Return what shows up as `name` in folders laid over each other, the topmost first."""
    found: list[Path] = []
    for folder in folders:
        place = folder / name
        if name == ".." or not os.path.lexists(place):
            continue
        status = place.lstat()
        if stat.S_ISCHR(status.st_mode) or stat.S_ISLNK(status.st_mode):
            break  # A whiteout, or a link, which is not followed.
        found.append(place)
        if not stat.S_ISDIR(status.st_mode) or "trusted.overlay.opaque" in os.listxattr(place):
            break
    return found


def host_image() -> Image:
    """Return the machine's own root as an image."""
    config = ImageConfig(cmd=("/bin/sh",))
    return Image(
        id=HOST_IMAGE_ID, layers=(), size_bytes=0, config=config, repo_tags=(f"{image_names.HOST_IMAGE}:latest",)
    )


def _with_names(image: Image, names: list[str]) -> Image:
    tags = tuple(sorted(name for name in names if "@" not in name))
    digests = tuple(sorted(name for name in names if "@" in name))
    return msgspec.structs.replace(image, repo_tags=tags, repo_digests=digests)
