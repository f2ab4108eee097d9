"""What must hold of the amounts of resources that containers, quotas and nodes name.

Source: kubernetes.io/docs/concepts/configuration/manage-resources-containers
"""

from collections.abc import Mapping
from typing import Final

from kube import names
from kube.api.core_v1 import ResourceRequirements
from kube.errors import forbidden_field, invalid, required
from kube.quantity import Quantity

from .checks import Errors, named_if_set

NATIVE: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_HUGE_PAGES: Final = "hugepages-"
_ZERO: Final = Quantity("0")
_NO_CLAIM: Final = ResourceRequirements()


def resource_errors(resources: ResourceRequirements, path: str) -> Errors:
    """Check what a container asks for and may not exceed."""
    if resources == _NO_CLAIM:
        return
    yield from amounts_errors(resources.limits, f"{path}.limits")
    yield from amounts_errors(resources.requests, f"{path}.requests")
    for name, request in resources.requests.items():
        limit = resources.limits.get(name)
        if limit is None:
            if not _may_overcommit(name):
                yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        elif request > limit:
            detail = f"must be less than or equal to {name} limit of {limit}"
            yield invalid(f"{path}.requests", request.text, detail)
        elif request != limit and not _may_overcommit(name):
            yield invalid(f"{path}.requests", request.text, f"must be equal to {name} limit of {limit}")
    if _huge_without_native(resources):
        yield forbidden_field(path, "HugePages require cpu or memory")


def amounts_errors(amounts: Mapping[str, Quantity], path: str) -> Errors:
    """Check the names and amounts of a map of resources."""
    for name, amount in amounts.items():
        here = f"{path}[{name}]"
        yield from name_errors(name, here)
        if amount < _ZERO:
            yield invalid(here, amount.text, "must be greater than or equal to 0")
        elif name not in NATIVE and amount.value != amount.whole:
            yield invalid(here, amount.text, "must be an integer")


def name_errors(name: str, path: str) -> Errors:
    """Check that a name is one of a container's resources: native, or qualified by a domain."""
    yield from named_if_set(path, name, names.check_label_key)
    if "/" not in name and name not in NATIVE and not name.startswith(_HUGE_PAGES):
        yield invalid(path, name, "must be a standard resource type or fully qualified")
        yield invalid(path, name, "must be a standard resource for containers")


def _may_overcommit(name: str) -> bool:
    return name in NATIVE


def _huge_without_native(resources: ResourceRequirements) -> bool:
    asked = resources.limits.keys() | resources.requests.keys()
    return any(name.startswith(_HUGE_PAGES) for name in asked) and not asked & {"cpu", "memory"}
