"""Layers of empty folders and files, to be laid over the machine's root where it must not be seen.

Keeps true: a layer is whole or absent, and shows each path with the owner and mode that the machine's own has now;
what it covers can't come back, as only the node may change `trusted.overlay.opaque`.
Writes one folder per set of covers below `folder`, which must not lie on the root's own file system: overlayfs takes no
layer that is within another. Source: kernel.org, filesystems/overlayfs.
"""

import glob
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec


class _Cover(msgspec.Struct, frozen=True):
    """What one path is shown as. is_hidden: empty, else as it is, being on the way to one that is hidden."""

    path: str
    mode: int
    uid: int
    gid: int
    is_hidden: bool


class Covers:
    """The layers in one folder. hidden: what they cover; shell patterns."""

    def __init__(self, folder: Path, hidden: Iterable[str]) -> None:
        self._folder = folder
        self._hidden = tuple(hidden)

    def layer(self) -> Path:
        """Return the layer that covers what there is to cover now; it is made once."""
        covers = list(_covers(path for pattern in self._hidden for path in glob.glob(pattern)))  # noqa: PTH207 - far quicker.
        name = hashlib.sha256(msgspec.json.encode(covers)).hexdigest()[:32]
        layer = self._folder / name
        if not layer.is_dir():
            self._make(layer, covers)
        return layer

    def _make(self, layer: Path, covers: Iterable[_Cover]) -> None:
        fresh = self._folder / secrets.token_hex(8)
        root = Path("/").stat()
        fresh.mkdir(parents=True)
        os.chown(fresh, root.st_uid, root.st_gid)
        fresh.chmod(stat.S_IMODE(root.st_mode))
        for cover in covers:
            _make_cover(Path(f"{fresh}{cover.path}"), cover)
        fresh.rename(layer)


def _covers(paths: Iterable[str]) -> Iterator[_Cover]:
    """Yield what to make, folders before what is in them."""
    seen: set[str] = set()
    hidden: list[str] = []
    for path in sorted(map(os.path.realpath, paths)):
        if any(path == other or path.startswith(f"{other}/") for other in hidden):
            continue
        parts = path.split("/")[1:]
        try:
            way = [_cover("/" + "/".join(parts[:depth])) for depth in range(1, len(parts))]
            last = _cover(path, is_hidden=True)
        except FileNotFoundError:
            continue
        hidden.append(path)
        yield from (cover for cover in way if cover.path not in seen)
        seen |= {cover.path for cover in way}
        yield last


def _cover(path: str, *, is_hidden: bool = False) -> _Cover:
    status = Path(path).stat()
    return _Cover(path, status.st_mode, status.st_uid, status.st_gid, is_hidden)


def _make_cover(place: Path, cover: _Cover) -> None:
    if stat.S_ISDIR(cover.mode):
        place.mkdir()
        if cover.is_hidden:
            os.setxattr(place, "trusted.overlay.opaque", b"y")
    else:
        place.touch(mode=0o600, exist_ok=False)
    os.chown(place, cover.uid, cover.gid)
    place.chmod(stat.S_IMODE(cover.mode))
