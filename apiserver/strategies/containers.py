"""What must hold of the containers of a pod.

Source: kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1, the section on containers.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from kube import names
from kube.api.core_v1 import (
    Container,
    ContainerPort,
    ContainerResizePolicy,
    EphemeralContainer,
    HTTPGetAction,
    LifecycleHandler,
    PodSpec,
    Probe,
    TCPSocketAction,
    Volume,
    VolumeMount,
)
from kube.errors import duplicate, forbidden_field, invalid, missing_reference, not_supported, required, too_many

from .checks import (
    PROTOCOLS,
    Errors,
    fits,
    local_paths,
    named,
    named_if_set,
    not_negative,
    one_of,
    one_of_if_given,
    one_of_if_set,
    port_number,
    port_or_name,
)
from .environment import env_from_errors, variable_errors
from .resources import claims_errors, resource_errors
from .security import container_security_errors

PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES: Final = ("File", "FallbackToLogsOnError")
_RULES_MAX: Final = 20
_CODES_MAX: Final = 255
RESTARTS_ON_RESIZE: Final = ("NotRequired", "RestartContainer")
MOUNT_PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")
RECURSIVE_READ_ONLY: Final = ("Disabled", "Enabled", "IfPossible")
PROBES: Final = ("liveness_probe", "readiness_probe", "startup_probe")
_WIRE_NAME: Final = {
    "liveness_probe": "livenessProbe",
    "readiness_probe": "readinessProbe",
    "startup_probe": "startupProbe",
    "lifecycle": "lifecycle",
}
AnyContainer = Container | EphemeralContainer


def containers_errors(spec: PodSpec, volumes: Collection[str], path: str) -> Errors:
    """Check all containers of a pod: each by itself, and their names and host ports against one another.

    volumes: the names of those that they can mount.
    """
    claims = frozenset([claim.name for claim in spec.resource_claims])
    grace_s = spec.termination_grace_period_seconds
    if not spec.containers:
        yield required(f"{path}.containers")
    seen: set[str] = set()
    for field, group in (("initContainers", spec.init_containers), ("containers", spec.containers)):
        for index, container in enumerate(group):
            here = f"{path}.{field}[{index}]"
            if container.name in seen:
                yield duplicate(f"{here}.name", container.name)
            seen.add(container.name)
            yield from container_errors(container, volumes, here)
            yield from claims_errors(container.resources.claims, claims, f"{here}.resources.claims")
            yield from _restart_policy_errors(container, here)
            if field == "initContainers" and container.restart_policy != "Always":
                yield from _passing_errors(container, here)
            else:
                yield from _lasting_errors(container, grace_s, here)
            yield from _file_volume_errors(container, spec.volumes, here)
    yield from _host_port_errors(spec, path)


def _file_volume_errors(container: Container, volumes: tuple[Volume, ...], path: str) -> Errors:
    """Check that what is read from files into variables comes from a volume that containers of the pod can write."""
    for index, variable in enumerate(container.env):
        wanted = variable.value_from.file_key_ref if variable.value_from is not None else None
        if wanted is None:
            continue
        here = f"{path}.env[{index}].valueFrom.fileKeyRef.volumeName"
        found = next((volume for volume in volumes if volume.name == wanted.volume_name), None)
        if found is None:
            yield missing_reference(here, wanted.volume_name)
        elif found.empty_dir is None:
            yield invalid(here, wanted.volume_name, "referenced volume must be of type emptyDir")


def ephemeral_containers_errors(spec: PodSpec, path: str) -> Errors:
    """Check the containers for debugging as containers, whether they may be there or not."""
    volumes = frozenset([volume.name for volume in spec.volumes])
    for index, container in enumerate(spec.ephemeral_containers):
        yield from container_errors(container, volumes, f"{path}.ephemeralContainers[{index}]")


def container_errors(container: AnyContainer, volumes: Collection[str], path: str) -> Errors:
    """Check one container. volumes: the names of its pod's volumes."""
    yield from named(f"{path}.name", container.name, names.check_dns_label)
    if not container.image:
        yield required(f"{path}.image")
    elif container.image != container.image.strip():
        yield invalid(f"{path}.image", container.image, "must not have leading or trailing whitespace")
    yield from one_of(f"{path}.imagePullPolicy", container.image_pull_policy, PULL_POLICIES)
    yield from one_of(f"{path}.terminationMessagePolicy", container.termination_message_policy, MESSAGE_POLICIES)
    if container.ports:
        yield from ports_errors(container.ports, f"{path}.ports")
    for index, variable in enumerate(container.env):
        yield from variable_errors(variable, f"{path}.env[{index}]")
    for index, source in enumerate(container.env_from):
        yield from env_from_errors(source, f"{path}.envFrom[{index}]")
    if container.volume_mounts or container.volume_devices:
        yield from mounts_errors(container, volumes, path)
    yield from resource_errors(container.resources, f"{path}.resources")
    if container.resize_policy:
        yield from _resize_policy_errors(container.resize_policy, f"{path}.resizePolicy")
    if container.security_context is not None:
        yield from container_security_errors(container.security_context, f"{path}.securityContext")


