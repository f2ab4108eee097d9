"""What arrives as Kubernetes protobuf, against what kubectl really sends."""

import contextlib
import json
import typing
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.decoding import PROTOBUF, decode_delete_options, decode_object
from apiserver.protobuf.envelope import UNSTORED, decode
from apiserver.protobuf.schema import message_of, table_of
from apiserver.protobuf.wire import FIELDS_MAX, ProtobufError
from kube.api.apps_v1 import Deployment
from kube.api.meta_v1 import DeleteOptions, Preconditions
from kube.api.scalars import Duration, JsonObject, RawObject, Time
from kube.codec import DecodeError, from_plain
from kube.errors import ApiError
from kube.kinds import KINDS, find_kind
from kube.quantity import Quantity
from kube.times import to_duration, to_micro_time, to_time
from tests.apiserver.protobuf_encoder import body, choices_of, chunk, field_types, is_struct, message, number

SENT: list[dict[str, Any]] = json.loads(Path(__file__).with_name("kubectl_protobuf.json").read_text())
"""What kubectl 1.32 sent for each command, and that object in the JSON of `--dry-run=client` or of the server."""

TYPES: dict[tuple[str, str], type[msgspec.Struct]] = {
    **{(kind.api_version, kind.kind): typing.cast("type[msgspec.Struct]", kind.type) for kind in KINDS},
    **UNSTORED,
    ("v1", "DeleteOptions"): DeleteOptions,
}


def sent(command: str) -> bytes:
    """Return what kubectl sent for the command that begins so."""
    return next(b64decode(capture["body"]) for capture in SENT if capture["command"].startswith(f"kubectl {command}"))


@pytest.mark.parametrize("capture", SENT, ids=lambda capture: capture["command"][:40])
def test_what_kubectl_sends_is_the_object_it_prints(capture: dict[str, Any]) -> None:
    wanted = capture["object"]
    cls = TYPES[wanted["apiVersion"], wanted["kind"]]

    found = decode(b64decode(capture["body"]))

    assert (found["apiVersion"], found["kind"]) == (wanted["apiVersion"], wanted["kind"])
    assert from_plain(found, cls) == from_plain(wanted, cls)


def test_a_body_in_protobuf_becomes_a_typed_object_without_warnings() -> None:
    kind = find_kind("apps/v1", "Deployment")
    assert kind is not None

    decoded = decode_object(sent("create deployment"), PROTOBUF, kind, "Strict")

    assert isinstance(decoded.obj, Deployment)
    assert decoded.obj.spec.replicas == 3
    assert decoded.warnings == ()


def test_options_of_a_delete_may_come_in_protobuf_of_any_group_version() -> None:
    raw = number(1, 0) + chunk(2, chunk(1, "some-uid"))

    options = decode_delete_options(body("apps/v1", "DeleteOptions", raw), PROTOBUF)

    assert options.grace_period_seconds == 0
    assert options.preconditions == Preconditions(uid="some-uid")


def test_a_zero_is_kept_only_where_it_differs_from_absence() -> None:
    """Go writes every field that is no pointer, zero or not; JSON leaves out the zeros of most of them."""
    spec = number(1, 0) + number(5, 0) + number(7, 0)  # replicas, minReadySeconds, paused

    found = decode(body("apps/v1", "Deployment", chunk(2, spec)))

    assert found["spec"] == {"replicas": 0}


def test_the_zero_time_is_absence() -> None:
    found = decode(body("v1", "ConfigMap", chunk(1, chunk(1, "x") + chunk(8, b""))))

    assert found["metadata"] == {"name": "x"}


def test_numbers_may_come_packed() -> None:
    container = chunk(1, "c")
    apart = chunk(14, number(4, 5) + number(4, -1))
    packed = chunk(14, chunk(4, b"\x05" + b"\xff" * 9 + b"\x01"))

    objects = [decode(body("v1", "Pod", chunk(2, chunk(2, container) + groups))) for groups in (apart, packed)]

    assert objects[0] == objects[1]
    assert objects[0]["spec"]["securityContext"]["supplementalGroups"] == [5, -1]


def test_a_message_that_comes_in_two_parts_is_merged_and_the_last_scalar_wins() -> None:
    first, second = chunk(1, "a") + chunk(3, "n"), chunk(1, "b") + chunk(3, "")

    found = decode(body("v1", "ConfigMap", chunk(1, first) + chunk(1, second)))

    assert found["metadata"] == {"name": "b"}


