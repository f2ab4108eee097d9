"""Have a container's image on the node before it starts, by its pull policy.

Keeps true: one pull of an image at a time; a policy of Never never asks a registry.
Asks the runtime's image service.
Source: kubernetes.io/docs/concepts/containers/images.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from kube import image_names
from kube.api.core_v1 import Secret
from nodeagent.cri.client import Cri, CriError
from nodeagent.cri.values import ImageRecord
from nodeagent.pods.pull_secrets import credentials
from proto import cri_v1

Tell = Callable[[str, str, str], None]
"""Records an Event: type, reason, message."""

SEEN_S: Final = 1.0
"""How long an image that was here is taken to be here still: pods of one kind often come together."""


class ImageError(Exception):
    """An image can't be had. reason: as a container's status has it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ImagePuller:
    """Gets images through one runtime."""

    def __init__(self, cri: Cri) -> None:
        self._cri = cri
        self._locks: dict[str, asyncio.Lock] = {}
        self._seen: dict[str, tuple[float, ImageRecord]] = {}

    async def ensure(
        self, name: str, policy: str, sandbox: cri_v1.PodSandboxConfig, secrets: Iterable[Secret], tell: Tell
    ) -> ImageRecord:
        """Return an image, pulled if the policy ("" is the usual one) says so. Raises ImageError."""
        _require_name(name, tell)
        policy = policy or default_policy(name)
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            found = await self._look(name) if policy != "Always" else None
            if found is not None:
                tell("Normal", "Pulled", f'Container image "{name}" already present on machine')
                return found
            if policy == "Never":
                message = f'Container image "{name}" is not present with pull policy of Never'
                tell("Warning", "ErrImageNeverPull", message)
                tell("Warning", "Failed", "Error: ErrImageNeverPull")
                raise ImageError("ErrImageNeverPull", message)
            return await self._pull(name, sandbox, secrets, tell)

    async def _look(self, name: str) -> ImageRecord | None:
        """Return an image that is here, or was a moment ago: should it go meanwhile, the container can't be made."""
        now_s = asyncio.get_running_loop().time()
        seen_s, found = self._seen.get(name, (-math.inf, None))
        if found is not None and now_s - seen_s < SEEN_S:
            return found
        found = await self._cri.image(name)
        if found is not None:
            self._seen[name] = (now_s, found)
        return found

    async def _pull(
        self, name: str, sandbox: cri_v1.PodSandboxConfig, secrets: Iterable[Secret], tell: Tell
    ) -> ImageRecord:
        tell("Normal", "Pulling", f'Pulling image "{name}"')
        began = asyncio.get_running_loop().time()
        try:
            reference = await self._pull_by_any(name, credentials(name, secrets), sandbox)
            found = await self._cri.image(reference) or await self._cri.image(name)
        except CriError as error:
            told = f'failed to pull image "{name}": {error}'
            tell("Warning", "Failed", told[0].upper() + told[1:])
            tell("Warning", "Failed", "Error: ErrImagePull")
            raise ImageError("ErrImagePull", told) from error
        if found is None:
            raise ImageError("ErrImagePull", f'image "{name}" is gone right after it was pulled; pull it again')
        took_s = asyncio.get_running_loop().time() - began
        size = f"Image size: {found.size_bytes} bytes."
        tell("Normal", "Pulled", f'Successfully pulled image "{name}" in {took_s:.3f}s. {size}')
        return found

    async def _pull_by_any(
        self, name: str, found: Sequence[cri_v1.AuthConfig], sandbox: cri_v1.PodSandboxConfig
    ) -> str:
        """Pull by the first credentials that work, by none where there are none; return what was pulled."""
        *first, last = found or (None,)
        for one in first:
            with suppress(CriError):
                return await self._cri.pull(name, one, sandbox)
        return await self._cri.pull(name, last, sandbox)


def _require_name(name: str, tell: Tell) -> None:
    """Raise ImageError where no image can have that name: runtimes differ in how they say so."""
    try:
        if not image_names.is_image_id(name):
            image_names.parse(name)
    except ValueError as error:
        tell("Warning", "InspectFailed", f"Failed to read the name of an image: {error}")
        tell("Warning", "Failed", "Error: InvalidImageName")
        raise ImageError("InvalidImageName", str(error)) from error


def default_policy(image: str) -> str:
    """Return the pull policy of an image whose container names none: a moving tag is always asked for."""
    last = image.rsplit("/", 1)[-1]
    tag = last.partition("@")[0].partition(":")[2]
    return "Always" if "@" not in last and tag in ("", "latest") else "IfNotPresent"
