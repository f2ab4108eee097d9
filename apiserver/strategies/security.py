"""What must hold of the security settings of pods and containers.

Source: kubernetes.io/docs/tasks/configure-pod-container/security-context
"""

import re
from typing import Final

from kube.api.core_v1 import PodSecurityContext, PodSpec, SeccompProfile, SecurityContext
from kube.errors import duplicate, forbidden_field, invalid, required

from .checks import INT32_MAX, Errors, local_paths, one_of, one_of_if_set

_ID_RANGE: Final = f"must be between 0 and {INT32_MAX}, inclusive"
_SYSCTL: Final = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_PROFILES: Final = ("Localhost", "RuntimeDefault", "Unconfined")


def pod_security_errors(spec: PodSpec, path: str) -> Errors:
    """Check the security settings of a whole pod, those beside `securityContext` included."""
    context = spec.security_context
    if spec.share_process_namespace and spec.host_pid:
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{path}.shareProcessNamespace", True, detail)
    if spec.host_users is False and (spec.host_network or spec.host_pid or spec.host_ipc):
        yield forbidden_field(f"{path}.hostUsers", "when hostUsers is false, host namespaces are not allowed")
    if context is not None and context != _UNSET:
        yield from _context_errors(context, f"{path}.securityContext")


_UNSET: Final = PodSecurityContext()


def _context_errors(context: PodSecurityContext, path: str) -> Errors:
    for field, value in (
        ("runAsUser", context.run_as_user),
        ("runAsGroup", context.run_as_group),
        ("fsGroup", context.fs_group),
        *((f"supplementalGroups[{index}]", group) for index, group in enumerate(context.supplemental_groups)),
    ):
        yield from _id_errors(value, f"{path}.{field}")
    yield from one_of_if_set(
        f"{path}.fsGroupChangePolicy", context.fs_group_change_policy, ("Always", "OnRootMismatch")
    )
    yield from one_of_if_set(
        f"{path}.supplementalGroupsPolicy", context.supplemental_groups_policy, ("Merge", "Strict")
    )
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


def container_security_errors(context: SecurityContext, path: str) -> Errors:
    """Check the security settings of one container."""
    yield from _id_errors(context.run_as_user, f"{path}.runAsUser")
    yield from _id_errors(context.run_as_group, f"{path}.runAsGroup")
    yield from one_of_if_set(f"{path}.procMount", context.proc_mount, ("Default", "Unmasked"))
    if context.seccomp_profile is not None:
        yield from _seccomp_errors(context.seccomp_profile, f"{path}.seccompProfile")
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
    if profile.type == "Localhost":
        if not profile.localhost_profile:
            yield required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")
        else:
            yield from local_paths(f"{path}.localhostProfile", profile.localhost_profile)
    elif profile.localhost_profile:
        yield invalid(
            f"{path}.localhostProfile", profile.localhost_profile, "can only be set when seccomp type is Localhost"
        )
