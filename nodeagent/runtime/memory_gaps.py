"""Fill the gaps that Python's memory has after its imports.

Keeps true: what is made afterwards lies side by side, in pages of its own. A shim is a fork that gets a copy of each
page it writes to: without this, each thing it makes falls into another gap among the zygote's modules.
Source: Objects/obmalloc.c of Python 3.11: pools of 16 KiB for blocks of one size, up to 512 bytes.
"""

from collections.abc import Callable

_POOL_BYTES = 1 << 14
_POOL_HEAD_BYTES = 48
_BLOCK_STEP_BYTES, _BLOCK_BYTES_MAX = 16, 512
_BYTES_OVERHEAD = 33
_GAPS_MAX = 20_000
_kept: list[list[object]] = []


def fill() -> None:
    """Fill every gap, for as long as the process and its forks live."""
    sizes = range(_BLOCK_STEP_BYTES, _BLOCK_BYTES_MAX + 1, _BLOCK_STEP_BYTES)
    _kept.extend(_fill(_maker(size)) for size in sizes)


def _maker(size: int) -> Callable[[int], object]:
    """Return what makes an object of one block of `size`; it is called with a number."""
    if size == 16:
        return lambda _: object()
    if size == 32:
        return lambda number: number + 1_000_000
    return lambda _: bytes(size - _BYTES_OVERHEAD)


def _fill(make: Callable[[int], object]) -> list[object]:
    """Make objects until the first one that lies at the beginning of a pool: that one is new, so no gap was left."""
    made: list[object] = []
    for number in range(_GAPS_MAX):
        made.append(make(number))
        if id(made[-1]) % _POOL_BYTES == _POOL_HEAD_BYTES:
            break
    return made
