"""The rules of ResourceSlices: which devices a driver has on offer, and where.

Whose devices a slice tells of, and in which place they are, does not change.
Source: kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from apiserver.strategy import Context
from kube import names
from kube.api.core_v1 import NodeSelector
from kube.api.resource_v1 import (
    Counter,
    CounterSet,
    Device,
    DeviceAttribute,
    DeviceTaint,
    ResourceSlice,
    ResourceSliceSpec,
)
from kube.errors import FieldError, duplicate, forbidden_field, invalid, not_supported, required, too_long, too_many
from kube.times import to_time

from .checks import Errors, fits, named, unchanged
from .devices import TAINT_EFFECTS
from .filling import each
from .generations import Generated
from .placement import node_selector_errors
from .volumes import driver_name_errors

_ONE_PLACE: Final = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_PLACE_OF_DEVICE: Final = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)
_POOL_NAME_MAX: Final = 253
_DEVICES_MAX: Final = 128
_RICH_DEVICES_MAX: Final = 64
"""How many devices there may be where one of them has taints, uses counters or has lists of attributes."""
_PARTS_MAX: Final = 32
_VALUES_MAX: Final = 48
_VALUE_MAX: Final = 64
_SETS_MAX: Final = 8
_COUNTERS_MAX: Final = 32
_CONSUMPTIONS_MAX: Final = 2
_CONDITIONS_MAX: Final = 4
_TAINTS_MAX: Final = 16
_IDENTIFIER_MAX: Final = 32
_NUMBER: Final = r"(0|[1-9]\d*)"
_EARLY: Final = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_BUILD: Final = r"[0-9a-zA-Z-]+"
_VERSION: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_EARLY}(\.{_EARLY})*)?(\+{_BUILD}(\.{_BUILD})*)?", re.ASCII
)


class SliceStrategy(Generated[ResourceSlice]):
    """ResourceSlices: a driver's devices, in a place that doesn't change."""

    returns_deleted = True
    field_names = ("spec.nodeName", "spec.driver")

    def prepare_create(self, obj: ResourceSlice, context: Context) -> ResourceSlice:
        return super().prepare_create(_with_times(obj, to_time(context.now)), context)

    def prepare_update(self, new: ResourceSlice, old: ResourceSlice, context: Context) -> ResourceSlice:
        return super().prepare_update(_with_times(new, to_time(context.now)), old, context)

    def refuse_field(self, field: str) -> str:
        return f"field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {field}"

    def selectable_fields(self, obj: ResourceSlice) -> dict[str, str]:
        fields = {"spec.nodeName": obj.spec.node_name or "", "spec.driver": obj.spec.driver}
        return {**super().selectable_fields(obj), **fields}

    def validate(self, obj: ResourceSlice) -> list[FieldError]:
        return list(_slice_errors(obj.spec))

    def validate_update(self, new: ResourceSlice, old: ResourceSlice) -> list[FieldError]:
        return [
            *self.validate(new),
            *unchanged("spec.pool.name", new.spec.pool.name, old.spec.pool.name),
            *unchanged("spec.driver", new.spec.driver, old.spec.driver),
            *unchanged("spec.nodeName", new.spec.node_name, old.spec.node_name),
        ]


def _with_times(obj: ResourceSlice, now: str) -> ResourceSlice:
    """Return the slice with the moment noted at which taints came that don't say so."""
    devices = each(obj.spec.devices, lambda device: _with_taint_times(device, now))
    return obj if devices is obj.spec.devices else replace(obj, spec=replace(obj.spec, devices=devices))


def _with_taint_times(device: Device, now: str) -> Device:
    taints = each(device.taints, lambda taint: taint if taint.time_added else replace(taint, time_added=now))
    return device if taints is device.taints else replace(device, taints=taints)


def _slice_errors(spec: ResourceSliceSpec) -> Errors:
    yield from driver_name_errors(spec.driver, "spec.driver")
    yield from _pool_errors(spec)
    if spec.node_name == "":
        yield invalid("spec.nodeName", "", "must be either unset or set to a non-empty string")
    yield from _node_errors(spec.node_name, spec.node_selector, "spec")
    if spec.node_selector is not None and len(spec.node_selector.node_selector_terms) != 1:
        terms = spec.node_selector.node_selector_terms or None
        yield invalid("spec.nodeSelector.nodeSelectorTerms", terms, "must have exactly one node selector term")
    for field, choice in (("allNodes", spec.all_nodes), ("perDeviceNodeSelection", spec.per_device_node_selection)):
        if choice is False:
            yield invalid(f"spec.{field}", False, "must be either unset or set to true")
    chosen = _chosen(spec)
    if not chosen:
        yield required("spec", _ONE_PLACE)
    elif len(chosen) > 1:
        yield invalid("spec", f"{{{', '.join(chosen)}}}", f"{_ONE_PLACE}, but multiple fields are set")
    if spec.devices and spec.shared_counters:
        yield invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed")
    yield from _devices_errors(spec)
    yield from _counter_sets_errors(spec.shared_counters, "spec.sharedCounters")


