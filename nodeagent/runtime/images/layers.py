"""Bring layers into the store: feed a worker, compare digests, keep or drop what it made.

Keeps true: a layer enters the store only under the diffID that its content has, and only when its stored form has the
digest that was asked for; whatever fails leaves no folder behind.
"""

import asyncio
import errno
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from nodeagent.runtime import state
from nodeagent.runtime.images.store import ImageStore

_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from nodeagent.runtime.images import unpack; unpack.main()"
_ROOT = Path(__file__).parents[3]


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker found. digest: of what was fed; diff_id: of the tar in it. errno: the kernel's, with an error."""

    digest: str = ""
    diff_id: str = ""
    size_bytes: int = 0
    skipped: int = 0
    error: str = ""
    errno: int | None = None


class CorruptLayerError(ValueError):
    """A layer that is not what its image says."""


def take(store: ImageStore, feed: Callable[[IO[bytes]], None], *, digest: str = "", diff_id: str = "") -> Layer:
    """Unpack the layer that `feed` writes; digest, diff_id: what it must turn out to be, where that is known."""
    with _new_layer(store) as folder:
        with subprocess.Popen(_command(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
            assert worker.stdin is not None
            assert worker.stdout is not None
            try:
                feed(worker.stdin)
                worker.stdin.close()
            except BrokenPipeError:
                pass  # The worker has refused the layer, and says why.
            told = worker.stdout.read()
        layer = _checked(told, digest, diff_id)
        store.add_layer(folder, layer.diff_id)
    return layer


async def take_stream(store: ImageStore, pieces: AsyncIterator[bytes], *, digest: str, diff_id: str) -> Layer:
    """Unpack a layer while it arrives."""
    with _new_layer(store) as folder:
        worker = await asyncio.create_subprocess_exec(
            *_command(folder), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        try:
            told = await _feed(worker, pieces)
        finally:
            if worker.returncode is None:
                worker.kill()
            await worker.wait()
        layer = _checked(told, digest, diff_id)
        store.add_layer(folder, layer.diff_id)
    return layer


async def _feed(worker: asyncio.subprocess.Process, pieces: AsyncIterator[bytes]) -> bytes:
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        async for piece in pieces:
            worker.stdin.write(piece)
            await worker.stdin.drain()
        worker.stdin.close()
        await worker.stdin.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        pass  # The worker has refused the layer, and says why.
    return await worker.stdout.read()


@contextmanager
def _new_layer(store: ImageStore) -> Iterator[Path]:
    folder = store.new_folder()
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        if folder.exists():
            state.remove_tree(folder)


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", _CODE, str(_ROOT), str(folder)]


def _checked(told: bytes, digest: str, diff_id: str) -> Layer:
    if not told:
        raise CorruptLayerError("layer: its worker was killed before it was done; try again with more memory")
    layer = msgspec.json.decode(told, type=Layer)
    if layer.errno in (errno.ENOSPC, errno.EDQUOT):
        raise OSError(layer.errno, layer.error)
    if layer.error:
        raise CorruptLayerError(layer.error)
    if digest and layer.digest != digest:
        raise CorruptLayerError(f"layer {digest}: what came has the digest {layer.digest}; the registry is at fault")
    if diff_id and layer.diff_id != diff_id:
        raise CorruptLayerError(f"layer {diff_id}: its content has the digest {layer.diff_id}; the image is broken")
    return layer
