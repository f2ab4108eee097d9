"""The rules of APIServices: which group version is served by whom.

Those that this server serves itself are available from the start. It passes no requests on to other servers, so an
APIService that names one is refused: it would be told as there and answer nothing.
Source: kubernetes.io/docs/reference/kubernetes-api/cluster-resources/api-service-v1
"""

from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context
from kube import names
from kube.api.apiregistration_v1 import APIService, APIServiceCondition, APIServiceSpec, APIServiceStatus
from kube.errors import FieldError, forbidden_field, invalid, not_supported, required
from kube.times import to_time

from .checks import Errors, fits
from .filling import where_none
from .generations import Ungenerated
from .plain import WrittenWithCare

HTTPS_PORT: Final = 443
_GROUP_PRIORITY_MAX: Final = 20_000
_VERSION_PRIORITY_MAX: Final = 1_000
_CONDITION_STATUSES: Final = ("True", "False", "Unknown")


class APIServiceStrategy(WrittenWithCare[APIService], Ungenerated[APIService]):
    """APIServices: their names are what they serve."""

    def check_name(self, name: str) -> list[str]:
        return names.check_path_segment(name)

    def default(self, obj: APIService) -> APIService:
        if obj.spec.service is None:
            return obj
        service = where_none(obj.spec.service, port=HTTPS_PORT)
        return obj if service is obj.spec.service else replace(obj, spec=replace(obj.spec, service=service))

    def prepare_create(self, obj: APIService, context: Context) -> APIService:
        available = APIServiceCondition(
            type="Available",
            status="True",
            reason="Local",
            message="Local APIServices are always available",
            last_transition_time=to_time(context.now),
        )
        return replace(super().prepare_create(obj, context), status=APIServiceStatus(conditions=(available,)))

    def validate(self, obj: APIService) -> list[FieldError]:
        return list(_errors(obj.spec, obj.metadata.name))

    def validate_status_update(self, new: APIService, old: APIService) -> list[FieldError]:
        statuses = [condition.status for condition in new.status.conditions]
        return [
            not_supported(f"status.conditions[{index}].status", status, _CONDITION_STATUSES)
            for index, status in enumerate(statuses)
            if status not in _CONDITION_STATUSES
        ]


def _errors(spec: APIServiceSpec, name: str) -> Errors:
    wanted = f"{spec.version}.{spec.group}"
    if name != wanted:
        yield invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: {wanted!r}'.replace("'", '"'))
    if spec.group:
        yield from fits("spec.group", spec.group, names.check_dns_subdomain)
    elif spec.version != "v1":
        yield required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    yield from fits("spec.version", spec.version, names.check_dns_1035_label)
    if not 0 < spec.group_priority_minimum <= _GROUP_PRIORITY_MAX:
        detail = f"must be positive and less than {_GROUP_PRIORITY_MAX}"
        yield invalid("spec.groupPriorityMinimum", spec.group_priority_minimum, detail)
    if not 0 < spec.version_priority <= _VERSION_PRIORITY_MAX:
        detail = f"must be positive and less than {_VERSION_PRIORITY_MAX}"
        yield invalid("spec.versionPriority", spec.version_priority, detail)
    yield from _way_errors(spec)


def _way_errors(spec: APIServiceSpec) -> Errors:
    """Check how the server of a group is reached and known."""
    if spec.service is None:
        if spec.ca_bundle:
            yield invalid("spec.caBundle", f"{len(spec.ca_bundle)} bytes", "local APIServices may not have a caBundle")
        if spec.insecure_skip_tls_verify:
            detail = "local APIServices may not have insecureSkipTLSVerify"
            yield invalid("spec.insecureSkipTLSVerify", True, detail)
        return
    if not spec.service.namespace:
        yield required("spec.service.namespace")
    if not spec.service.name:
        yield required("spec.service.name")
    port = spec.service.port
    if port is not None and not 1 <= port <= 65535:
        yield invalid("spec.service.port", port, "port is not valid: must be between 1 and 65535, inclusive")
    if spec.insecure_skip_tls_verify and spec.ca_bundle:
        yield invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present")
    yield forbidden_field("spec.service", "this server passes no requests on to other API servers; leave it out")
