"""What must hold of a container's environment, and of what it asks to know of its pod.

Source: kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container; .../downward-api
"""

from collections.abc import Collection
from typing import Any, Final

from kube import names
from kube.api.core_v1 import (
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    FileKeySelector,
    ObjectFieldSelector,
    ResourceFieldSelector,
)
from kube.errors import invalid, not_supported, required
from kube.quantity import Quantity

from .checks import Errors, fits, named, named_if_set

POD_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_RESOURCE_FIELDS: Final = tuple(
    f"{kind}.{resource}" for kind in ("limits", "requests") for resource in ("cpu", "memory", "ephemeral-storage")
)
_KNOWN_FIELDS: Final = frozenset(
    {
        *POD_FIELDS,
        "metadata.annotations",
        "metadata.labels",
        "spec.restartPolicy",
        "spec.schedulerName",
        "status.phase",
    }
)
_CPU_UNITS: Final = ("0", "1m", "1")
_SIZE_UNITS: Final = ("0", "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_UNITS_TOLD: Final = {_CPU_UNITS: "1m and 1", _SIZE_UNITS: "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei"}


def variable_errors(variable: EnvVar, path: str) -> Errors:
    """Check one environment variable."""
    yield from named(f"{path}.name", variable.name, names.check_env_name)
    if variable.value_from is not None:
        yield from _value_source_errors(variable, variable.value_from, f"{path}.valueFrom")


def _value_source_errors(variable: EnvVar, source: EnvVarSource, path: str) -> Errors:
    found = [name for name in source.__struct_fields__ if getattr(source, name) is not None]
    if not found:
        yield invalid(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        )
    elif variable.value:
        yield invalid(path, "", "may not be specified when `value` is not empty")
    if len(found) > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")
    if source.field_ref is not None:
        yield from field_errors(source.field_ref, f"{path}.fieldRef")
    if source.resource_field_ref is not None:
        yield from resource_field_errors(source.resource_field_ref, f"{path}.resourceFieldRef")
    if source.config_map_key_ref is not None:
        yield from _key_errors(source.config_map_key_ref, f"{path}.configMapKeyRef")
    if source.secret_key_ref is not None:
        yield from _key_errors(source.secret_key_ref, f"{path}.secretKeyRef")
    if source.file_key_ref is not None:
        yield from _file_key_errors(source.file_key_ref, f"{path}.fileKeyRef")


def _key_errors(selector: Any, path: str) -> Errors:
    yield from fits(f"{path}.name", selector.name, names.check_dns_subdomain)
    yield from named(f"{path}.key", selector.key, names.check_config_map_key)


def _file_key_errors(selector: FileKeySelector, path: str) -> Errors:
    yield from named(f"{path}.key", selector.key, names.check_env_name)
    yield from named(f"{path}.volumeName", selector.volume_name, names.check_dns_label)
    if not selector.path:
        yield required(f"{path}.path")
    elif ".." in selector.path.split("/"):
        yield invalid(f"{path}.path", selector.path, "must not contain '..'")


def field_errors(reference: ObjectFieldSelector, path: str, allowed: Collection[str] = POD_FIELDS) -> Errors:
    """Check which of its pod's fields a container asks to know."""
    field = reference.field_path
    here = f"{path}.fieldPath"
    if not reference.api_version:
        yield required(f"{path}.apiVersion")
    elif not field:
        yield required(here)
    elif reference.api_version != "v1":
        yield invalid(here, field, f"error converting fieldPath: unsupported pod version: {reference.api_version}")
    elif field.startswith(("metadata.labels['", "metadata.annotations['")) and field.endswith("']"):
        yield from fits(here, field.partition("['")[2][:-2].lower(), names.check_label_key)
    elif field not in _KNOWN_FIELDS:
        yield invalid(here, field, f"error converting fieldPath: field label not supported: {field}")
    elif field not in allowed:
        yield not_supported(here, field, allowed)


def resource_field_errors(reference: ResourceFieldSelector, path: str, *, needs_container: bool = False) -> Errors:
    """Check which amount a container asks to know, and in which unit."""
    resource = reference.resource
    if needs_container and not reference.container_name:
        yield required(f"{path}.containerName")
    elif not resource:
        yield required(f"{path}.resource")
    elif resource not in _RESOURCE_FIELDS and ".hugepages-" not in resource:
        yield not_supported(f"{path}.resource", resource, sorted(_RESOURCE_FIELDS))
    else:
        yield from _divisor_errors(resource, reference.divisor, f"{path}.divisor")


def _divisor_errors(resource: str, divisor: Quantity | None, path: str) -> Errors:
    known = _CPU_UNITS if resource.endswith(".cpu") else _SIZE_UNITS
    if divisor is not None and divisor.text not in known:
        what = resource.partition(".")[2]
        yield invalid(
            path, resource, f"only divisor's values {_UNITS_TOLD[known]} are supported with the {what} resource"
        )


def env_from_errors(source: EnvFromSource, path: str) -> Errors:
    """Check one import of a whole config map or secret."""
    if source.prefix:
        yield from named_if_set(f"{path}.prefix", source.prefix, names.check_env_name)
    whole = path.rpartition("[")[0]
    if source.config_map_ref is None and source.secret_ref is None:
        yield invalid(whole, "", "must specify one of: `configMapRef` or `secretRef`")
    elif source.config_map_ref is not None and source.secret_ref is not None:
        yield invalid(whole, "", "may not have more than one field specified at a time")
    for field, reference in (("configMapRef", source.config_map_ref), ("secretRef", source.secret_ref)):
        if reference is not None:
            yield from named(f"{path}.{field}.name", reference.name, names.check_dns_subdomain)
