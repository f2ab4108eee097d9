"""What must hold of the security settings of pods and containers.

Source: kubernetes.io/docs/tasks/configure-pod-container/security-context
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from kube.api.core_v1 import (
    AppArmorProfile,
    Container,
    EphemeralContainer,
    PodSecurityContext,
    PodSpec,
    SeccompProfile,
    SecurityContext,
)
from kube.errors import duplicate, forbidden_field, invalid, not_supported, required, too_long

from .checks import INT32_MAX, Errors, local_paths, one_of, one_of_if_given

_ID_RANGE: Final = f"must be between 0 and {INT32_MAX}, inclusive"
_SYSCTL: Final = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_PROFILES: Final = ("Localhost", "RuntimeDefault", "Unconfined")
_SE_LINUX_CHANGES: Final = ("Recursive",)
_APP_ARMOR_MAX: Final = 4095


def pod_security_errors(spec: PodSpec, path: str) -> Errors:
    """Check the security settings of a whole pod, those beside `securityContext` included."""
    context = spec.security_context
    if spec.share_process_namespace and spec.host_pid:
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{path}.securityContext.shareProcessNamespace", True, detail)
    yield from _own_users_errors(spec, path) if spec.host_users is False else _host_users_errors(spec, path)
    if context is not None and context != _UNSET:
        yield from _context_errors(context, f"{path}.securityContext")
        yield from _host_sysctl_errors(spec, context, f"{path}.securityContext.sysctls")


_UNSET: Final = PodSecurityContext()


def _own_users_errors(spec: PodSpec, path: str) -> Errors:
    """Check that a pod with users of its own shares nothing that belongs to the node's."""
    detail = "when `hostUsers` is false"
    shared = (("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc))
    for field, is_shared in shared:
        if is_shared:
            yield forbidden_field(f"{path}.{field}", detail)
    for here, container in _all_containers(spec, path):
        if container.volume_devices:
            yield forbidden_field(f"{here}.volumeDevices", detail)


def _host_users_errors(spec: PodSpec, path: str) -> Errors:
    """Check that a pod with the node's users sees no more of /proc than is good for the node."""
    for here, container in _all_containers(spec, path):
        if container.security_context is not None and container.security_context.proc_mount == "Unmasked":
            detail = "`hostUsers` must be false to use `Unmasked`"
            yield invalid(f"{here}.securityContext.procMount", "Unmasked", detail)


def _all_containers(spec: PodSpec, path: str) -> Iterator[tuple[str, Container | EphemeralContainer]]:
    groups: tuple[tuple[str, Sequence[Container | EphemeralContainer]], ...] = (
        ("initContainers", spec.init_containers),
        ("containers", spec.containers),
        ("ephemeralContainers", spec.ephemeral_containers),
    )
    for field, group in groups:
        for index, container in enumerate(group):
            yield f"{path}.{field}[{index}]", container


def _context_errors(context: PodSecurityContext, path: str) -> Errors:
    for field, value in (
        ("runAsUser", context.run_as_user),
        ("runAsGroup", context.run_as_group),
        ("fsGroup", context.fs_group),
        *((f"supplementalGroups[{index}]", group) for index, group in enumerate(context.supplemental_groups)),
    ):
        yield from _id_errors(value, f"{path}.{field}")
    yield from one_of_if_given(
        f"{path}.fsGroupChangePolicy", context.fs_group_change_policy, ("Always", "OnRootMismatch")
    )
    yield from one_of_if_given(
        f"{path}.supplementalGroupsPolicy", context.supplemental_groups_policy, ("Merge", "Strict")
    )
    yield from one_of_if_given(f"{path}.seLinuxChangePolicy", context.se_linux_change_policy, _SE_LINUX_CHANGES)
    if context.app_armor_profile is not None:
        yield from _app_armor_errors(context.app_armor_profile, f"{path}.appArmorProfile")
    if context.seccomp_profile is not None:
        yield from _seccomp_errors(context.seccomp_profile, f"{path}.seccompProfile")
    seen: set[str] = set()
    for index, sysctl in enumerate(context.sysctls):
        here = f"{path}.sysctls[{index}].name"
        if not sysctl.name:
            yield required(here)
        elif not _SYSCTL.fullmatch(sysctl.name) or len(sysctl.name) > 253:
            yield invalid(here, sysctl.name, f"must have at most 253 characters and match regex ^{_SYSCTL.pattern}$")
        elif sysctl.name in seen:
            yield duplicate(here, sysctl.name)
        seen.add(sysctl.name)


def _host_sysctl_errors(spec: PodSpec, context: PodSecurityContext, path: str) -> Errors:
    """Check that a pod sets nothing of the kernel for the whole node."""
    for index, sysctl in enumerate(context.sysctls):
        name = sysctl.name.replace("/", ".")
        for field, is_host, prefixes in (
            ("hostNetwork", spec.host_network, ("net.",)),
            ("hostIPC", spec.host_ipc, ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")),
        ):
            if is_host and name.startswith(prefixes):
                yield invalid(f"{path}[{index}].name", sysctl.name, f"may not be specified when '{field}' is true")


def container_security_errors(context: SecurityContext, path: str) -> Errors:
    """Check the security settings of one container."""
    yield from _id_errors(context.run_as_user, f"{path}.runAsUser")
    yield from _id_errors(context.run_as_group, f"{path}.runAsGroup")
    yield from one_of_if_given(f"{path}.procMount", context.proc_mount, ("Default", "Unmasked"))
    if context.seccomp_profile is not None:
        yield from _seccomp_errors(context.seccomp_profile, f"{path}.seccompProfile")
    if context.app_armor_profile is not None:
        yield from _app_armor_errors(context.app_armor_profile, f"{path}.appArmorProfile")
    if context.allow_privilege_escalation is False:
        if context.privileged:
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield invalid(path, context, detail)
        if context.capabilities is not None and {"CAP_SYS_ADMIN", "SYS_ADMIN"} & set(context.capabilities.add):
            detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield invalid(path, context, detail)


def _id_errors(value: int | None, path: str) -> Errors:
    if value is not None and not 0 <= value <= INT32_MAX:
        yield invalid(path, value, _ID_RANGE)


def _seccomp_errors(profile: SeccompProfile, path: str) -> Errors:
    yield from one_of(f"{path}.type", profile.type, _PROFILES)
    local = profile.localhost_profile
    if profile.type == "Localhost":
        if local is None:
            yield required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")
        else:
            yield from local_paths(f"{path}.localhostProfile", local)
    elif local is not None:
        yield invalid(f"{path}.localhostProfile", profile, "can only be set when seccomp type is Localhost")


def _app_armor_errors(profile: AppArmorProfile, path: str) -> Errors:
    local = profile.localhost_profile
    here = f"{path}.localhostProfile"
    if not profile.type:
        yield required(f"{path}.type", "type is required when appArmorProfile is set")
    elif profile.type not in _PROFILES:
        yield not_supported(f"{path}.type", profile.type, _PROFILES)
    if profile.type == "Localhost":
        if not (local or "").strip():
            yield required(here, "must be set when AppArmor type is Localhost")
        elif local is not None and local != local.strip():
            yield invalid(here, local, "must not be padded with whitespace")
        elif local is not None and len(local) > _APP_ARMOR_MAX:
            yield too_long(here, _APP_ARMOR_MAX)
    elif profile.type in _PROFILES and local is not None:
        yield invalid(here, local, "can only be set when AppArmor type is Localhost")
