"""A list on its way out is the same in blocks as in one."""

import random

import pytest

from apiserver.pieces import BLOCK_BYTES, Pieces, blocks


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_the_blocks_of_a_list_make_up_the_whole_and_none_is_much_larger(count: int, skip: int) -> None:
    """The length is told in the head, before the first block is put together."""
    source = random.Random(count)
    items = [source.randbytes(source.randrange(1, 2000)) for _ in range(count)]
    pieces = Pieces(b'{"items":[', items, b"]}", skip)
    told = [b"{" + item[skip:] for item in items] if skip else items
    whole = b'{"items":[' + b",".join(told) + b"]}"

    found = list(pieces.blocks())

    assert b"".join(found) == bytes(pieces) == whole
    assert len(pieces) == len(whole)
    assert max(map(len, found)) < BLOCK_BYTES + 2000 + 3
    assert len(found) <= len(whole) // BLOCK_BYTES + 1


def test_bytes_in_blocks_are_the_same_bytes() -> None:
    body = random.Random(3).randbytes(2 * BLOCK_BYTES + 1)

    assert b"".join(blocks(body)) == body
