"""The rules of DeviceClasses, ResourceClaims and their templates: who asks for which devices.

What a claim asks for does not change. Expressions that select devices are kept as they are: nothing here evaluates
them.
Source: kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation
"""

from typing import Any, Final

from msgspec.structs import replace

from apiserver.strategy import Strategy
from kube import names
from kube.api.resource_v1 import (
    DeviceClaim,
    DeviceClass,
    DeviceConstraint,
    DeviceRequest,
    DeviceSelector,
    DeviceSubRequest,
    DeviceToleration,
    ExactDeviceRequest,
    OpaqueDeviceConfiguration,
    ResourceClaim,
    ResourceClaimSpec,
    ResourceClaimTemplate,
)
from kube.errors import FieldError, duplicate, invalid, not_supported, required, too_many

from .checks import Errors, fits, named, one_of_if_set, unchanged
from .filling import each, within
from .generations import Generated, Ungenerated
from .volumes import driver_name_errors

MODES: Final = ("All", "ExactCount")
TAINT_EFFECTS: Final = ("NoExecute", "NoSchedule", "None")
_ONE_FORM: Final = "exactly one of `exactly` or `firstAvailable` is required"
_LIST_MAX: Final = 32
AnyRequest = ExactDeviceRequest | DeviceSubRequest


class DeviceClassStrategy(Generated[DeviceClass]):
    """DeviceClasses."""

    returns_deleted = True

    def validate(self, obj: DeviceClass) -> list[FieldError]:
        return list(_class_errors(obj))


def _class_errors(obj: DeviceClass) -> Errors:
    yield from _selectors_errors(obj.spec.selectors, "spec.selectors")
    for index, config in enumerate(obj.spec.config):
        yield from _opaque_errors(config.opaque, f"spec.config[{index}].opaque")
    if obj.spec.extended_resource_name is not None:
        yield from fits("spec.extendedResourceName", obj.spec.extended_resource_name, names.check_label_key)


class DeviceClaimStrategy(Ungenerated[ResourceClaim]):
    """ResourceClaims."""

    returns_deleted = True

    def default(self, obj: ResourceClaim) -> ResourceClaim:
        spec = _default_claim(obj.spec)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def validate(self, obj: ResourceClaim) -> list[FieldError]:
        return list(_claim_errors(obj.spec.devices, "spec.devices"))

    def validate_update(self, new: ResourceClaim, old: ResourceClaim) -> list[FieldError]:
        return list(unchanged("spec", new.spec, old.spec))


class ClaimTemplateStrategy(Strategy[ResourceClaimTemplate]):
    """ResourceClaimTemplates."""

    returns_deleted = True

    def default(self, obj: ResourceClaimTemplate) -> ResourceClaimTemplate:
        spec = _default_claim(obj.spec.spec)
        return obj if spec is obj.spec.spec else replace(obj, spec=replace(obj.spec, spec=spec))

    def validate(self, obj: ResourceClaimTemplate) -> list[FieldError]:
        return list(_claim_errors(obj.spec.spec.devices, "spec.spec.devices"))

    def validate_update(self, new: ResourceClaimTemplate, old: ResourceClaimTemplate) -> list[FieldError]:
        return list(unchanged("spec", new.spec, old.spec))


def _default_claim(spec: ResourceClaimSpec) -> ResourceClaimSpec:
    requests = each(spec.devices.requests, _default_request)
    if requests is spec.devices.requests:
        return spec
    return replace(spec, devices=replace(spec.devices, requests=requests))


def _default_request(request: DeviceRequest) -> DeviceRequest:
    return within(request, exactly=_default_asked, first_available=lambda asked: each(asked, _default_asked))


def _default_asked(asked: Any) -> Any:
    """Return a request that says how many devices it means: one, unless it says otherwise."""
    if not asked.allocation_mode:
        asked = replace(asked, allocation_mode="ExactCount")
    if asked.allocation_mode == "ExactCount" and not asked.count:
        asked = replace(asked, count=1)
    return within(asked, tolerations=lambda tolerations: each(tolerations, _default_toleration))


def _default_toleration(toleration: DeviceToleration) -> DeviceToleration:
    return toleration if toleration.operator else replace(toleration, operator="Equal")


