"""A pull that tells how far it is: PullImage of the CRI as a stream, which the CRI itself lacks.

Served on the same socket as `wherry.v1.Images/PullImage`: it takes a PullImageRequest, and answers with JSON, the
pull's layers each time (see `images.progress`) and the image's id at the end.
"""

import asyncio
import json
from typing import Any

import grpc

from nodeagent.runtime.errors import RuntimeRefusal
from nodeagent.runtime.image_service import ImageService
from nodeagent.runtime.images.progress import Progress
from nodeagent.runtime.service import abort
from proto import cri_v1 as cri

SERVICE, METHOD = "wherry.v1.Images", "PullImage"
_PAUSE_S = 0.2


class PullStream:
    """The method."""

    def __init__(self, images: ImageService) -> None:
        self._images = images

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what a server takes."""
        method = grpc.unary_stream_rpc_method_handler(
            self.pull, request_deserializer=cri.PullImageRequest.FromString, response_serializer=bytes
        )
        return grpc.method_handlers_generic_handler(SERVICE, {METHOD: method})

    async def pull(self, request: cri.PullImageRequest, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Pull an image and tell of it until it is here."""
        progress, failure = Progress(), None
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(_tell(progress, context))
            try:
                image_id = await self._images.pull(request, progress)
            except (RuntimeRefusal, OSError, ValueError) as error:
                failure = error
            finally:
                telling.cancel()
        if failure is not None:
            await abort(context, failure)
        await context.write(progress.told())
        await context.write(json.dumps(image_id).encode())


async def _tell(progress: Progress, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    """Tell how far a pull is whenever that has changed."""
    before = progress.told()
    while True:
        await asyncio.sleep(_PAUSE_S)
        now = progress.told()
        if now != before:
            await context.write(now)
        before = now
