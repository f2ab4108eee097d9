"""What is looked for in a body, and when."""

import json
import tracemalloc
from typing import Any, cast

import pytest

from apiserver.decoding import Decoded, decode_object, may_repeat_keys
from kube.api.core_v1 import Pod
from kube.codec import decode_plain
from kube.errors import ApiError
from kube.kinds import kind_of


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


ENV = [{"name": f"SETTING_{index}", "value": "x" * 40} for index in range(10)]


def crowd_pod(name: str, **more: Any) -> dict[str, Any]:
    """Return one of a crowd of pods, whose spec is long enough to be known again."""
    spec = {"containers": [{"name": "web", "image": "web:1", "env": ENV}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec, **more}


def read(text: str | bytes, validation: str = "Warn") -> Decoded:
    body = text if isinstance(text, bytes) else text.encode()
    return decode_object(body, "application/json", kind_of(Pod), validation)


def test_pods_of_one_text_share_the_value_of_their_spec() -> None:
    first, one, other = (cast("Pod", read(json.dumps(crowd_pod(name))).obj) for name in ("web-0", "web-1", "web-2"))

    assert one.metadata.name == "web-1"
    assert other.metadata.name == "web-2"
    assert first.spec == one.spec
    assert one.spec is other.spec
    assert one.spec.containers[0].env[9].value == "x" * 40


@pytest.mark.parametrize("validation", ["Strict", "Warn", "Ignore"])
def test_what_is_wrong_beside_a_known_spec_or_in_it_is_told_as_ever(validation: str) -> None:
    for name in ("web-0", "web-1"):
        read(json.dumps(crowd_pod(name)))
    beside = json.dumps(crowd_pod("web-2", statis={"phase": "Running"}))
    inside = json.dumps(crowd_pod("web-3")).replace('"image":', '"imag":')

    found = [_told(text, validation) for text in (beside, inside, inside)]

    told = {
        "Ignore": "",
        "Warn": "{}",
        "Strict": 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: {}',
    }
    paths = ("statis", "spec.containers[0].imag", "spec.containers[0].imag")
    assert found == [told[validation].format(f'unknown field "{path}"') for path in paths]


def test_a_spec_that_stands_twice_is_told() -> None:
    for name in ("web-0", "web-1"):
        read(json.dumps(crowd_pod(name)))
    twice = json.dumps(crowd_pod("web-2"))
    spec = json.dumps(crowd_pod("web-1")["spec"])

    assert _told(f'{twice[:-1]},"spec":{spec}}}', "Warn").startswith('duplicate field "spec"')


def _told(text: str, validation: str) -> str:
    try:
        return ", ".join(read(text, validation).warnings)
    except ApiError as error:
        return str(error)


def test_what_a_long_name_holds_is_told_without_repeating_it() -> None:
    """The paths of all keys below a long name would be many thousand times the body."""
    below = ",".join(['"a":1'] * 10_000 + [f'"b{number}":1' for number in range(1000)])
    body = f'{{"metadata":{{"name":"web","{"k" * 20_000}":{{{below}}}}}}}'

    tracemalloc.start()
    try:
        warnings = read(body).warnings
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    cut = f"metadata.{'k' * 200}..."
    assert warnings == (f'unknown field "{cut}"', f'duplicate field "{cut}.a"')
    assert peak_bytes < 20_000_000


def test_a_hundred_problems_are_told_and_no_more() -> None:
    body = json.dumps(crowd_pod("web", **{f"odd{number}": 1 for number in range(1000)}))

    assert list(read(body).warnings) == [f'unknown field "odd{number}"' for number in range(100)]
