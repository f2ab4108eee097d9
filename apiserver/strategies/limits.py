"""The rules of LimitRanges: how little and how much of something one pod, container or claim may have.

Source: kubernetes.io/docs/concepts/policy/limit-range
"""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Strategy
from kube import names
from kube.api.core_v1 import LimitRange, LimitRangeItem
from kube.errors import FieldError, duplicate, forbidden_field, invalid, required
from kube.quantity import Quantity

from .checks import Errors, fits
from .resources import NATIVE, is_standard, name_errors

_ORDERED: Final = (
    ("min", "max", "min", "min"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest"),
    ("min", "default", "default", "min"),
    ("default", "max", "default", "max"),
)
"""What must not be above what; which field the error is about, and whose value it shows."""
_TOLD: Final = {"min": "min", "max": "max", "default": "default", "defaultRequest": "default request"}

_ONE: Final = Quantity("1")

_TYPES: Final = ("Container", "PersistentVolumeClaim", "Pod")


class LimitRangeStrategy(Strategy[LimitRange]):
    """LimitRanges: a limit without a default gives its maximum, a request without a default its limit."""

    allow_create_on_update = True

    def default(self, obj: LimitRange) -> LimitRange:
        limits = tuple([_default_limit(item) for item in obj.spec.limits])
        return obj if limits == obj.spec.limits else replace(obj, spec=replace(obj.spec, limits=limits))

    def validate(self, obj: LimitRange) -> list[FieldError]:
        errors: list[FieldError] = []
        seen: set[str] = set()
        for index, item in enumerate(obj.spec.limits):
            here = f"spec.limits[{index}]"
            errors += _limit_errors(item, here)
            if item.type in seen:
                errors.append(duplicate(f"{here}.type", item.type))
            seen.add(item.type)
        return errors


def _default_limit(item: LimitRangeItem) -> LimitRangeItem:
    if item.type != "Container":
        return item
    default = {**item.max, **item.default}
    return replace(item, default=default, default_request={**item.min, **default, **item.default_request})


def _limit_errors(item: LimitRangeItem, path: str) -> Errors:
    wrong = list(fits(f"{path}.type", item.type, names.check_label_key))
    yield from wrong
    if not wrong and "/" not in item.type and item.type not in _TYPES:
        yield invalid(f"{path}.type", item.type, "must be a standard limit type or fully qualified")
    amounts: dict[str, Mapping[str, Quantity]] = {"max": item.max, "min": item.min}
    for field, found in (("default", item.default), ("defaultRequest", item.default_request)):
        if item.type != "Pod":
            amounts[field] = found
        elif found:
            yield forbidden_field(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
    if item.type == "PersistentVolumeClaim" and "storage" not in item.min and "storage" not in item.max:
        detail = "either minimum or maximum storage value is required, but neither was provided"
        yield required(f"{path}.limits", detail)
    amounts["maxLimitRequestRatio"] = item.max_limit_request_ratio
    for field, found in amounts.items():
        for name in found:
            yield from _name_errors(item.type, name, f"{path}.{field}[{name}]")
    for name in dict.fromkeys(name for found in amounts.values() for name in found):
        yield from _order_errors({field: found[name] for field, found in amounts.items() if name in found}, name, path)


def _name_errors(kind: str, name: str, path: str) -> Errors:
    if kind in ("Pod", "Container"):
        yield from name_errors(name, path)
        return
    yield from fits(path, name, names.check_label_key)
    if "/" not in name and not is_standard(name):
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def _order_errors(values: Mapping[str, Quantity], name: str, path: str) -> Errors:
    """Check that what is said of one resource is in order."""
    for lower, upper, field, shown in _ORDERED:
        low, high = values.get(lower), values.get(upper)
        if low is not None and high is not None and low > high:
            above = "default limit" if (lower, upper) == ("defaultRequest", "default") else _TOLD[upper]
            detail = f"{_TOLD[lower]} value {low} is greater than {above} value {high}"
            yield invalid(f"{path}.{field}[{name}]", values[shown].text, detail)
    yield from _ratio_errors(values, f"{path}.maxLimitRequestRatio[{name}]")
    default, request = values.get("default"), values.get("defaultRequest")
    if name not in NATIVE and default is not None and request is not None and default != request:
        detail = f"default value {default} must equal to defaultRequest value {request} in {name}"
        yield invalid(f"{path}.defaultRequest[{name}]", request.text, detail)


def _ratio_errors(values: Mapping[str, Quantity], path: str) -> Errors:
    ratio, least, most = (values.get(field) for field in ("maxLimitRequestRatio", "min", "max"))
    if ratio is None:
        return
    if ratio < _ONE:
        yield invalid(path, ratio.text, f"ratio {ratio} is less than 1")
    if least is not None and most is not None and least.value != 0:
        highest = float(most.value / least.value)
        if float(ratio.value) > highest:
            yield invalid(path, ratio.text, f"ratio {ratio} is greater than max/min = {highest:f}")
