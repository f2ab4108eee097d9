"""Import images from files: OCI layouts and docker-archives (folders or tars), root file systems (folders or tars).

Keeps true: what an import leaves is a whole image or nothing new. Reads the archive, writes the store.
Source: OCI image layout specification; `docker save`'s manifest.json.
"""

import hashlib
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

import msgspec

from kube import image_names
from nodeagent.runtime.images import layers, manifest
from nodeagent.runtime.images.model import Image, ImageConfig
from nodeagent.runtime.images.store import ImageStore

_COPY_BYTES = 1 << 20
_REF_NAME = "org.opencontainers.image.ref.name"


class _Saved(msgspec.Struct, rename="pascal"):
    """One image of a docker-archive."""

    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


class _Files(Protocol):
    """A folder or a tar, looked into by name."""

    def has(self, name: str) -> bool: ...

    def open(self, name: str) -> IO[bytes]: ...

    def size(self, name: str) -> int: ...


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self, name: str) -> bool:
        return (self._path / name).is_file()

    def open(self, name: str) -> IO[bytes]:
        return (self._path / name).open("rb")

    def size(self, name: str) -> int:
        return (self._path / name).stat().st_size


class _Tar:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._names = {member.name.removeprefix("./"): member for member in archive.getmembers()}

    def has(self, name: str) -> bool:
        return name in self._names

    def open(self, name: str) -> IO[bytes]:
        content = self._archive.extractfile(self._names[name]) if self.has(name) else None
        if content is None:
            raise ValueError(f"archive: it lacks {name}; save the image again")
        return content

    def size(self, name: str) -> int:
        return self._names[name].size


def import_archive(store_dir: Path, path: Path, name: str = "") -> tuple[str, ...]:
    """Import what is at `path` under `name`, and return its names; raises ValueError with what was found and would do.

    name: may be empty where the archive names its image itself.
    """
    image = _import(ImageStore(store_dir, store_dir), path, name)
    return image.repo_tags or image.repo_digests


def _import(store: ImageStore, path: Path, name: str) -> Image:
    if path.is_dir():
        folder = _Folder(path)
        if _is_image(folder):
            return _import_image(store, folder, name)
        return _import_root(store, lambda pipe: _write_tar(path, pipe), name)
    if not path.exists():
        raise ValueError(f"import {path}: no such file or folder")
    if not tarfile.is_tarfile(path):
        raise ValueError(f"import {path}: it is no tar archive; give a tar, an OCI layout or a folder")
    with tarfile.open(path) as archive:
        files = _Tar(archive)
        if _is_image(files):
            return _import_image(store, files, name)
    return _import_root(store, lambda pipe: _copy_file(path, pipe), name)


def _is_image(files: _Files) -> bool:
    return files.has("manifest.json") or (files.has("oci-layout") and files.has("index.json"))


def _import_image(store: ImageStore, files: _Files, name: str) -> Image:
    return _import_saved(store, files, name) if files.has("manifest.json") else _import_layout(store, files, name)


def _import_saved(store: ImageStore, files: _Files, name: str) -> Image:
    """Import the first image of a docker-archive."""
    with files.open("manifest.json") as file:
        saved = msgspec.json.decode(file.read(), type=list[_Saved])
    if not saved:
        raise ValueError("archive: its manifest.json lists no image; save the image again")
    with files.open(saved[0].config) as file:
        data = file.read()
    config = manifest.decode_config(data, saved[0].config)
    if len(saved[0].layers) != len(config.rootfs.diff_ids):
        raise ValueError("archive: its layers don't match its config; save the image again")
    size = len(data)
    for layer, diff_id in zip(saved[0].layers, config.rootfs.diff_ids, strict=True):
        size += _take(store, files, layer, digest="", diff_id=diff_id)
    names = [name] if name else list(saved[0].repo_tags or ())
    return store.add(manifest.image_of(_digest(data), config, size), _full(names))


def _import_layout(store: ImageStore, files: _Files, name: str) -> Image:
    """Import the one image of an OCI layout that fits this machine."""
    with files.open("index.json") as file:
        index = manifest.decode(file.read(), "index.json")
    found, chosen = index, manifest.Descriptor(digest="")
    while found.manifests is not None:
        choices = found.manifests
        chosen = choices[0] if len(choices) == 1 else manifest.choose(choices, manifest.here(), "layout")
        found = manifest.decode(_verified(files, chosen.digest), chosen.digest)
        name = name or (chosen.annotations or {}).get(_REF_NAME, "")
    if found.config is None:
        raise ValueError(f"layout: {chosen.digest} has no config; build the image again")
    data = _verified(files, found.config.digest)
    config = manifest.decode_config(data, found.config.digest)
    size = len(data)
    for layer, diff_id in manifest.pairs(found, config, "layout"):
        size += _take(store, files, _blob(layer.digest), digest=layer.digest, diff_id=diff_id)
    names = _full([name])
    names += [f"{image_names.parse(names[0]).repository}@{chosen.digest}"]
    return store.add(manifest.image_of(found.config.digest, config, size), names)


def _import_root(store: ImageStore, feed: Callable[[IO[bytes]], None], name: str) -> Image:
    """Make an image of one layer from a root file system."""
    names = _full([name])
    layer = layers.take(store, feed)
    here = manifest.here()
    config = {
        "architecture": here.architecture,
        "os": here.os,
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
    }
    data = msgspec.json.encode(config)
    image = Image(
        id=_digest(data), layers=(layer.diff_id,), size_bytes=layer.size_bytes, config=ImageConfig(cmd=("/bin/sh",))
    )
    return store.add(image, names)


def _take(store: ImageStore, files: _Files, name: str, *, digest: str, diff_id: str) -> int:
    """Bring one layer into the store unless it is there; return its stored size."""
    if not store.has_layer(diff_id):
        with files.open(name) as content:
            layers.take(
                store, lambda pipe: shutil.copyfileobj(content, pipe, _COPY_BYTES), digest=digest, diff_id=diff_id
            )
    return files.size(name)


def _verified(files: _Files, digest: str) -> bytes:
    with files.open(_blob(digest)) as file:
        data = file.read()
    if _digest(data) != digest:
        raise ValueError(f"layout: blob {digest} has the digest {_digest(data)}; copy the layout again")
    return data


def _blob(digest: str) -> str:
    if not image_names.is_image_id(digest):
        raise ValueError(f"layout: {digest!r} is no sha256 digest; build the image again")
    return f"blobs/{digest.replace(':', '/')}"


def _full(names: list[str]) -> list[str]:
    """Return names in full; raises ValueError where there is none."""
    given = [name for name in names if name]
    if not given:
        raise ValueError("import: the archive doesn't name its image; give a name like team/web:1")
    return [str(image_names.parse(name)) for name in given]


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _copy_file(path: Path, pipe: IO[bytes]) -> None:
    with path.open("rb") as file:
        shutil.copyfileobj(file, pipe, _COPY_BYTES)


def _write_tar(path: Path, pipe: IO[bytes]) -> None:
    """Write a folder as a tar, without sockets, which no tar holds."""
    with tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        archive.add(path, arcname=".")