def _lasting_errors(container: Container, grace_s: int | None, path: str) -> Errors:
    """Check what only containers have that are to go on. grace_s: how long the pod has to end."""
    for field in PROBES:
        probe = getattr(container, field)
        if probe is not None:
            yield from probe_errors(probe, f"{path}.{_WIRE_NAME[field]}", field)
    if container.lifecycle is None:
        return
    if container.lifecycle.post_start is not None:
        yield from handler_errors(container.lifecycle.post_start, grace_s, f"{path}.lifecycle.postStart")
    if container.lifecycle.pre_stop is not None:
        yield from handler_errors(container.lifecycle.pre_stop, grace_s, f"{path}.lifecycle.preStop")


def _resize_policy_errors(policies: tuple[ContainerResizePolicy, ...], path: str) -> Errors:
    """Check which resources can be changed in place, and whether the container is restarted for it."""
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        if policy.resource_name in seen:
            yield duplicate(f"{path}[{index}]", policy.resource_name)
        seen.add(policy.resource_name)
        yield from one_of(path, policy.resource_name, ("cpu", "memory"))
        yield from one_of(path, policy.restart_policy, RESTARTS_ON_RESIZE)


def _restart_rules_errors(container: Container, path: str) -> Errors:
    if container.restart_policy_rules and container.restart_policy is None:
        yield required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    if len(container.restart_policy_rules) > _RULES_MAX:
        yield too_many(f"{path}.restartPolicyRules", len(container.restart_policy_rules), _RULES_MAX)
    for index, rule in enumerate(container.restart_policy_rules):
        here = f"{path}.restartPolicyRules[{index}]"
        if rule.action not in ("Restart", "RestartAllContainers"):
            yield not_supported(f"{here}.action", rule.action, ("Restart", "RestartAllContainers"))
        if rule.exit_codes is None:
            yield required(f"{here}.exitCodes", "must be specified")
        elif rule.exit_codes.operator not in ("In", "NotIn"):
            yield not_supported(f"{here}.exitCodes.operator", rule.exit_codes.operator, ("In", "NotIn"))
        elif len(rule.exit_codes.values) > _CODES_MAX:
            yield too_many(f"{here}.exitCodes.values", len(rule.exit_codes.values), _CODES_MAX)


def _passing_errors(container: Container, path: str) -> Errors:
    """Check that an init container which runs to its end has nothing of those that go on."""
    for field, wire in _WIRE_NAME.items():
        if getattr(container, field) is not None:
            yield forbidden_field(f"{path}.{wire}", "may not be set for init containers without restartPolicy=Always")


def _restart_policy_errors(container: Container, path: str) -> Errors:
    yield from one_of_if_given(f"{path}.restartPolicy", container.restart_policy, ("Always", "Never", "OnFailure"))
    if container.restart_policy_rules:
        yield from _restart_rules_errors(container, path)


def _host_port_errors(spec: PodSpec, path: str) -> Errors:
    """Check that no two containers claim one port of the host; those of host network pods map to themselves."""
    taken: set[tuple[str, str, int]] = set()
    for index, container in enumerate(spec.containers):
        for place, port in enumerate(container.ports):
            if not port.host_port:
                continue
            here = f"{path}.containers[{index}].ports[{place}]"
            if spec.host_network and port.host_port != port.container_port:
                detail = "must match `containerPort` when `hostNetwork` is true"
                yield invalid(f"{here}.hostPort", port.host_port, detail)
            claim = (port.protocol, port.host_ip, port.host_port)
            if claim in taken:
                yield duplicate(f"{here}.hostPort", f"{port.protocol}/{port.host_ip}/{port.host_port}")
            taken.add(claim)


def ports_errors(ports: tuple[ContainerPort, ...], path: str) -> Errors:
    """Check the ports of one container."""
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here = f"{path}[{index}]"
        if port.name:
            yield from named_if_set(f"{here}.name", port.name, names.check_port_name)
            if port.name in seen:
                yield duplicate(f"{here}.name", port.name)
            seen.add(port.name)
        if port.container_port == 0:
            yield required(f"{here}.containerPort")
        else:
            yield from port_number(f"{here}.containerPort", port.container_port)
        if port.host_port:
            yield from port_number(f"{here}.hostPort", port.host_port)
        yield from one_of(f"{here}.protocol", port.protocol, PROTOCOLS)


def mounts_errors(container: AnyContainer, volumes: Collection[str], path: str) -> Errors:
    """Check where the volumes of the pod appear in a container."""
    paths: set[str] = set()
    for index, mount in enumerate(container.volume_mounts):
        here = f"{path}.volumeMounts[{index}]"
        if not mount.name:
            yield required(f"{here}.name")
        if mount.name not in volumes:
            yield missing_reference(f"{here}.name", mount.name)
        if not mount.mount_path:
            yield required(f"{here}.mountPath")
        if mount.mount_path in paths:
            yield invalid(f"{here}.mountPath", mount.mount_path, "must be unique")
        paths.add(mount.mount_path)
        yield from _mount_errors(mount, here)
        yield from _shared_mount_errors(mount, f"{path}.volumeMounts")
    yield from _devices_errors(container, paths, volumes, f"{path}.volumeDevices")