def _claim_errors(claim: DeviceClaim, path: str) -> Errors:
    if len(claim.requests) > _LIST_MAX:
        yield too_many(f"{path}.requests", len(claim.requests), _LIST_MAX)
    seen: set[str] = set()
    for index, request in enumerate(claim.requests):
        here = f"{path}.requests[{index}]"
        if request.name and request.name in seen:
            yield duplicate(here, request.name)
        seen.add(request.name)
        yield from _request_errors(request, here)
    known = seen | {f"{main.name}/{sub.name}" for main in claim.requests for sub in main.first_available}
    for index, constraint in enumerate(claim.constraints):
        yield from _constraint_errors(constraint, known, f"{path}.constraints[{index}]")
    for index, config in enumerate(claim.config):
        yield from _named_requests_errors(config.requests, known, f"{path}.config[{index}].requests")
        yield from _opaque_errors(config.opaque, f"{path}.config[{index}].opaque")


def _request_errors(request: DeviceRequest, path: str) -> Errors:
    yield from fits(f"{path}.name", request.name, names.check_dns_label)
    if request.exactly is None and not request.first_available:
        yield required(path, _ONE_FORM)
    elif request.exactly is not None and request.first_available:
        yield invalid(path, None, f"{_ONE_FORM}, but multiple fields are set")
    if request.exactly is not None:
        yield from _asked_errors(request.exactly, f"{path}.exactly")
    seen: set[str] = set()
    for index, asked in enumerate(request.first_available):
        here = f"{path}.firstAvailable[{index}]"
        if asked.name and asked.name in seen:
            yield duplicate(here, asked.name)
        seen.add(asked.name)
        yield from fits(f"{here}.name", asked.name, names.check_dns_label)
        yield from _asked_errors(asked, here)


def _asked_errors(asked: AnyRequest, path: str) -> Errors:
    yield from named(f"{path}.deviceClassName", asked.device_class_name, names.check_dns_subdomain)
    yield from _selectors_errors(asked.selectors, f"{path}.selectors")
    if asked.allocation_mode == "ExactCount":
        if asked.count <= 0:
            yield invalid(f"{path}.count", asked.count, "must be greater than zero")
    elif asked.allocation_mode == "All":
        if asked.count != 0:
            detail = "must not be specified when allocationMode is 'All'"
            yield invalid(f"{path}.count", asked.count, detail)
    else:
        yield not_supported(f"{path}.allocationMode", asked.allocation_mode, MODES)
    for index, toleration in enumerate(asked.tolerations):
        yield from _toleration_errors(toleration, f"{path}.tolerations[{index}]")


def _toleration_errors(toleration: DeviceToleration, path: str) -> Errors:
    if toleration.key:
        yield from fits(f"{path}.key", toleration.key, names.check_label_key)
    if toleration.operator == "Equal":
        yield from fits(f"{path}.value", toleration.value, names.check_label_value)
    elif toleration.operator == "Exists":
        if toleration.value:
            yield invalid(f"{path}.value", toleration.value, "must be empty for operator `Exists`")
    else:
        yield not_supported(f"{path}.operator", toleration.operator, ("Equal", "Exists"))
    yield from one_of_if_set(f"{path}.effect", toleration.effect, TAINT_EFFECTS)


def _selectors_errors(selectors: tuple[DeviceSelector, ...], path: str) -> Errors:
    if len(selectors) > _LIST_MAX:
        yield too_many(path, len(selectors), _LIST_MAX)
    for index, selector in enumerate(selectors):
        if selector.cel is None:
            yield required(f"{path}[{index}].cel")
        elif not selector.cel.expression:
            yield required(f"{path}[{index}].cel.expression")


def _constraint_errors(constraint: DeviceConstraint, known: set[str], path: str) -> Errors:
    yield from _named_requests_errors(constraint.requests, known, f"{path}.requests")
    if constraint.match_attribute is None and constraint.distinct_attribute is None:
        yield required(path, 'exactly one of "matchAttribute" or "distinctAttribute" is required')
    if constraint.match_attribute is not None:
        here = f"{path}.matchAttribute"
        yield from named(here, constraint.match_attribute, names.check_label_key)
        if constraint.match_attribute and "/" not in constraint.match_attribute:
            yield invalid(here, constraint.match_attribute, "must include a domain")


def _named_requests_errors(requests: tuple[str, ...], known: set[str], path: str) -> Errors:
    for index, name in enumerate(requests):
        if name not in known:
            detail = "must be the name of a request in the claim or the name of a request and a subrequest"
            yield invalid(f"{path}[{index}]", name, f"{detail} separated by '/'")
        if name in requests[:index]:
            yield duplicate(f"{path}[{index}]", name)


def _opaque_errors(config: OpaqueDeviceConfiguration | None, path: str) -> Errors:
    if config is None:
        yield required(path)
        return
    yield from driver_name_errors(config.driver, f"{path}.driver")
    if config.parameters is None:
        yield required(f"{path}.parameters")
