"""The default seccomp profile, run instruction by instruction by a small BPF machine."""

import errno
import json
import struct

import pytest

from nodeagent.runtime import capabilities, seccomp, seccomp_program, syscall_numbers

_X86, _ARM = 0xC000003E, 0xC00000B7
_ALLOW = 0x7FFF0000


def run(program: bytes, number: int, first: int = 0, architecture: int = _X86) -> int:
    """Return what the kernel would answer for a call: 0 where it is allowed, an error's number, else -1."""
    data = struct.pack("=IIQQ", number, architecture, 0, first)
    steps = [struct.unpack_from("=HBBI", program, place) for place in range(0, len(program), 8)]
    place, held = 0, 0
    while True:
        operation, if_true, if_false, value = steps[place]
        place += 1
        if operation == 0x06:
            return 0 if value == _ALLOW else value & 0xFFFF if value >> 16 == 5 else -1
        if operation == 0x20:
            (held,) = struct.unpack_from("=I", data, value)
        elif operation == 0x54:
            held &= value
        elif operation == 0x05:
            place += value
        else:
            holds = {0x15: held == value, 0x25: held > value, 0x35: held >= value}[operation]
            place += if_true if holds else if_false


@pytest.fixture(scope="module")
def default() -> bytes:
    """The program of an ordinary container."""
    return seccomp_program.translate(_json(capabilities.DEFAULT), "x86_64")


def _json(held: frozenset[str]) -> str:

    return json.dumps(seccomp.default_profile(held), sort_keys=True)


@pytest.mark.parametrize(
    "number", [0, 1, 2, 9, 39, 57, 59, 61, 101, 161, 231, 257, 262, 318, 332, 334, 439, 441, 448, 462]
)
def test_what_programs_need_is_allowed(default: bytes, number: int) -> None:
    assert run(default, number) == 0


@pytest.mark.parametrize(
    "number", [155, 165, 166, 167, 169, 175, 246, 248, 250, 272, 298, 304, 308, 313, 320, 321, 323, 425, 428, 442]
)
def test_what_reaches_the_node_is_refused(default: bytes, number: int) -> None:
    assert run(default, number) == errno.EPERM


def test_a_new_process_is_allowed_and_a_new_namespace_is_not(default: bytes) -> None:
    clone = 56

    assert run(default, clone, first=0x01200011) == 0
    assert run(default, clone, first=0x10000000 | 17) == errno.EPERM
    assert run(default, clone, first=0x20000000 | 0x00020000) == errno.EPERM
    assert run(default, 435) == errno.ENOSYS


def test_sockets_that_bypass_namespaces_are_refused(default: bytes) -> None:
    assert [run(default, 41, first=family) for family in (1, 2, 10, 16)] == [0, 0, 0, 0]
    assert [run(default, 41, first=family) for family in (38, 40)] == [errno.EPERM, errno.EPERM]


def test_only_harmless_personalities_are_allowed(default: bytes) -> None:
    assert [run(default, 135, first=value) for value in (0, 8, 0x20000, 0xFFFFFFFF)] == [0, 0, 0, 0]
    assert run(default, 135, first=0x0040000) == errno.EPERM


def test_calls_newer_than_the_table_and_of_other_architectures_do_not_exist(default: bytes) -> None:
    assert run(default, 463) == errno.ENOSYS
    assert run(default, 0x40000000 | 165) == errno.ENOSYS
    assert run(default, 1, architecture=0x40000003) == errno.ENOSYS


def test_a_capability_opens_its_own_calls() -> None:
    program = seccomp_program.translate(_json(capabilities.DEFAULT | {"CAP_SYS_ADMIN"}), "x86_64")
    timed = seccomp_program.translate(_json(capabilities.DEFAULT | {"CAP_SYS_TIME"}), "x86_64")

    assert [run(program, number) for number in (165, 272, 308, 435)] == [0, 0, 0, 0]
    assert run(program, 56, first=0x20000000) == 0
    assert (run(timed, 227), run(timed, 165)) == (0, errno.EPERM)


def test_the_other_architecture_has_its_own_numbers() -> None:
    program = seccomp_program.translate(_json(capabilities.DEFAULT), "aarch64")

    assert run(program, 40, architecture=_ARM) == errno.EPERM
    assert run(program, 220, first=17, architecture=_ARM) == 0
    assert run(program, 64, architecture=_ARM) == 0


def test_an_architecture_without_a_table_is_refused_clearly() -> None:
    with pytest.raises(OSError, match="no table of calls for riscv64"):
        seccomp_program.translate(_json(capabilities.DEFAULT), "riscv64")


