"""Manifests, indexes and configs: what they say, which platform fits. Plain functions.

Keeps true: whatever goes on from here as a digest is one: digests become names of files and parts of URLs.
Source: OCI image specification v1.1 (manifest, image index, config); Docker image manifest v2, schema 2.
"""

import platform
from collections.abc import Iterable

import msgspec

from kube import image_names
from nodeagent.runtime.images.model import Image, ImageConfig

MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "riscv64": "riscv64", "ppc64le": "ppc64le"}


class Platform(msgspec.Struct, frozen=True):
    """What a manifest of an index runs on."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A pointer to content."""

    digest: str
    size: int = 0
    media_type: str = ""
    platform: Platform | None = None
    annotations: dict[str, str] | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A manifest or an index, whichever it is."""

    media_type: str = ""
    schema_version: int = 0
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] | None = None


class _RootFs(msgspec.Struct, frozen=True):
    diff_ids: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an image's config that is used here."""

    architecture: str = ""
    os: str = ""
    config: ImageConfig | None = None
    rootfs: _RootFs = _RootFs()


def decode(data: bytes, where: str) -> Manifest:
    """Return a manifest or index; raises ValueError naming `where` for anything else."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise ValueError(f"{where}: what came is no manifest ({error}); check the name and the registry") from None
    if manifest.config is None and manifest.manifests is None:
        raise ValueError(f"{where}: a manifest of schema {manifest.schema_version} came; push it with a newer tool")
    described = [*manifest.layers, *(manifest.manifests or ()), *([manifest.config] if manifest.config else [])]
    _check_digests((item.digest for item in described), where)
    return manifest


def decode_config(data: bytes, where: str) -> Config:
    """Return an image's config; raises ValueError naming `where`."""
    try:
        config = msgspec.json.decode(data, type=Config)
    except msgspec.DecodeError as error:
        raise ValueError(f"{where}: its config can't be read ({error}); push the image again") from None
    _check_digests(config.rootfs.diff_ids, where)
    return config


def _check_digests(digests: Iterable[str], where: str) -> None:
    bad = [digest for digest in digests if not image_names.is_image_id(digest)]
    if bad:
        raise ValueError(f"{where}: {bad[0]!r} is no sha256 digest; it was not made by an honest tool")


def here() -> Platform:
    """Return the platform of this machine."""
    return Platform(architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()), os="linux")


def choose(manifests: Iterable[Descriptor], wanted: Platform, where: str) -> Descriptor:
    """Return the manifest for `wanted`; raises ValueError that names the platforms there are."""
    offered = [item for item in manifests if item.platform is not None and item.platform.os != "unknown"]
    for item in offered:
        if item.platform and (item.platform.os, item.platform.architecture) == (wanted.os, wanted.architecture):
            return item
    names = ", ".join(sorted(str(item.platform) for item in offered)) or "no platform"
    raise ValueError(f"{where}: it is made for {names}; this machine is {wanted}: use an image for it")


def image_of(config_digest: str, config: Config, size_bytes: int) -> Image:
    """Return the image that a config describes."""
    return Image(
        id=config_digest,
        layers=config.rootfs.diff_ids,
        size_bytes=size_bytes,
        config=config.config or ImageConfig(),
    )


def pairs(manifest: Manifest, config: Config, where: str) -> list[tuple[Descriptor, str]]:
    """Return each layer's descriptor with its diffID; raises ValueError where their numbers differ."""
    if len(manifest.layers) != len(config.rootfs.diff_ids):
        found = f"{len(manifest.layers)} layers but {len(config.rootfs.diff_ids)} diffIDs"
        raise ValueError(f"{where}: it has {found}; push the image again")
    return list(zip(manifest.layers, config.rootfs.diff_ids, strict=True))
