"""Checks of what controllers say of an object, which many kinds say in the same form.

Source: github.com/kubernetes/community, api-conventions, the section on typical status properties.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from kube import names
from kube.api.meta_v1 import Condition
from kube.errors import duplicate, invalid, required

from .checks import Errors, fits, ip, is_ip, not_negative, one_of

STATUSES: Final = ("False", "True", "Unknown")
_REASON: Final = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_REASON_TOLD: Final = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
    "'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is "
    "'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"
)


@lru_cache(maxsize=64)
def _fields(cls: type) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, field.encode_name) for field in msgspec.structs.fields(cls))


def counts_errors(status: Any, *, but: Iterable[str] = ()) -> Errors:
    """Check that no count of a status is below zero, nor the generation that it is about. but: attributes left out."""
    for attribute, field in _fields(status.__class__):
        value = getattr(status, attribute)
        if isinstance(value, int) and attribute not in but:
            yield from not_negative(f"status.{field}", value)


def at_most(field: str, value: int | None, whole: str, limit: int) -> Errors:
    """Check that a count of a status is no more than the whole that it is a part of."""
    if value is not None and value > limit:
        yield invalid(f"status.{field}", value, f"cannot be greater than status.{whole}")


def conditions_errors(conditions: Sequence[Condition], path: str = "status.conditions") -> Errors:
    """Check conditions of the form that all kinds are to share: each type once, and why it is so."""
    seen: set[str] = set()
    for index, told in enumerate(conditions):
        here = f"{path}[{index}]"
        if told.type in seen:
            yield duplicate(f"{here}.type", told.type)
        seen.add(told.type)
        yield from fits(f"{here}.type", told.type, names.check_label_key)
        yield from one_of(f"{here}.status", told.status, STATUSES)
        if told.observed_generation < 0:
            yield invalid(
                f"{here}.observedGeneration", told.observed_generation, "must be greater than or equal to zero"
            )
        if told.last_transition_time is None:
            yield required(f"{here}.lastTransitionTime")
        if not told.reason:
            yield required(f"{here}.reason")
        elif not _REASON.fullmatch(told.reason):
            yield invalid(f"{here}.reason", told.reason, _REASON_TOLD)


def balancer_errors(ingress: Sequence[Any]) -> Errors:
    """Check where a load balancer takes traffic: addresses and names of hosts. ingress: of a Service or an Ingress."""
    for index, place in enumerate(ingress):
        here = f"status.loadBalancer.ingress[{index}]"
        if place.ip:
            yield from ip(f"{here}.ip", place.ip)
        if place.hostname and is_ip(place.hostname):
            yield invalid(f"{here}.hostname", place.hostname, "must be a DNS name, not an IP address")
        elif place.hostname:
            yield from fits(f"{here}.hostname", place.hostname, names.check_dns_subdomain)