def test_capabilities_follow_names_with_and_without_prefix() -> None:
    assert capabilities.effective_set(["net_admin"], ["ALL"]) == {"CAP_NET_ADMIN"}
    assert capabilities.effective_set(["ALL"], ["CAP_SYS_ADMIN"]) == capabilities.ALL - {"CAP_SYS_ADMIN"}
    assert capabilities.effective_set([], ["CHOWN"]) == capabilities.DEFAULT - {"CAP_CHOWN"}
    assert capabilities.mask(["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"]) == 1 | 1 << 40


def _profile(*rules: dict[str, object], default: str = "SCMP_ACT_ALLOW", **fields: object) -> bytes:
    content = {"defaultAction": default, "syscalls": list(rules), **fields}
    return seccomp_program.translate(json.dumps(content), "x86_64")


def _compared(op: str, value: int, second: int = 0) -> bytes:
    argument = {"index": 0, "value": value, "valueTwo": second, "op": op}
    return _profile({"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [argument]})


_BIG = 5 << 32 | 7


@pytest.mark.parametrize(
    ("op", "value", "second", "hits", "misses"),
    [
        ("SCMP_CMP_EQ", _BIG, 0, [_BIG], [7, 5 << 32, _BIG + 1, _BIG + (1 << 32)]),
        ("SCMP_CMP_NE", _BIG, 0, [7, 5 << 32, _BIG + (1 << 32)], [_BIG]),
        ("SCMP_CMP_GT", _BIG, 0, [_BIG + 1, 6 << 32], [_BIG, _BIG - 1, 4 << 32 | 9, 9]),
        ("SCMP_CMP_GE", _BIG, 0, [_BIG, _BIG + 1, 6 << 32], [_BIG - 1, 4 << 32 | 9]),
        ("SCMP_CMP_LT", _BIG, 0, [_BIG - 1, 4 << 32 | 9, 0], [_BIG, _BIG + 1, 6 << 32]),
        ("SCMP_CMP_LE", _BIG, 0, [_BIG, _BIG - 1, 4 << 32 | 9], [_BIG + 1, 6 << 32]),
        ("SCMP_CMP_MASKED_EQ", 5 << 32 | 1, 4 << 32 | 1, [4 << 32 | 3, 6 << 32 | 1], [5 << 32 | 1, 4 << 32, 1]),
    ],
)
def test_an_argument_is_compared_over_all_its_bits(
    op: str, value: int, second: int, hits: list[int], misses: list[int]
) -> None:
    program = _compared(op, value, second)

    assert [run(program, 0, first=item) for item in hits] == [errno.EPERM] * len(hits)
    assert [run(program, 0, first=item) for item in misses] == [0] * len(misses)
    assert run(program, 1, first=value) == 0


def test_an_allow_list_refuses_all_else_and_what_is_newer() -> None:
    allowed = [str(name) for name in ("read", "write", "exit_group", "no_such_call")]
    program = _profile({"names": allowed, "action": "SCMP_ACT_ALLOW"}, default="SCMP_ACT_ERRNO", defaultErrnoRet=13)

    assert [run(program, number) for number in (0, 1, 231)] == [0, 0, 0]
    assert (run(program, 2), run(program, 463)) == (13, errno.ENOSYS)


def test_a_rule_with_a_condition_outweighs_one_without_wherever_it_stands() -> None:
    condition = {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}
    program = _profile(
        {"names": ["socket"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [condition, {**condition, "value": 2}]},
    )

    assert [run(program, 41, first=family) for family in (1, 2, 3)] == [0, 0, errno.EPERM]


def test_a_long_list_of_calls_is_translated_whole() -> None:
    names = [name for name in syscall_numbers.numbers("x86_64") if name != "read"]
    program = _profile({"names": names, "action": "SCMP_ACT_ERRNO"})

    numbers = syscall_numbers.numbers("x86_64").values()
    assert [number for number in numbers if run(program, number) == 0] == [0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ('{"defaultAction": "SCMP_ACT_NOTIFY"}', "SCMP_ACT_NOTIFY"),
        ('{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"}', "listenerPath"),
        ('{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]}', "SECCOMP_FILTER_FLAG_LOG"),
        ('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_LOG"}]}', "malformed"),
        ('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": 5}', "malformed"),
    ],
)
def test_a_profile_that_cannot_be_applied_is_refused_with_its_reason(text: str, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        seccomp.checked(text)
