"""A long body in the pieces it is made of, which are put together block by block while it is sent.

The pieces are what the cache holds, so a list of megabytes needs no more memory than a block.
"""

from collections.abc import Iterator, Sequence
from typing import Final

BLOCK_BYTES: Final = 64 * 1024  # So that a block stays in the processor's cache while it is encrypted and sent.


class Pieces:
    """The JSON of a list: what stands before its items, the items, and what follows them."""

    def __init__(self, head: bytes, items: Sequence[bytes], tail: bytes, skip: int = 0) -> None:
        """items: without the commas between them. skip: how many bytes at the start of each "{" stands for."""
        self._head = head
        self._items = items
        self._tail = tail
        self._skip = skip
        self._opening = b"{" if skip else b""

    def __len__(self) -> int:
        """Return the length of the whole."""
        count = len(self._items)
        around = count * (len(self._opening) - self._skip) + max(count - 1, 0)
        return len(self._head) + sum(map(len, self._items)) + around + len(self._tail)

    def __bytes__(self) -> bytes:
        """Return the whole."""
        return b"".join(self.blocks())

    def blocks(self) -> Iterator[bytes]:
        """Yield the whole in blocks of about BLOCK_BYTES, or of one piece where that is larger."""
        skip, between = self._skip, self._opening
        block: list[bytes | memoryview] = [self._head]
        size = len(self._head)
        for item in self._items:
            block += (between, memoryview(item)[skip:] if skip else item)
            between = b"," + self._opening
            size += len(item) + 1
            if size >= BLOCK_BYTES:
                yield b"".join(block)
                block, size = [], 0
        yield b"".join((*block, self._tail))


def blocks(body: bytes) -> Iterator[memoryview]:
    """Yield bytes in blocks of BLOCK_BYTES."""
    view = memoryview(body)
    for start in range(0, len(body), BLOCK_BYTES):
        yield view[start : start + BLOCK_BYTES]