def _chosen(place: ResourceSliceSpec | Device) -> list[str]:
    """Return the ways in which a slice or a device says where it is."""
    ways = {
        "nodeName": bool(place.node_name),
        "nodeSelector": place.node_selector is not None,
        "allNodes": bool(place.all_nodes),
        "perDeviceNodeSelection": isinstance(place, ResourceSliceSpec) and bool(place.per_device_node_selection),
    }
    return [f"`{name}`" for name, is_chosen in ways.items() if is_chosen]


def _node_errors(name: str | None, selector: NodeSelector | None, path: str) -> Errors:
    if name:
        yield from fits(f"{path}.nodeName", name, names.check_dns_subdomain)
    if selector is not None:
        yield from node_selector_errors(selector, f"{path}.nodeSelector")


def _pool_errors(spec: ResourceSliceSpec) -> Errors:
    pool, path = spec.pool, "spec.pool"
    if not pool.name:
        yield required(f"{path}.name")
    elif len(pool.name) > _POOL_NAME_MAX:
        yield too_long(f"{path}.name", _POOL_NAME_MAX)
    for part in pool.name.split("/") if pool.name else ():
        yield from fits(f"{path}.name", part, names.check_dns_subdomain)
    if pool.resource_slice_count <= 0:
        yield invalid(f"{path}.resourceSliceCount", pool.resource_slice_count, "must be greater than zero")
    if pool.generation < 0:
        yield invalid(f"{path}.generation", pool.generation, "must be greater than or equal to zero")


def _devices_errors(spec: ResourceSliceSpec) -> Errors:
    limit = _RICH_DEVICES_MAX if any(map(_is_rich, spec.devices)) else _DEVICES_MAX
    if len(spec.devices) > limit:
        yield too_many("spec.devices", len(spec.devices), limit)
        return
    seen: set[str] = set()
    for index, device in enumerate(spec.devices):
        here = f"spec.devices[{index}]"
        yield from _device_errors(device, here)
        yield from _place_errors(device, here, is_own=bool(spec.per_device_node_selection))
        if device.name in seen:
            yield duplicate(here, device.name)
        seen.add(device.name)


def _is_rich(device: Device) -> bool:
    return bool(device.taints or device.consumes_counters or any(map(_lists_of, device.attributes.values())))


def _lists_of(attribute: DeviceAttribute) -> int:
    """Return how many values the lists of an attribute have."""
    return len(attribute.bools) + len(attribute.ints) + len(attribute.strings) + len(attribute.versions)


def _device_errors(device: Device, path: str) -> Errors:
    yield from fits(f"{path}.name", device.name, names.check_dns_label)
    parts = len(device.attributes) + len(device.capacity)
    if parts > _PARTS_MAX:
        yield invalid(path, parts, f"the total number of attributes and capacities must not exceed {_PARTS_MAX}")
    values = sum(_lists_of(attribute) or 1 for attribute in device.attributes.values())
    if values > _VALUES_MAX:
        yield invalid(path, values, f"the total number of attribute values must not exceed {_VALUES_MAX}")
    for name, attribute in device.attributes.items():
        yield from _name_errors(name, f"{path}.attributes")
        yield from _attribute_errors(attribute, f"{path}.attributes[{name}]")
    for name, capacity in device.capacity.items():
        yield from _name_errors(name, f"{path}.capacity")
        if capacity.request_policy is not None and not device.allow_multiple_allocations:
            yield forbidden_field(f"{path}.capacity[{name}].requestPolicy", "allowMultipleAllocations must be true")
    if len(device.taints) > _TAINTS_MAX:
        yield too_many(f"{path}.taints", len(device.taints), _TAINTS_MAX)
    for index, taint in enumerate(device.taints):
        yield from _taint_errors(taint, f"{path}.taints[{index}]")
    yield from _consumption_errors(device, f"{path}.consumesCounters")
    yield from _binding_errors(device, path)


def _name_errors(name: str, path: str) -> Errors:
    """Check the name of an attribute or a capacity: an identifier, with a domain before it if it isn't the driver's."""
    domain, slash, identifier = name.rpartition("/")
    if slash and not domain:
        yield invalid(path, "", "the domain must not be empty")
    elif slash:
        yield from driver_name_errors(domain, path)
    if slash and not identifier:
        yield invalid(path, "", "the name must not be empty")
        return
    if len(identifier) > _IDENTIFIER_MAX:
        yield too_long(path, _IDENTIFIER_MAX)
    yield from fits(path, identifier, names.check_c_identifier)


