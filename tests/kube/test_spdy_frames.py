"""What stands on the wire is read as it was written, and what no peer should write is refused."""

import struct
import zlib

import pytest

from kube.spdy.dictionary import DICTIONARY
from kube.spdy.frames import (
    CONTROL_MAX_BYTES,
    Data,
    Frame,
    FrameError,
    FrameReader,
    FrameWriter,
    GoAway,
    MoreHeaders,
    Ping,
    RstStream,
    Settings,
    SynReply,
    SynStream,
    Unknown,
    WindowUpdate,
)
from kube.spdy.headers import BLOCK_MAX_BYTES, HeaderError, HeaderPacker, HeaderUnpacker

KUBECTL_OPENS = bytes.fromhex(
    "80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff"
)
"""The first frame of `kubectl exec -i` 1.27.16, as it was recorded."""

FRAMES: list[Frame] = [
    SynStream(1, {"streamtype": "error"}),
    SynStream(3, {"streamtype": "stdin", "port": "80"}, fin=True, unidirectional=True),
    SynReply(1, {}, fin=True),
    MoreHeaders(1, {"a": "1\x002"}),
    RstStream(3, 5),
    Settings({4: 100, 7: 65536}),
    Ping(7),
    GoAway(3, 1),
    WindowUpdate(0, 1000),
    Data(1, b"out"),
    Data(1, b"", fin=True),
]


def control(kind: int, body: bytes, version: int = 3) -> bytes:
    return struct.pack(">HHI", 0x8000 | version, kind, len(body)) + body


def read(data: bytes) -> list[Frame | Unknown]:
    return list(FrameReader().feed(data))


def test_the_dictionary_is_the_one_that_all_of_spdy_3_shares() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_kubectl_s_first_frame_opens_the_error_stream() -> None:
    assert read(KUBECTL_OPENS) == [SynStream(1, {"streamtype": "error"})]


def test_every_frame_is_read_as_it_was_written() -> None:
    writer = FrameWriter()

    assert read(b"".join(map(writer.write, FRAMES))) == FRAMES


def test_frames_that_come_byte_by_byte_are_the_same() -> None:
    writer, reader = FrameWriter(), FrameReader()
    sent = b"".join(map(writer.write, FRAMES))

    found = [frame for byte in sent for frame in reader.feed(bytes([byte]))]

    pieces = [Data(1, b"o"), Data(1, b"u"), Data(1, b"t")]
    assert found == [*FRAMES[:-2], *pieces, FRAMES[-1]]


def test_data_is_handed_on_before_its_frame_is_whole() -> None:
    """A frame may claim 16 MB: nothing waits for them, and nothing keeps them."""
    reader = FrameReader()

    assert list(reader.feed(struct.pack(">II", 1, 0x01FFFFFF) + b"abc")) == [Data(1, b"abc")]


def test_a_control_frame_of_an_unknown_type_is_passed_over() -> None:
    assert read(control(10, b"whatever") + FrameWriter().write(Ping(1))) == [Unknown(10), Ping(1)]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (control(6, b"\0\0\0\1", version=2), "version 2"),
        (struct.pack(">II", 0, 4) + b"data", "stream is 0"),
        (struct.pack(">HHI", 0x8003, 1, CONTROL_MAX_BYTES + 1), "at most"),
        (control(6, b"\0\0\0"), "PING"),
        (control(3, b"\0\0\0\1"), "RST_STREAM"),
        (control(4, b"\0\0\0\2" + bytes(8)), "SETTINGS"),
        (control(1, b"\0\0"), "SYN_STREAM"),
        (control(2, bytes(4)), "stream is 0"),
        (control(1, b"\0\0\0\1" + bytes(6) + b"no zlib"), "header block"),
        (control(8, b"\0\0\0\1"), "header block"),
    ],
)
def test_what_is_no_frame_is_refused_with_what_was_found(sent: bytes, told: str) -> None:
    with pytest.raises(FrameError, match=told):
        read(sent)


def packed(block: bytes) -> bytes:
    packer = zlib.compressobj(zdict=DICTIONARY)
    return packer.compress(block) + packer.flush(zlib.Z_SYNC_FLUSH)


def test_a_header_block_that_unpacks_to_too_much_is_refused() -> None:
    """A few hundred bytes may claim hundreds of megabytes."""
    bomb = packed(bytes(100 * BLOCK_MAX_BYTES))

    with pytest.raises(HeaderError, match="more than 65536 bytes"):
        HeaderUnpacker().unpack(bomb)


@pytest.mark.parametrize(
    "block",
    [
        b"\0\0\0\1",
        b"\0\0\0\1\0\0\0\x05name",
        b"\xff\xff\xff\xff",
        b"\0\0\0\1\0\0\0\0\0\0\0\1a",
        b"\0\0\0\1\0\0\0\1A\0\0\0\1a",
        b"\0\0\0\2" + b"\0\0\0\1a\0\0\0\1b" * 2,
        b"\0\0\0\0more",
    ],
)
def test_a_header_block_that_is_none_is_refused(block: bytes) -> None:
    with pytest.raises(HeaderError, match="header block"):
        HeaderUnpacker().unpack(packed(block))


def test_blocks_of_one_connection_build_on_one_another() -> None:
    packer, unpacker = HeaderPacker(), HeaderUnpacker()
    headers = {"streamtype": "data", "port": "8080", "requestid": "0"}

    first, second = packer.pack(headers), packer.pack(headers)

    assert [unpacker.unpack(first), unpacker.unpack(second)] == [headers, headers]
    assert len(second) < len(first)
