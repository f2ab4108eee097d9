"""Translate a seccomp profile (`linux.seccomp` of the OCI runtime specification) to a BPF program.

Keeps true: of several rules for a call, one with conditions is asked before one without, and the first that holds
decides; conditions on one argument are alternatives, those on several must all hold; a call of another architecture
than the machine's (x32 included) never happens (ENOSYS), whatever the profile says.
Standard library only. Source: OCI runtime specification, config-linux.md; linux/filter.h, linux/seccomp.h.
"""

import errno
import functools
import json
import os
import struct
from typing import Any, NamedTuple

from nodeagent.runtime.syscall_numbers import ARCHITECTURES, NEWEST_KNOWN, numbers

_LOAD, _JUMP, _AND, _RETURN = 0x20, 0x05, 0x54, 0x06
_IF_EQUAL, _IF_GREATER, _IF_AT_LEAST = 0x15, 0x25, 0x35
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_ARGUMENTS = 0, 4, 16
_X32 = 0x40000000
_ERRNO = 0x00050000
_ACTIONS = {
    "SCMP_ACT_KILL": 0,
    "SCMP_ACT_KILL_THREAD": 0,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": _ERRNO,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_WITH_ERROR = {"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"}
_GROUP_MAX = 200  # A jump reaches 255 steps.
_STEPS_MAX = 4096


class Jump(NamedTuple):
    """One step of a condition; `hit` and `miss`: on to the next step ("next"), the condition holds, or it doesn't."""

    operation: int
    value: int
    hit: str = "next"
    miss: str = "next"


def program(profile: dict[str, Any]) -> bytes:
    """Translate `profile` for this machine, once per process; raises ValueError or OSError where that can't be done.

    Beside OCI's fields, `unknownErrnoRet` refuses the calls that are newer than the table.
    """
    return translate(json.dumps(profile, sort_keys=True), os.uname().machine)


@functools.lru_cache(maxsize=16)
def translate(profile: str, machine: str) -> bytes:
    """Translate a profile (JSON) for `machine`."""
    if machine not in ARCHITECTURES:
        found = f"seccomp: no table of calls for {machine}; use {' or '.join(ARCHITECTURES)}, or Unconfined"
        raise OSError(errno.ENOSYS, found)
    content = json.loads(profile)
    default = _action(content, "defaultAction", "defaultErrnoRet")
    newer = _ERRNO | content.get("unknownErrnoRet", errno.ENOSYS)
    if "unknownErrnoRet" not in content and content["defaultAction"] not in _WITH_ERROR:
        newer = default
    code = [
        _step(_LOAD, _OFFSET_ARCHITECTURE),
        _step(_IF_EQUAL, ARCHITECTURES[machine], 1, 0),
        _step(_RETURN, _ERRNO | errno.ENOSYS),
        _step(_LOAD, _OFFSET_NUMBER),
        _step(_IF_AT_LEAST, _X32, 0, 1),
        _step(_RETURN, _ERRNO | errno.ENOSYS),
        _step(_IF_GREATER, NEWEST_KNOWN, 0, 1),
        _step(_RETURN, newer),
    ]
    known = numbers(machine)
    rules = sorted(content.get("syscalls") or (), key=lambda rule: not rule.get("args"))
    for rule in rules:
        named = sorted(known[name] for name in rule["names"] if name in known)
        code += _rule(named, rule, _action(rule, "action", "errnoRet"))
    code.append(_step(_RETURN, default))
    if len(code) > _STEPS_MAX:
        raise ValueError(f"seccomp: the profile makes {len(code)} steps of at most {_STEPS_MAX}; name fewer calls")
    return b"".join(code)


def _action(source: dict[str, Any], key: str, error_key: str) -> int:
    name = source.get(key, "")
    if name not in _ACTIONS:
        raise ValueError(f"seccomp: {key} {name!r} is not offered; use one of {', '.join(_ACTIONS)}")
    error = source.get(error_key)
    return _ACTIONS[name] | ((errno.EPERM if error is None else int(error)) if name in _WITH_ERROR else 0)


def _rule(named: list[int], rule: dict[str, Any], answer: int) -> list[bytes]:
    if not rule.get("args"):
        groups = (named[start : start + _GROUP_MAX] for start in range(0, len(named), _GROUP_MAX))
        return [step for group in groups for step in _unconditional(group, answer)]
    return [step for number in named for chain in _chains(rule["args"]) for step in _conditional(number, chain, answer)]


def _chains(arguments: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the conditions that must hold together, for each alternative."""
    places = [argument["index"] for argument in arguments]
    return [arguments] if len(set(places)) == len(places) else [[argument] for argument in arguments]


def _unconditional(named: list[int], answer: int) -> list[bytes]:
    """Return steps that answer every call in `named`: one compare each, all jumping to one answer."""
    compares = [_step(_IF_EQUAL, number, len(named) - place, 0) for place, number in enumerate(named)]
    return [*compares, _step(_JUMP, 1), _step(_RETURN, answer)]


def _conditional(number: int, conditions: list[dict[str, Any]], answer: int) -> list[bytes]:
    """Return steps that answer call `number` where all of `conditions` hold."""
    parts = [_condition(item) for item in conditions]
    length = sum(len(part) for part in parts)
    body: list[bytes] = []
    for part in parts:
        end = len(body) + len(part)
        for step in part:
            here = len(body) + 1
            far = {"next": 0, "holds": end - here, "fails": length + 1 - here}
            body.append(_step(step.operation, step.value, far[step.hit], far[step.miss]))
    body += [_step(_RETURN, answer), _step(_LOAD, _OFFSET_NUMBER)]
    return [_step(_IF_EQUAL, number, 0, len(body)), *body]


def _condition(argument: dict[str, Any]) -> list[Jump]:
    """Return the steps of one comparison of 64 bits, upper half first."""
    low = _OFFSET_ARGUMENTS + 8 * int(argument["index"])
    value, second = int(argument.get("value", 0)), int(argument.get("valueTwo", 0))
    loads, halves = (Jump(_LOAD, low + 4), Jump(_LOAD, low)), _halves(value)
    match argument.get("op"):
        case "SCMP_CMP_EQ":
            return _equal(loads, halves, "holds", "fails")
        case "SCMP_CMP_NE":
            return _equal(loads, halves, "fails", "holds")
        case "SCMP_CMP_MASKED_EQ":
            masked = _equal(loads, _halves(second), "holds", "fails")
            return [masked[0], Jump(_AND, halves[0]), *masked[1:3], Jump(_AND, halves[1]), masked[3]]
        case "SCMP_CMP_GT":
            return _greater(loads, halves, _IF_GREATER, ("holds", "fails"))
        case "SCMP_CMP_GE":
            return _greater(loads, halves, _IF_AT_LEAST, ("holds", "fails"))
        case "SCMP_CMP_LE":
            return _greater(loads, halves, _IF_GREATER, ("fails", "holds"))
        case "SCMP_CMP_LT":
            return _greater(loads, halves, _IF_AT_LEAST, ("fails", "holds"))
        case other:
            raise ValueError(f"seccomp: op {other!r} is unknown; use SCMP_CMP_EQ, NE, LT, LE, GE, GT or MASKED_EQ")


def _halves(value: int) -> tuple[int, int]:
    return value >> 32 & 0xFFFFFFFF, value & 0xFFFFFFFF


def _equal(loads: tuple[Jump, Jump], halves: tuple[int, int], same: str, other: str) -> list[Jump]:
    upper, lower = loads
    return [upper, Jump(_IF_EQUAL, halves[0], "next", other), lower, Jump(_IF_EQUAL, halves[1], same, other)]


def _greater(loads: tuple[Jump, Jump], halves: tuple[int, int], operation: int, ends: tuple[str, str]) -> list[Jump]:
    """Return steps that end in the first of `ends` where the argument is greater (or equal, by `operation`)."""
    upper, lower = loads
    more, less = ends
    by_upper = [Jump(_IF_GREATER, halves[0], more, "next"), Jump(_IF_EQUAL, halves[0], "next", less)]
    return [upper, *by_upper, lower, Jump(operation, halves[1], more, less)]


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)