def _attribute_errors(attribute: DeviceAttribute, path: str) -> Errors:
    single: dict[str, Any] = {
        "bool": attribute.bool_,
        "int": attribute.int_,
        "string": attribute.string,
        "version": attribute.version,
    }
    given = [name for name, value in single.items() if value is not None]
    given += [name for name in ("bools", "ints", "strings", "versions") if getattr(attribute, name)]
    if len(given) != 1:
        yield invalid(path, attribute if given else "", "exactly one value must be specified")
    texts = [("string", attribute.string), *((f"strings[{at}]", text) for at, text in enumerate(attribute.strings))]
    versions = [("version", attribute.version)]
    versions += [(f"versions[{at}]", text) for at, text in enumerate(attribute.versions)]
    for name, text in versions:
        if text is not None and not _VERSION.fullmatch(text):
            yield invalid(f"{path}.{name}", text, "must be a string compatible with semver.org spec 2.0.0")
    for name, text in (*texts, *versions):
        if text is not None and len(text.encode()) > _VALUE_MAX:
            yield too_long(f"{path}.{name}", _VALUE_MAX)


def _counter_sets_errors(sets: tuple[CounterSet, ...], path: str) -> Errors:
    if len(sets) > _SETS_MAX:
        yield too_many(path, len(sets), _SETS_MAX)
        return
    for index, found in enumerate(sets):
        here = f"{path}[{index}]"
        yield from named(f"{here}.name", found.name, names.check_dns_label)
        yield from _counters_errors(found.counters, f"{here}.counters")
        if found.name in [other.name for other in sets[:index]]:
            yield duplicate(here, found.name)


def _counters_errors(counters: Mapping[str, Counter], path: str) -> Errors:
    if not counters:
        yield required(path)
    elif len(counters) > _COUNTERS_MAX:
        yield too_many(path, len(counters), _COUNTERS_MAX)
    else:
        for name in counters:
            yield from fits(path, name, names.check_dns_label)


def _consumption_errors(device: Device, path: str) -> Errors:
    if len(device.consumes_counters) > _CONSUMPTIONS_MAX:
        yield too_many(path, len(device.consumes_counters), _CONSUMPTIONS_MAX)
        return
    for index, used in enumerate(device.consumes_counters):
        here = f"{path}[{index}]"
        yield from named(f"{here}.counterSet", used.counter_set, names.check_dns_label)
        yield from _counters_errors(used.counters, f"{here}.counters")
        if used.counter_set in [other.counter_set for other in device.consumes_counters[:index]]:
            yield duplicate(here, used.counter_set)


def _binding_errors(device: Device, path: str) -> Errors:
    """Check the conditions on which a device is there, and those on which it won't be."""
    ready, failed = device.binding_conditions, device.binding_failure_conditions
    for field, conditions in (("bindingConditions", ready), ("bindingFailureConditions", failed)):
        if len(conditions) > _CONDITIONS_MAX:
            yield too_many(f"{path}.{field}", len(conditions), _CONDITIONS_MAX)
            continue
        for index, condition in enumerate(conditions):
            yield from fits(f"{path}.{field}[{index}]", condition, names.check_label_key)
            if condition in conditions[:index]:
                yield duplicate(f"{path}.{field}[{index}]", condition)
    for index, condition in enumerate(failed):
        if condition in ready:
            detail = "bindingFailureConditions must not overlap with bindingConditions"
            yield invalid(f"{path}.bindingFailureConditions[{index}]", condition, detail)
    if failed and not ready:
        detail = "bindingConditions are required to use bindingFailureConditions"
        yield invalid(f"{path}.bindingConditions", None, detail)
    if ready and not failed:
        detail = "bindingFailureConditions are required to use bindingConditions"
        yield invalid(f"{path}.bindingFailureConditions", None, detail)


def _place_errors(device: Device, path: str, *, is_own: bool) -> Errors:
    """Check where a device is. is_own: each device of the slice says so itself."""
    if not is_own:
        if (device.node_name, device.node_selector, device.all_nodes) != (None, None, None):
            detail = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to"
            yield invalid(path, None, f"{detail} true in the ResourceSlice spec")
        return
    if device.node_name == "":
        yield invalid(f"{path}.nodeName", "", "must not be empty")
    yield from _node_errors(device.node_name, device.node_selector, path)
    if device.all_nodes is False:
        yield invalid(f"{path}.allNodes", False, "must be either unset or set to true")
    chosen = _chosen(device)
    if not chosen:
        yield required(path, _PLACE_OF_DEVICE)
    elif len(chosen) > 1:
        yield invalid(path, f"{{{', '.join(chosen)}}}", _PLACE_OF_DEVICE)


def _taint_errors(taint: DeviceTaint, path: str) -> Errors:
    yield from fits(f"{path}.key", taint.key, names.check_label_key)
    if taint.value:
        yield from fits(f"{path}.value", taint.value, names.check_label_value)
    if not taint.effect:
        yield required(f"{path}.effect")
    elif taint.effect not in TAINT_EFFECTS:
        yield not_supported(f"{path}.effect", taint.effect, TAINT_EFFECTS)