def test_a_field_that_nobody_knows_is_passed_over() -> None:
    unknown = number(500, 1) + chunk(501, b"\xff\xff") + b"\xa9\x1f" + bytes(8) + b"\xad\x1f" + bytes(4)

    found = decode(body("v1", "ConfigMap", unknown + chunk(1, chunk(1, "x"))))

    assert found["metadata"] == {"name": "x"}


@pytest.mark.parametrize("cls", TYPES.values(), ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_every_field_has_one_number(cls: type[msgspec.Struct]) -> None:
    """Of the kind itself and of everything in it; apiVersion and kind of whole objects come with the envelope."""
    todo, seen = [cls], set[type]()
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        table, types = table_of(here), field_types(here)
        names = [entry.name for entry in table]
        assert len(set(names)) == len(names)
        assert set(types) - set(names) in (set(), {"apiVersion", "kind"})
        assert set(names) <= set(types)
        assert len({entry.numbers for entry in table}) == len(table)
        assert message_of(here).fields or not table
        todo += [inner for hint in types.values() for inner in structs_in(hint)]


def structs_in(hint: Any) -> list[type[msgspec.Struct]]:
    """Return the structs that a type is made of."""
    if is_struct(hint):
        return [hint]
    return [inner for argument in typing.get_args(hint) for inner in structs_in(argument)]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
SCALARS: Mapping[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=200),
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bytes: st.binary(max_size=20).map(lambda data: b64encode(data).decode()),
    Time: st.datetimes(timezones=st.just(UTC)).map(to_time),
    Duration: st.timedeltas(timedelta(days=-99), timedelta(days=99)).map(to_duration),
    Quantity: st.sampled_from(["0", "500m", "1Gi", "1.5Gi", "1e3", "-3", "12345678901"]),
    Any: JSON_VALUES,
    JsonObject: st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=3),
    RawObject: st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=3),
}


@st.composite
def plains(draw: st.DrawFn, cls: type[msgspec.Struct], depth: int = 7) -> dict[str, Any]:
    """Return plain JSON with a few of the fields of a struct, down to some depth."""
    types, table = field_types(cls), {entry.name: entry for entry in table_of(cls)}
    names = draw(st.sets(st.sampled_from(sorted(table)), max_size=4)) if table and depth else ()
    return {name: draw(values(types[name], depth - 1, table[name].is_micro)) for name in sorted(names)}


def values(hint: Any, depth: int, is_micro: bool = False) -> st.SearchStrategy[Any]:
    """Return a strategy for what a type may be in JSON."""
    choices = choices_of(hint)
    if int in choices:
        numbers = st.integers(-(2**31), 2**31 - 1) if "2147483647" in str(hint) else SCALARS[int]
        return st.one_of([numbers, *(values(choice, depth) for choice in choices if choice is not int)])
    if len(choices) > 1:
        return st.one_of([values(choice, depth) for choice in choices])
    [wanted] = choices
    if is_struct(wanted):
        return plains(wanted, depth)
    if is_micro:
        return st.datetimes(timezones=st.just(UTC)).map(to_micro_time)
    if wanted in SCALARS:
        return SCALARS[wanted]
    if typing.get_origin(wanted) is tuple:
        return st.lists(values(typing.get_args(wanted)[0], depth), min_size=1, max_size=2)
    return st.dictionaries(st.text(max_size=5), values(typing.get_args(wanted)[1], depth), max_size=2)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_object_comes_through_protobuf_as_it_comes_through_json(data: st.DataObject) -> None:
    api_version, kind = data.draw(st.sampled_from(sorted(TYPES)))
    cls = TYPES[api_version, kind]
    plain = {"apiVersion": api_version, "kind": kind, **data.draw(plains(cls))}

    found = decode(body(api_version, kind, message(cls, plain)))

    assert from_plain(found, cls) == from_plain(plain, cls)


def refusal_of(data: bytes) -> str:
    """Return with what words a body is refused."""
    with pytest.raises(ProtobufError) as refused:
        decode(data)
    return str(refused.value)


