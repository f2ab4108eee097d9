"""What must hold of the amounts of resources that containers, quotas and nodes name.

Source: kubernetes.io/docs/concepts/configuration/manage-resources-containers
"""

from collections.abc import Collection, Mapping
from typing import Final

from kube import names
from kube.api.core_v1 import PodSpec, ResourceClaim, ResourceRequirements
from kube.errors import duplicate, forbidden_field, invalid, missing_reference, not_supported, required
from kube.quantity import Quantity
from kube.requests import container_requests

from .checks import Errors, named_if_set

NATIVE: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_STANDARD: Final = frozenset(
    {
        *("configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets"),
        *("services", "services.loadbalancers", "services.nodeports", "storage"),
    }
)
"""What quotas count beside: names that are known, but no container's."""
_HUGE_PAGES: Final = "hugepages-"
_POD_LEVEL: Final = ("cpu", _HUGE_PAGES, "memory")
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
        elif request != limit and not _may_overcommit(name):
            yield invalid(f"{path}.requests", request.text, f"must be equal to {name} limit of {limit}")
        elif request > limit:
            detail = f"must be less than or equal to {name} limit of {limit}"
            yield invalid(f"{path}.requests", request.text, detail)
    if _huge_without_native(resources):
        yield forbidden_field(path, "HugePages require cpu or memory")


def is_pod_level(name: str) -> bool:
    """Say whether a pod as a whole can ask for a resource."""
    return name in ("cpu", "memory") or name.startswith(_HUGE_PAGES)


def pod_level_errors(spec: PodSpec, path: str) -> Errors:
    """Check what a pod as a whole asks for and may not exceed, also against what its containers do."""
    whole = spec.resources
    if whole is None:
        return
    if spec.os is not None and spec.os.name == "windows":
        yield forbidden_field(path, "may not be set for a windows pod")
        return
    if whole.claims:
        yield forbidden_field(f"{path}.claims", "claims may not be set for Resources at pod-level")
        yield from claims_errors(whole.claims, {claim.name for claim in spec.resource_claims}, f"{path}.claims")
    for field, amounts in (("limits", whole.limits), ("requests", whole.requests)):
        for name in amounts:
            if not is_pod_level(name):
                yield not_supported(f"{path}.{field}[{name}]", name, _POD_LEVEL)
    yield from resource_errors(whole, path)
    for name, together in container_requests(spec).items():
        if name in whole.requests and together > whole.requests[name]:
            detail = f"must be greater than or equal to aggregate container requests of {together}"
            yield invalid(f"{path}.requests[{name}]", whole.requests[name].text, detail)
    for index, container in enumerate(spec.containers):
        for name, limit in container.resources.limits.items():
            if name in whole.limits and limit > whole.limits[name]:
                detail = f"must be less than or equal to pod limits of {whole.limits[name]}"
                yield invalid(f"{path}.containers[{index}][{name}].limits", limit.text, detail)


def amounts_errors(amounts: Mapping[str, Quantity], path: str) -> Errors:
    """Check the names and amounts of a map of resources."""
    for name, amount in amounts.items():
        here = f"{path}[{name}]"
        yield from name_errors(name, here)
        if amount < _ZERO:
            yield invalid(here, amount.text, "must be greater than or equal to 0")
        elif ("/" in name or name in _STANDARD - {"storage"}) and amount.value != amount.whole:
            yield invalid(here, amount.text, "must be an integer")
        if name.startswith(_HUGE_PAGES) and not _is_whole_pages(name, amount):
            yield invalid(here, amount.text, f"{amount.text} is not positive integer multiple of {name}")


def _is_whole_pages(name: str, amount: Quantity) -> bool:
    """Say whether an amount is so many pages of the size that stands in the name."""
    try:
        size = Quantity(name.removeprefix(_HUGE_PAGES)).whole
    except ValueError:
        return False
    return size > 0 and amount.whole % size == 0


def claims_errors(claims: tuple[ResourceClaim, ...], known: Collection[str], path: str) -> Errors:
    """Check which of its pod's claims a container uses. known: the names of those."""
    seen: set[tuple[str, str]] = set()
    used: set[str] = set()
    for index, claim in enumerate(claims):
        here = f"{path}[{index}]"
        if not claim.name:
            yield required(here)
            continue
        key = (claim.name, claim.request)
        if key in seen or (claim.name, "") in seen or (not claim.request and claim.name in used):
            yield duplicate(here, "/".join(part for part in key if part))
        yield from named_if_set(f"{here}.request", claim.request, names.check_dns_label)
        seen.add(key)
        used.add(claim.name)
        if claim.name not in known:
            told = f": {', '.join(sorted(known))}" if known else " which is empty"
            yield missing_reference(here, claim.name, f"must be one of the names in pod.spec.resourceClaims{told}")


def name_errors(name: str, path: str) -> Errors:
    """Check that a name is one of a container's resources: native, or qualified by a domain."""
    wrong = list(named_if_set(path, name, names.check_label_key))
    yield from wrong
    if "/" not in name and name not in NATIVE and not name.startswith(_HUGE_PAGES):
        if not wrong and name not in _STANDARD:
            yield invalid(path, name, "must be a standard resource type or fully qualified")
        yield invalid(path, name, "must be a standard resource for containers")


def is_standard(name: str) -> bool:
    """Say whether a name is one of Kubernetes' own resources, a container's or what quotas count beside."""
    bare = name.removeprefix("requests.").removeprefix("limits.")
    return bare in NATIVE or bare in _STANDARD or bare.startswith(_HUGE_PAGES)


def _may_overcommit(name: str) -> bool:
    """Say whether more may be asked for than there is: of everything but huge pages and what a domain names."""
    return "/" not in name and not name.startswith(_HUGE_PAGES)


def _huge_without_native(resources: ResourceRequirements) -> bool:
    asked = resources.limits.keys() | resources.requests.keys()
    return any(name.startswith(_HUGE_PAGES) for name in asked) and not asked & {"cpu", "memory"}
