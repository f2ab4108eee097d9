"""The ImageService of CRI v1: a thin shell over the store and the registry client."""

import asyncio
import base64
import binascii
import errno
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc

from kube import image_names
from nodeagent.runtime.errors import Reason, RuntimeRefusal, invalid
from nodeagent.runtime.host import Host
from nodeagent.runtime.images.layers import CorruptLayerError
from nodeagent.runtime.images.model import Credentials, Image
from nodeagent.runtime.images.progress import Arrivals, Progress
from nodeagent.runtime.images.store import HOST_IMAGE_ID
from nodeagent.runtime.service import answering
from nodeagent.runtime.stats import disk_usage
from nodeagent.runtime.streamed_lists import pieces
from proto import cri_v1 as cri

_LOG = logging.getLogger(__name__)


class ImageService(cri.ImageServiceServicer):
    """What a node agent, and `wherry image`, call."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._arrivals = Arrivals()

    @answering
    async def list_images(self, request: cri.ListImagesRequest) -> cri.ListImagesResponse:
        """List images, all or the one that a filter names."""
        wanted = request.filter.image.image
        if wanted:
            image = self._host.images.find(wanted)
            found = [image] if image else []
        else:
            found = self._host.images.all()
        return cri.ListImagesResponse(images=[_image(item) for item in found])

    async def stream_images(
        self, request: cri.StreamImagesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[cri.StreamImagesResponse]:
        """Stream images, as lists have them."""
        listed = await self.list_images(cri.ListImagesRequest(filter=request.filter), context)
        for piece in pieces(listed.images):
            yield cri.StreamImagesResponse(images=piece)

    @answering
    async def image_status(self, request: cri.ImageStatusRequest) -> cri.ImageStatusResponse:
        """Describe an image; one that isn't here gives an empty answer, as the CRI has it."""
        image = self._host.images.find(request.image.image)
        return cri.ImageStatusResponse(image=_image(image) if image else None)

    @answering
    async def remove_image(self, request: cri.RemoveImageRequest) -> cri.RemoveImageResponse:
        """Remove an image; one that is gone is removed."""
        image = self._host.images.find(request.image.image)
        if image is not None and image.id == HOST_IMAGE_ID:
            found = f"image {image_names.HOST_IMAGE}: it is the machine itself and can't be removed"
            raise RuntimeRefusal(Reason.FAILED_PRECONDITION, found)
        self._host.images.remove(request.image.image)
        return cri.RemoveImageResponse()

    @answering
    async def image_fs_info(self, request: cri.ImageFsInfoRequest) -> cri.ImageFsInfoResponse:
        """Say what images and writable layers take."""
        settings = self._host.settings
        images = await asyncio.to_thread(self._usage, settings.image_dir)
        layers = await asyncio.to_thread(self._usage, settings.containers_dir)
        return cri.ImageFsInfoResponse(image_filesystems=[images], container_filesystems=[layers])

    @answering
    async def pull_image(self, request: cri.PullImageRequest) -> cri.PullImageResponse:
        """Bring an image here; pulled again, only what has changed is fetched."""
        return cri.PullImageResponse(image_ref=await self.pull(request, Progress()))

    async def pull(self, request: cri.PullImageRequest, progress: Progress) -> str:
        """Bring an image here, noting in `progress` how far that is, and return its id."""
        asked = request.image.image
        try:
            name = image_names.parse(asked)
            credentials = credentials_of(request.auth)
        except ValueError as error:
            raise invalid("pull", str(error)) from None
        if name.repository == image_names.HOST_IMAGE:
            return self._host_image()
        from nodeagent.runtime.images import registry  # noqa: PLC0415 - brings the HTTP library.

        settings = self._host.settings
        registries = registry.Registries(settings.insecure_registries, settings.registry_mirrors)
        try:
            image = await registry.pull(
                name, credentials, registries, self._host.images, arrivals=self._arrivals, progress=progress
            )
        except CorruptLayerError as error:
            raise RuntimeRefusal(Reason.FAILED_PRECONDITION, f"image {name}: {error}") from None
        except ValueError as error:
            raise invalid("pull", str(error)) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            found = f"image {name}: the disk with {settings.image_dir} is full; free space, or remove images"
            raise RuntimeRefusal(Reason.RESOURCE_EXHAUSTED, found) from None
        _LOG.info("image %s: pulled, %d layers, %d bytes", name, len(image.layers), image.size_bytes)
        return image.id

    def _host_image(self) -> str:
        """Return the id of the host image, which is never fetched."""
        if self._host.images.find(image_names.HOST_IMAGE) is None:
            found = (
                f"image {image_names.HOST_IMAGE}: this node doesn't offer its own root; allow it where the node starts"
            )
            raise RuntimeRefusal(Reason.FAILED_PRECONDITION, found)
        return HOST_IMAGE_ID

    def _usage(self, folder: Path) -> cri.FilesystemUsage:
        used, inodes = disk_usage(folder)
        return cri.FilesystemUsage(
            timestamp=self._host.now_ns(),
            fs_id=cri.FilesystemIdentifier(mountpoint=str(folder)),
            used_bytes=cri.UInt64Value(value=used),
            inodes_used=cri.UInt64Value(value=inodes),
        )


def credentials_of(auth: cri.AuthConfig) -> Credentials:
    """Return what an AuthConfig tells a registry; raises ValueError on one that can't be read."""
    if auth.auth and not auth.username:
        try:
            username, _, password = base64.b64decode(auth.auth, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError("pull secret: its auth is not base64 of user:password; make the secret again") from None
        return Credentials(username, password.rstrip("\x00"))
    return Credentials(auth.username, auth.password, auth.registry_token)


def _image(image: Image) -> cri.Image:
    user, _, _ = image.config.user.partition(":")
    return cri.Image(
        id=image.id,
        repo_tags=image.repo_tags,
        repo_digests=image.repo_digests,
        size=image.size_bytes or (os.statvfs("/").f_frsize if image.id == HOST_IMAGE_ID else 1),
        uid=cri.Int64Value(value=int(user)) if user.isdigit() else cri.Int64Value(value=0) if not user else None,
        username="" if user.isdigit() else user,
        pinned=image.id == HOST_IMAGE_ID,
    )
