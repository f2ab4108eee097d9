"""How far pulls are, and that what several of them need at once is fetched once.

Plain state of one runtime; nothing of it is kept.
"""

import asyncio
from weakref import WeakValueDictionary

import msgspec

from nodeagent.runtime.images.manifest import Descriptor


class LayerProgress(msgspec.Struct):
    """One layer of a pull: of how many bytes how many have come; is_here: it is in the store, unpacked."""

    digest: str
    size_bytes: int
    done_bytes: int = 0
    is_here: bool = False


class Progress:
    """How far one pull is. Writer: the registry client."""

    def __init__(self) -> None:
        self._layers: dict[str, LayerProgress] = {}

    def expect(self, layer: Descriptor, *, is_here: bool) -> None:
        """Count a layer in."""
        done = layer.size if is_here else 0
        self._layers[layer.digest] = LayerProgress(layer.digest, layer.size, done, is_here)

    def came(self, digest: str, count: int) -> None:
        """Note that `count` more bytes of a layer have come."""
        self._layers[digest].done_bytes += count

    def arrived(self, digest: str) -> None:
        """Note that a layer is in the store."""
        layer = self._layers[digest]
        layer.done_bytes, layer.is_here = layer.size_bytes, True

    def told(self) -> bytes:
        """Return the layers as JSON."""
        return msgspec.json.encode(list(self._layers.values()))


class Arrivals:
    """Who fetches which layer just now."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def turn(self, diff_id: str) -> asyncio.Lock:
        """Return what is held while a layer is fetched: who gets it after another finds the layer, or tries itself."""
        lock = self._turns.get(diff_id)
        if lock is None:
            lock = self._turns[diff_id] = asyncio.Lock()
        return lock
