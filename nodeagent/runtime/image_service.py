"""The ImageService of CRI v1: a thin shell over the store and the registry client."""

import os

from nodeagent.runtime.errors import Reason, RuntimeRefusal
from nodeagent.runtime.host import Host
from nodeagent.runtime.images import reference
from nodeagent.runtime.images.model import Image
from nodeagent.runtime.images.store import HOST_IMAGE_ID
from nodeagent.runtime.service import answering
from proto import cri_v1 as cri


class ImageService(cri.ImageServiceServicer):
    """What a node agent, and `wherry image`, call."""

    def __init__(self, host: Host) -> None:
        self._host = host

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
            found = f"image {reference.HOST_IMAGE}: it is the machine itself and can't be removed"
            raise RuntimeRefusal(Reason.FAILED_PRECONDITION, found)
        self._host.images.remove(request.image.image)
        return cri.RemoveImageResponse()

    @answering
    async def image_fs_info(self, request: cri.ImageFsInfoRequest) -> cri.ImageFsInfoResponse:
        """Say what images and writable layers take."""
        return cri.ImageFsInfoResponse()


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
