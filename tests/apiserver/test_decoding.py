"""What is looked for in a body, and when."""

import pytest

from apiserver.decoding import may_repeat_keys
from kube.codec import decode_plain


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b'{"a": {"b": "1", "c": [2]}, "d": "\\"\\u00e9\\""}', False),
        (b'{"a":{"b":1,"b":1}}', True),
        (b'{"a":1,"a":1,"d":"\\u0022\\u0022"}', True),
    ],
)
def test_keys_that_stand_twice_are_suspected_whatever_blanks_and_escapes_a_text_has(text: bytes, wanted: bool) -> None:
    """A text that is above suspicion is spared the search, which costs more than all else that is done for a body."""
    assert may_repeat_keys(text, decode_plain(text)) is wanted
