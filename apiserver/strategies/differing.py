"""What sets two values apart, in words that go into a refusal."""

from difflib import unified_diff
from typing import Final

import msgspec

from kube.codec import encode

_AROUND: Final = 3


def with_difference(detail: str, new: object, old: object) -> str:
    """Return a sentence with the lines below it in which a changed value differs from what it was."""
    lines = list(unified_diff(_lines(old), _lines(new), n=_AROUND, lineterm=""))
    return "\n".join((detail, *lines[2:]))


def _lines(value: object) -> list[str]:
    return msgspec.json.format(encode(value), indent=2).decode().splitlines()