def _devices_errors(container: AnyContainer, mounted: Collection[str], volumes: Collection[str], path: str) -> Errors:
    """Check the raw devices of a container. mounted: the paths of its mounts. volumes: the names of its pod's."""
    seen: set[str] = set()
    for index, device in enumerate(container.volume_devices):
        here = f"{path}[{index}]"
        if not device.name:
            yield required(f"{here}.name")
        elif device.name in seen:
            yield invalid(f"{here}.name", device.name, "must be unique")
        if device.name not in volumes:
            yield missing_reference(f"{here}.name", device.name)
        if not device.device_path:
            yield required(f"{here}.devicePath")
        elif device.device_path in seen:
            yield invalid(f"{here}.devicePath", device.device_path, "must be unique")
        elif ".." in device.device_path.split("/"):
            yield invalid(f"{here}.devicePath", device.device_path, "can not contain backsteps ('..')")
        elif device.device_path in mounted:
            yield invalid(f"{here}.devicePath", device.device_path, "must not already exist in volumeMounts")
        seen.update((device.name, device.device_path))


def _mount_errors(mount: VolumeMount, path: str) -> Errors:
    if mount.sub_path and mount.sub_path_expr:
        yield invalid(f"{path}.subPathExpr", mount.sub_path_expr, "subPathExpr and subPath are mutually exclusive")
    for field, value in (("subPath", mount.sub_path), ("subPathExpr", mount.sub_path_expr)):
        if value:
            yield from local_paths(f"{path}.{field}", value)


def _shared_mount_errors(mount: VolumeMount, path: str) -> Errors:
    """Check what other mounts a mount shows, and shows itself to."""
    yield from one_of_if_given(f"{path}.mountPropagation", mount.mount_propagation, MOUNT_PROPAGATIONS)
    mode = mount.recursive_read_only
    yield from one_of_if_given(f"{path}.recursiveReadOnly", mode, RECURSIVE_READ_ONLY)
    if mode in ("IfPossible", "Enabled"):
        if not mount.read_only:
            yield forbidden_field(f"{path}.recursiveReadOnly", "may only be specified when readOnly is true")
        if mount.mount_propagation not in (None, "None"):
            detail = "may only be specified when mountPropagation is None or not specified"
            yield forbidden_field(f"{path}.recursiveReadOnly", detail)


def probe_errors(probe: Probe, path: str, field: str) -> Errors:
    """Check one probe. field: which of the three it is."""
    handlers = {"exec": probe.exec, "httpGet": probe.http_get, "tcpSocket": probe.tcp_socket, "grpc": probe.grpc}
    yield from _handlers_errors(handlers, path)
    for name, value in (
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ):
        if value < 0:
            yield from not_negative(f"{path}.{name}", value)
    if field != "readiness_probe" and probe.success_threshold != 1:
        yield invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1")
    grace_s = probe.termination_grace_period_seconds
    if grace_s is not None and (field == "readiness_probe" or grace_s <= 0):
        detail = "must not be set for readinessProbes" if field == "readiness_probe" else "must be greater than 0"
        yield invalid(f"{path}.terminationGracePeriodSeconds", grace_s, detail)


def handler_errors(handler: LifecycleHandler, grace_s: int | None, path: str) -> Errors:
    """Check what a lifecycle hook does, and that it can do so within the pod's grace."""
    handlers = {
        "exec": handler.exec,
        "httpGet": handler.http_get,
        "tcpSocket": handler.tcp_socket,
        "sleep": handler.sleep,
    }
    yield from _handlers_errors(handlers, path)
    if handler.sleep is not None and grace_s is not None and not 0 <= handler.sleep.seconds <= grace_s:
        detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
        yield invalid(f"{path}.sleep", handler.sleep.seconds, detail)


def _handlers_errors(handlers: Mapping[str, Any], path: str) -> Errors:
    found = [name for name, handler in handlers.items() if handler is not None]
    if not found:
        yield required(path, "must specify a handler type")
    for extra in found[1:]:
        yield forbidden_field(f"{path}.{extra}", "may not specify more than 1 handler type")
    for name in found[:1]:
        handler = handlers[name]
        if name == "exec" and not handler.command:
            yield required(f"{path}.exec.command")
        elif name == "httpGet":
            yield from _http_get_errors(handler, f"{path}.httpGet")
        elif name == "tcpSocket":
            yield from _tcp_errors(handler, f"{path}.tcpSocket")
        elif name == "grpc":
            yield from port_number(f"{path}.grpc.port", handler.port)


def _http_get_errors(action: HTTPGetAction, path: str) -> Errors:
    if not action.path:
        yield required(f"{path}.path")
    yield from port_or_name(f"{path}.port", action.port)
    yield from one_of_if_set(f"{path}.scheme", action.scheme, ("HTTP", "HTTPS"))
    for header in action.http_headers:
        yield from fits(f"{path}.httpHeaders", header.name, names.check_http_header_name)


def _tcp_errors(action: TCPSocketAction, path: str) -> Errors:
    yield from port_or_name(f"{path}.port", action.port)
