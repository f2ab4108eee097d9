"""A long body in the pieces it is made of, which are put together block by block while it is sent.

The pieces are what the cache holds, so a list of megabytes needs no more memory than a block.
"""

from collections.abc import Iterator, Sequence
from typing import Final

BLOCK_BYTES: Final = 64 * 1024  # So that a block stays in the processor's cache while it is encrypted and sent.


class Pieces:
    """The JSON of a list: what stands before its items, the items, and what follows them."""

    def __init__(self, head: bytes, items: Sequence[bytes], tail: bytes) -> None:
        """items: without the commas between them."""
        self._head = head
        self._items = items
        self._tail = tail

    def __len__(self) -> int:
        """Return the length of the whole."""
        return len(self._head) + sum(map(len, self._items)) + max(len(self._items) - 1, 0) + len(self._tail)

    def __bytes__(self) -> bytes:
        """Return the whole."""
        return b"%b%b%b" % (self._head, b",".join(self._items), self._tail)

    def blocks(self) -> Iterator[bytes]:
        """Yield the whole in blocks of about BLOCK_BYTES, or of one piece where that is larger."""
        block, size = [self._head], len(self._head)
        for index, item in enumerate(self._items):
            block += (b",", item) if index else (item,)
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
