"""The default seccomp profile, run instruction by instruction by a small BPF machine."""

import errno
import json
import struct

import pytest

from nodeagent.runtime import capabilities, seccomp

_X86, _ARM = 0xC000003E, 0xC00000B7
_ALLOW = 0x7FFF0000


def run(program: bytes, number: int, first: int = 0, architecture: int = _X86) -> int:
    """Return what the kernel would answer for a call: 0 where it is allowed, else the error number."""
    data = struct.pack("=IIQQ", number, architecture, 0, first)
    steps = [struct.unpack_from("=HBBI", program, place) for place in range(0, len(program), 8)]
    place, held = 0, 0
    while True:
        operation, if_true, if_false, value = steps[place]
        place += 1
        if operation == 0x06:
            return 0 if value == _ALLOW else value & 0xFFFF
        if operation == 0x20:
            (held,) = struct.unpack_from("=I", data, value)
        elif operation == 0x05:
            place += value
        else:
            holds = {0x15: held == value, 0x25: held > value, 0x45: bool(held & value)}[operation]
            place += if_true if holds else if_false


@pytest.fixture(scope="module")
def default() -> bytes:
    """The program of an ordinary container."""
    return seccomp._program(_json(capabilities.DEFAULT), "x86_64")


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
    program = seccomp._program(_json(capabilities.DEFAULT | {"CAP_SYS_ADMIN"}), "x86_64")
    timed = seccomp._program(_json(capabilities.DEFAULT | {"CAP_SYS_TIME"}), "x86_64")

    assert [run(program, number) for number in (165, 272, 308, 435)] == [0, 0, 0, 0]
    assert run(program, 56, first=0x20000000) == 0
    assert (run(timed, 227), run(timed, 165)) == (0, errno.EPERM)


def test_the_other_architecture_has_its_own_numbers() -> None:
    program = seccomp._program(_json(capabilities.DEFAULT), "aarch64")

    assert run(program, 40, architecture=_ARM) == errno.EPERM
    assert run(program, 220, first=17, architecture=_ARM) == 0
    assert run(program, 64, architecture=_ARM) == 0


def test_an_architecture_without_a_table_is_refused_clearly() -> None:
    with pytest.raises(OSError, match="no table of calls for riscv64"):
        seccomp._program(_json(capabilities.DEFAULT), "riscv64")


def test_capabilities_follow_names_with_and_without_prefix() -> None:
    assert capabilities.effective_set(["net_admin"], ["ALL"]) == {"CAP_NET_ADMIN"}
    assert capabilities.effective_set(["ALL"], ["CAP_SYS_ADMIN"]) == capabilities.ALL - {"CAP_SYS_ADMIN"}
    assert capabilities.effective_set([], ["CHOWN"]) == capabilities.DEFAULT - {"CAP_CHOWN"}
    assert capabilities.mask(["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"]) == 1 | 1 << 40