def pod(raw: bytes) -> bytes:
    """Return a body with a Pod's bytes."""
    return body("v1", "Pod", raw)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not Kubernetes protobuf"),
        (b'{"kind":"Pod"}', "is not Kubernetes protobuf"),
        (b"k8s\0", "the envelope holds no object"),
        (b"k8s\0" + chunk(2, b""), 'no kind "" of version ""'),
        (body("example.com/v1", "Widget", b""), 'no kind "Widget" of version "example.com/v1"'),
        (body("os/v1", "path", b""), 'no kind "path" of version "os/v1"'),
        (pod(b"")[:-4] + chunk(3, "gzip"), 'contentEncoding: "gzip"'),
        (pod(chunk(2, chunk(2, chunk(1, b"\xff")))), "spec.containers.name: the text is not UTF-8"),
        (pod(chunk(2, chunk(2, number(1, 1)))), "spec.containers: field 1 (name) can't have wire type 0"),
        (pod(chunk(2, chunk(11, b""))), "spec: field 11 (hostNetwork) can't have wire type 2"),
        (pod(b"\x13\x14"), "groups are not part of this format"),
        (pod(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "the bytes end in the middle of a field"),
        (pod(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "a number has more than 64 bits"),
        (pod(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "a number has more than 64 bits"),
        (pod(b"\x0a"), "the bytes end in the middle of a field"),
        (pod(b"\x02\x00"), "there is no field 0"),
        (pod(number(1 << 29, 1)), "there is no field 536870912"),
        (pod(chunk(1, chunk(8, number(1, 1 << 60)))), "metadata.creationTimestamp: the time is out of range"),
        (body("apps/v1", "ControllerRevision", chunk(2, chunk(1, "{"))), "data.raw: the raw bytes in it"),
        (body("apps/v1", "ControllerRevision", chunk(2, chunk(1, "[" * 100_000))), "data.raw: the raw bytes in it"),
    ],
)
def test_a_bad_body_is_refused_with_where_and_why(data: bytes, words: str) -> None:
    assert words in refusal_of(data)


def test_a_schema_in_schemas_without_end_is_refused() -> None:
    schema = chunk(4, "innermost")
    for _ in range(1000):
        schema = chunk(28, schema)
    version = chunk(7, chunk(4, chunk(1, schema)))

    words = refusal_of(body("apiextensions.k8s.io/v1", "CustomResourceDefinition", chunk(2, version)))

    assert words.startswith("spec.versions.schema.openAPIV3Schema.not.not.")
    assert words.endswith("at most 128 can lie in one another")


@pytest.mark.parametrize(
    "raw",
    [
        chunk(2, chunk(2, b"") * (FIELDS_MAX + 1)),
        chunk(2, chunk(14, chunk(4, bytes(FIELDS_MAX + 1)))),
        number(900, 0) * (FIELDS_MAX + 1),
    ],
    ids=["empty messages", "packed numbers", "unknown fields"],
)
def test_a_small_body_can_not_hold_fields_without_number(raw: bytes) -> None:
    assert f"at most {FIELDS_MAX}" in refusal_of(pod(raw))


def test_a_refusal_is_a_bad_request() -> None:
    kind = find_kind("v1", "Pod")
    assert kind is not None

    with pytest.raises(ApiError) as refused:
        decode_object(pod(b"\x0a"), PROTOBUF, kind, "Ignore")

    assert refused.value.code == 400
    assert "the bytes end in the middle of a field" in str(refused.value)


def test_no_part_of_an_object_passes_for_the_whole() -> None:
    whole = sent("create deployment")
    wanted = decode(whole)

    for length in range(len(whole) - 4):  # The last four bytes say that nothing is compressed.
        refusal_of(whole[:length])

    assert decode(whole[:-4]) == wanted


def judged(data: bytes) -> None:
    """Decode a body as far as it goes; no other error than the one may come of it."""
    with contextlib.suppress(DecodeError):
        plain = decode(data)
        from_plain(plain, TYPES["v1" if plain["kind"] == "DeleteOptions" else plain["apiVersion"], plain["kind"]])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(TYPES)), st.binary(max_size=300))
def test_any_bytes_are_an_object_or_an_error(kind: tuple[str, str], raw: bytes) -> None:
    judged(body(*kind, raw))
    judged(b"k8s\0" + raw)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SENT), st.integers(0, 4500), st.integers(0, 3), st.binary(max_size=3))
def test_a_damaged_object_is_an_object_or_an_error(
    capture: dict[str, Any], position: int, lost: int, added: bytes
) -> None:
    whole = b64decode(capture["body"])
    position %= len(whole)

    judged(whole[:position] + added + whole[position + lost :])
