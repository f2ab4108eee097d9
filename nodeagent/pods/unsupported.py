"""What a pod asks for that this node can't give: said before anything of it is made; nothing is left out unseen.

Plain functions. The reasons are Kubernetes' own where it has one.
Source: kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster; the kubelet's admission of pods.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from kube.api.core_v1 import Pod
from nodeagent.pods.containers import all_containers

SAFE_SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
UNSUPPORTED: Final = "PodFeatureUnsupported"


def unsupported(
    pod: Pod, allowed_sysctls: Sequence[str] = (), *, has_app_armor: bool = False
) -> tuple[str, str] | None:
    """Return the first thing that can't be, as (reason, message); None where all can.

    allowed_sysctls: unsafe ones that the node allows all the same, each a name or a prefix that ends with `*`.
    """
    return next(_objections(pod, allowed_sysctls, has_app_armor), None)


def _objections(pod: Pod, allowed_sysctls: Sequence[str], has_app_armor: bool) -> Iterator[tuple[str, str]]:
    spec = pod.spec
    if spec.os is not None and spec.os.name not in ("", "linux"):
        yield "PodOSNotSupported", f"Failed to admit pod as the OS field {spec.os.name} doesn't match node OS linux"
    for name in _unsafe_sysctls(pod, allowed_sysctls):
        yield (
            "SysctlForbidden",
            f'forbidden sysctl: "{name}" not allowlisted; the node\'s --allowed-unsafe-sysctls does',
        )
    if _wants_app_armor(pod) and not has_app_armor:
        yield "AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host; use Unconfined or none"
    if spec.resource_claims:
        yield UNSUPPORTED, "spec.resourceClaims: this node prepares no dynamic resources; ask for plain resources"


def _unsafe_sysctls(pod: Pod, allowed: Sequence[str]) -> Iterator[str]:
    context = pod.spec.security_context
    for sysctl in context.sysctls if context is not None else ():
        name = sysctl.name.replace("/", ".")
        if name in SAFE_SYSCTLS or name in allowed:
            continue
        if not any(pattern.endswith("*") and name.startswith(pattern[:-1]) for pattern in allowed):
            yield sysctl.name


def _wants_app_armor(pod: Pod) -> bool:
    contexts = [pod.spec.security_context, *(container.security_context for container in all_containers(pod))]
    profiles = [context.app_armor_profile for context in contexts if context is not None]
    return any(profile is not None and profile.type != "Unconfined" for profile in profiles)
