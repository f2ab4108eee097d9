"""Checks of single fields that the kinds share, each telling what is wrong in Kubernetes' words.

A check is a generator of field errors: nothing is built where nothing is wrong. `path` names the field as a user
would: "spec.containers[0].name".
Source: kubernetes.io/docs/reference/kubernetes-api, the constraints of each field.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final

from kube import names
from kube.api.meta_v1 import LabelSelector
from kube.errors import FieldError, forbidden_field, immutable, invalid, not_supported, required
from kube.memo import by_text

Check = Callable[[str], list[str]]
Errors = Iterator[FieldError]

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
PROTOCOLS_AS_INVENTED: Final = ("TCP", "UDP", "SCTP")
"""The same, as the rules of some kinds tell them."""
INT32_MAX: Final = 2**31 - 1
_NOT_NEGATIVE: Final = "must be greater than or equal to 0"
_KNOWN_GOOD_MAX: Final = 16_384


@by_text(_KNOWN_GOOD_MAX)
def problems(check: Check, value: str) -> tuple[str, ...]:
    """Return what a rule of kube.names has against a text."""
    return tuple(check(value))


def named(path: str, value: str, check: Check) -> Errors:
    """Check a text that may not be empty against a rule of kube.names."""
    if not value:
        yield required(path)
        return
    for problem in problems(check, value):
        yield invalid(path, value, problem)


def named_if_set(path: str, value: str | None, check: Check) -> Errors:
    """Check a text against a rule of kube.names where there is one."""
    if value:
        for problem in problems(check, value):
            yield invalid(path, value, problem)


def fits(path: str, value: str, check: Check) -> Errors:
    """Check a text, the empty one too, against a rule of kube.names."""
    for problem in problems(check, value):
        yield invalid(path, value, problem)


def fits_if_given(path: str, value: str | None, check: Check) -> Errors:
    """Check a text that may be absent, but not empty, against a rule of kube.names."""
    if value is not None:
        yield from fits(path, value, check)


def one_of(path: str, value: str, allowed: Collection[str]) -> Errors:
    """Check that a value which must be set is one of those allowed."""
    if not value:
        yield required(path)
    elif value not in allowed:
        yield not_supported(path, value, allowed)


def one_of_if_set(path: str, value: str | None, allowed: Collection[str]) -> Errors:
    """Check that a value is one of those allowed, where it is set."""
    if value and value not in allowed:
        yield not_supported(path, value, allowed)


def one_of_if_given(path: str, value: str | None, allowed: Collection[str]) -> Errors:
    """Check that a value that may be absent, but not empty, is one of those allowed."""
    if value is not None and value not in allowed:
        yield not_supported(path, value, allowed)


def not_negative(path: str, value: int | None) -> Errors:
    """Check that a number, where it is set, is zero or more."""
    if value is not None and value < 0:
        yield invalid(path, value, _NOT_NEGATIVE)


def positive(path: str, value: int | None) -> Errors:
    """Check that a number, where it is set, is more than zero."""
    if value is not None and value <= 0:
        yield invalid(path, value, "must be greater than 0")


def between(path: str, value: int, low: int, high: int) -> Errors:
    """Check that a number lies in a range, both ends included."""
    if not low <= value <= high:
        yield invalid(path, value, f"must be between {low} and {high}, inclusive")


def port_number(path: str, value: int) -> Errors:
    """Check that a number can be a port."""
    yield from between(path, value, 1, 65535)


def port_or_name(path: str, value: int | str | None) -> Errors:
    """Check a port given by its number or by its name."""
    if isinstance(value, str):
        for problem in problems(names.check_port_name, value):
            yield invalid(path, value, problem)
    else:
        yield from port_number(path, value or 0)


def count_or_percent(path: str, value: int | str | None) -> Errors:
    """Check a number of things or a share of them: 2, "25%"."""
    if isinstance(value, str):
        if not (value.endswith("%") and value[:-1].isdigit()):
            detail = "a valid percent string must be a numeric string followed by an ending '%'"
            yield invalid(path, value, f"{detail} (e.g. '1%', or '93%', regex used for validation is '[0-9]+%')")
    else:
        yield from not_negative(path, value)


def percent_at_most_100(path: str, value: int | str | None) -> Errors:
    """Check that a share is not more than everything."""
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdigit() and int(value[:-1]) > 100:
        yield invalid(path, value, "must not be greater than 100%")


@by_text(_KNOWN_GOOD_MAX)
def is_ip(text: str) -> bool:
    """Say whether a text is an IPv4 or IPv6 address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def ip(path: str, value: str) -> Errors:
    """Check that a text is an address."""
    if not is_ip(value):
        yield invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")


def cidr(path: str, value: str) -> Errors:
    """Check that a text is a range of addresses."""
    try:
        ip_network(value, strict=False)
        if "/" in value:
            return
    except ValueError:
        pass
    yield invalid(path, value, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")


def labels(path: str, values: Mapping[str, str]) -> Errors:
    """Check the keys and values of labels."""
    for key, value in values.items():
        for problem in problems(names.check_label_key, key):
            yield invalid(path, key, problem)
        for problem in problems(names.check_label_value, value):
            yield invalid(path, value, problem)


def label_selector(path: str, selector: LabelSelector | None) -> Errors:
    """Check the object form of a label selector."""
    if selector is None:
        return
    if selector.match_labels:
        yield from labels(f"{path}.matchLabels", selector.match_labels)
    for index, term in enumerate(selector.match_expressions):
        here = f"{path}.matchExpressions[{index}]"
        if term.operator in ("In", "NotIn"):
            if not term.values:
                yield required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif term.operator in ("Exists", "DoesNotExist"):
            if term.values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield forbidden_field(f"{here}.values", detail)
        else:
            yield invalid(f"{here}.operator", term.operator, "not a valid selector operator")
        for problem in problems(names.check_label_key, term.key):
            yield invalid(f"{here}.key", term.key, problem)
        for place, value in enumerate(term.values):
            for problem in problems(names.check_label_value, value):
                yield invalid(f"{here}.values[{place}]", value, problem)


def is_empty_selector(selector: LabelSelector | None) -> bool:
    """Say whether a selector asks for nothing, and so selects everything."""
    return selector is None or not (selector.match_labels or selector.match_expressions)


def unchanged(path: str, new: Any, old: Any) -> Errors:
    """Check that a field kept its value."""
    if new != old:
        yield immutable(path, new)


def local_paths(path: str, value: str) -> Errors:
    """Check a file path that may not leave the directory it is below."""
    if value.startswith("/"):
        yield invalid(path, value, "must be a relative path")
    if ".." in value.split("/"):
        yield invalid(path, value, "must not contain '..'")
