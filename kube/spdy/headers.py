"""Header blocks: names and values, compressed with one zlib stream for each direction of a connection.

Keeps true: a block never unpacks to more than BLOCK_MAX_BYTES, however small it came.
Source: draft-mbelshe-httpbis-spdy-00, section 2.6.10.
"""

import zlib
from collections.abc import Mapping
from typing import Final

from kube.spdy.dictionary import DICTIONARY

BLOCK_MAX_BYTES: Final = 64 * 1024
_LEVEL: Final = 9
_WINDOW_BITS: Final = 11
_MEMORY_LEVEL: Final = 1

Headers = Mapping[str, str]
"""Names in lower case; several values of one name stand in one text, parted by NUL."""


class HeaderError(ValueError):
    """A header block that can't be read. The compression is out of step afterwards: the connection has to end."""


class HeaderPacker:
    """Compresses what one side sends. Its window is small, as headers are."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zdict=DICTIONARY)

    def pack(self, headers: Headers) -> bytes:
        """Return the next block."""
        parts = [len(headers).to_bytes(4, "big")]
        for name, value in headers.items():
            for text in (name.lower().encode("latin-1"), value.encode("latin-1")):
                parts += (len(text).to_bytes(4, "big"), text)
        return self._zlib.compress(b"".join(parts)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class HeaderUnpacker:
    """Decompresses what the other side sends."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)

    def unpack(self, packed: bytes) -> Headers:
        """Return the headers of the next block. Raises HeaderError."""
        try:
            block = self._zlib.decompress(packed, BLOCK_MAX_BYTES)
        except zlib.error as error:
            raise HeaderError(f"header block: {error}") from error
        if self._zlib.unconsumed_tail:
            raise HeaderError(f"header block: more than {BLOCK_MAX_BYTES} bytes unpacked")
        return _parsed(block)


def _parsed(block: bytes) -> Headers:
    count, position = _number(block, 0)
    found: dict[str, str] = {}
    for _ in range(count):
        name, position = _text(block, position)
        value, position = _text(block, position)
        if not name or name != name.lower() or name in found:
            raise HeaderError(f"header block: the name {name[:64]!r} is empty, not in lower case, or there twice")
        found[name] = value
    if position != len(block):
        raise HeaderError(f"header block: {len(block) - position} bytes after its last header")
    return found


def _text(block: bytes, position: int) -> tuple[str, int]:
    length, start = _number(block, position)
    end = start + length
    if end > len(block):
        raise HeaderError(f"header block: a text of {length} bytes where {len(block) - start} are left")
    return block[start:end].decode("latin-1"), end


def _number(block: bytes, position: int) -> tuple[int, int]:
    end = position + 4
    if end > len(block):
        raise HeaderError("header block: it ends in the middle of a number")
    return int.from_bytes(block[position:end], "big"), end
