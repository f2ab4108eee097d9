"""Translate a pod into what the runtime is asked for: PodSandboxConfig and ContainerConfig of CRI v1.

Plain functions. Every sandbox and container carries the labels by which it is found again.
Source: CRI v1; kubernetes.io/docs/tasks/configure-pod-container/security-context.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kube.api.core_v1 import Container, Pod, SeccompProfile
from kube.codec import encode
from nodeagent.cri import values
from nodeagent.cri.values import ImageRecord
from nodeagent.pods.containers import all_containers, stop_signal_of
from nodeagent.pods.environment import ConfigError, expand
from nodeagent.pods.plan import DEFAULT_GRACE_S
from nodeagent.pods.resolver import DnsSettings, sysctls_of
from nodeagent.pods.resources import CPU_PERIOD_US, KernelLimits, pod_limits
from nodeagent.pods.security_modules import app_armor, se_linux
from nodeagent.pods.spec_hash import spec_hash
from nodeagent.pods.user_ranges import IdRange
from proto import cri_v1

MASKED_PATHS: Final = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_PROPAGATION: Final = {"HostToContainer": "PROPAGATION_HOST_TO_CONTAINER", "Bidirectional": "PROPAGATION_BIDIRECTIONAL"}


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or directory of the node, or an image, inside a container; is_relabelled: it may take SELinux's label."""

    container_path: str
    host_path: str = ""
    is_readonly: bool = False
    is_recursive: bool = False
    propagation: str = ""
    image: str = ""
    image_sub_path: str = ""
    is_relabelled: bool = False


@dataclass(frozen=True, slots=True)
class ContainerWish:
    """What a container's configuration is made of beyond its spec.

    image: as the runtime has it. target_id: the container whose processes it shares. users: the pod's own, if any.
    """

    image: ImageRecord
    restart_count: int
    environment: Mapping[str, str]
    mounts: Sequence[Mount]
    limits: KernelLimits
    message_file: str = ""
    default_seccomp: str = "RuntimeDefault"
    target_id: str = ""
    users: IdRange | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


def sandbox_config(
    pod: Pod,
    attempt: int,
    *,
    hostname: str,
    log_directory: str,
    dns: DnsSettings,
    cgroup_parent: str,
    users: IdRange | None = None,
) -> cri_v1.PodSandboxConfig:
    """Return what a pod's sandbox is to be. users: the pod's own, None where it has the node's."""
    meta, spec = pod.metadata, pod.spec
    context = spec.security_context
    security = cri_v1.LinuxSandboxSecurityContext(
        namespace_options=_namespaces(pod, users),
        privileged=any(_is_privileged(c) for c in all_containers(pod)),
        seccomp=_profile(context.seccomp_profile if context else None, "RuntimeDefault"),
        supplemental_groups=_groups(pod),
        selinux_options=se_linux(None, context),
    )
    return cri_v1.PodSandboxConfig(
        metadata=cri_v1.PodSandboxMetadata(name=meta.name, uid=meta.uid, namespace=meta.namespace, attempt=attempt),
        hostname="" if spec.host_network else hostname,
        log_directory=log_directory,
        dns_config=cri_v1.DNSConfig(servers=dns.servers, searches=dns.searches, options=dns.options),
        port_mappings=_port_mappings(pod),
        labels={**meta.labels, **pod_labels(pod)},
        annotations={**meta.annotations, values.GRACE_PERIOD: str(_grace_s(pod)), **_told_resources(pod)},
        linux=cri_v1.LinuxPodSandboxConfig(
            cgroup_parent=cgroup_parent,
            security_context=security,
            sysctls=dict(sysctls_of(pod)),
            resources=linux_resources(pod_limits(pod)),
        ),
    )


def _told_resources(pod: Pod) -> dict[str, str]:
    return {values.RESOURCES: encode(pod.spec.resources).decode()} if pod.spec.resources is not None else {}


def pod_labels(pod: Pod) -> dict[str, str]:
    """Return the labels by which the runtime's objects tell whose they are."""
    meta = pod.metadata
    return {values.POD_NAME: meta.name, values.POD_NAMESPACE: meta.namespace, values.POD_UID: meta.uid}


def _grace_s(pod: Pod) -> int:
    asked = pod.spec.termination_grace_period_seconds
    return DEFAULT_GRACE_S if asked is None else asked


def _namespaces(pod: Pod, users: IdRange | None) -> cri_v1.NamespaceOption:
    spec = pod.spec
    ids = _mapping(users)
    return cri_v1.NamespaceOption(
        network="NODE" if spec.host_network else "POD",
        pid="NODE" if spec.host_pid else "POD" if spec.share_process_namespace else "CONTAINER",
        ipc="NODE" if spec.host_ipc else "POD",
        userns_options=cri_v1.UserNamespace(mode="POD" if ids else "NODE", uids=ids, gids=ids),
    )


def _mapping(users: IdRange | None) -> list[cri_v1.IDMapping]:
    return [] if users is None else [cri_v1.IDMapping(host_id=users.first, container_id=0, length=users.length)]


def _port_mappings(pod: Pod) -> list[cri_v1.PortMapping]:
    return [
        cri_v1.PortMapping(
            protocol=port.protocol or "TCP",
            container_port=port.container_port,
            host_port=port.host_port,
            host_ip=port.host_ip,
        )
        for container in (*pod.spec.init_containers, *pod.spec.containers)
        for port in container.ports
        if port.host_port and not pod.spec.host_network
    ]


def container_config(pod: Pod, container: Container, wish: ContainerWish) -> cri_v1.ContainerConfig:
    """Return what a container is to be. Raises ConfigError for what its security context forbids."""
    known = wish.environment
    return cri_v1.ContainerConfig(
        metadata=cri_v1.ContainerMetadata(name=container.name, attempt=wish.restart_count),
        image=cri_v1.ImageSpec(image=wish.image.id, user_specified_image=container.image),
        command=[expand(word, known) for word in container.command],
        args=[expand(word, known) for word in container.args],
        working_dir=container.working_dir,
        envs=[cri_v1.KeyValue(key=k, value=v.encode(errors="surrogateescape")) for k, v in known.items()],
        mounts=[_mount(mount, wish.users) for mount in wish.mounts],
        labels={**pod_labels(pod), values.CONTAINER_NAME: container.name},
        annotations={
            values.RESTART_COUNT: str(wish.restart_count),
            values.SPEC_HASH: spec_hash(container),
            values.RESOURCES: encode(container.resources).decode(),
            values.MESSAGE_PATH: container.termination_message_path,
            values.MESSAGE_POLICY: container.termination_message_policy,
            values.MESSAGE_FILE: wish.message_file,
            values.GRACE_PERIOD: str(_grace_s(pod)),
            **wish.annotations,
        },
        log_path=f"{container.name}/{wish.restart_count}.log",
        stdin=container.stdin,
        stdin_once=container.stdin_once,
        tty=container.tty,
        linux=cri_v1.LinuxContainerConfig(
            resources=linux_resources(wish.limits), security_context=_security_of(pod, container, wish)
        ),
        stop_signal=stop_signal_of(container),
    )


def linux_resources(limits: KernelLimits) -> cri_v1.LinuxContainerResources:
    """Return a container's limits as the runtime takes them."""
    return cri_v1.LinuxContainerResources(
        cpu_shares=limits.cpu_shares,
        cpu_period=CPU_PERIOD_US if limits.cpu_quota_us else 0,
        cpu_quota=limits.cpu_quota_us,
        memory_limit_in_bytes=limits.memory_bytes,
        oom_score_adj=limits.oom_score_adj,
        hugepage_limits=[cri_v1.HugepageLimit(page_size=k, limit=v) for k, v in limits.huge_pages.items()],
    )


def _security_of(pod: Pod, container: Container, wish: ContainerWish) -> cri_v1.LinuxContainerSecurityContext:
    made = security_context(pod, container, wish.image, wish.default_seccomp, wish.users)
    if wish.target_id:
        made.namespace_options.pid = cri_v1.TARGET
        made.namespace_options.target_id = wish.target_id
    return made


def _mount(mount: Mount, users: IdRange | None) -> cri_v1.Mount:
    return cri_v1.Mount(
        container_path=mount.container_path,
        host_path=mount.host_path,
        readonly=mount.is_readonly,
        recursive_read_only=mount.is_recursive,
        propagation=_PROPAGATION.get(mount.propagation),
        image=cri_v1.ImageSpec(image=mount.image) if mount.image else None,
        image_sub_path=mount.image_sub_path,
        selinux_relabel=mount.is_relabelled,
        uidMappings=_mapping(users),
        gidMappings=_mapping(users),
    )


def _is_privileged(container: Container) -> bool:
    return container.security_context is not None and bool(container.security_context.privileged)


def _groups(pod: Pod) -> list[int]:
    context = pod.spec.security_context
    if context is None:
        return []
    return [*context.supplemental_groups, *([context.fs_group] if context.fs_group is not None else [])]


def _profile(asked: SeccompProfile | None, default: str) -> cri_v1.SecurityProfile:
    kind = asked.type if asked is not None else default
    reference = asked.localhost_profile or "" if asked is not None else ""
    return cri_v1.SecurityProfile(profile_type=kind, localhost_ref=reference)


def security_context(
    pod: Pod, container: Container, image: ImageRecord, default_seccomp: str, users: IdRange | None = None
) -> cri_v1.LinuxContainerSecurityContext:
    """Return who a container runs as and what it may; a container's word goes over its pod's."""
    own, shared = container.security_context, pod.spec.security_context
    user = _first(own.run_as_user if own else None, shared.run_as_user if shared else None)
    group = _first(own.run_as_group if own else None, shared.run_as_group if shared else None)
    non_root = own.run_as_non_root if own is not None and own.run_as_non_root is not None else None
    if non_root is None and shared is not None:
        non_root = shared.run_as_non_root
    if non_root:
        _refuse_root(container, user, image)
    privileged = _is_privileged(container)
    seccomp = (own.seccomp_profile if own else None) or (shared.seccomp_profile if shared else None)
    capabilities = own.capabilities if own is not None else None
    unmasked = privileged or (own is not None and own.proc_mount == "Unmasked")
    strict = shared is not None and shared.supplemental_groups_policy == "Strict"
    made = cri_v1.LinuxContainerSecurityContext(
        privileged=privileged,
        namespace_options=_namespaces(pod, users),
        readonly_rootfs=bool(own and own.read_only_root_filesystem),
        supplemental_groups=_groups(pod),
        supplemental_groups_policy="Strict" if strict else "Merge",
        no_new_privs=own is not None and own.allow_privilege_escalation is False,
        masked_paths=() if unmasked else MASKED_PATHS,
        readonly_paths=() if unmasked else READONLY_PATHS,
        seccomp=_profile(seccomp, "Unconfined" if privileged else default_seccomp),
        apparmor=app_armor(own, shared),
        selinux_options=se_linux(own, shared),
    )
    if capabilities is not None:
        made.capabilities.add_capabilities.extend(capabilities.add)
        made.capabilities.drop_capabilities.extend(capabilities.drop)
    if user is None and image.user_name:
        made.run_as_username = image.user_name
    elif user is not None or image.user_id is not None:
        made.run_as_user.value = user if user is not None else (image.user_id or 0)
    if group is not None:
        made.run_as_group.value = group
    return made


def _first(*choices: int | None) -> int | None:
    return next((choice for choice in choices if choice is not None), None)


def _refuse_root(container: Container, user: int | None, image: ImageRecord) -> None:
    where = f'container "{container.name}"'
    if user == 0:
        raise ConfigError(f"{where}: container's runAsUser breaks non-root policy")
    if user is None and image.user_name:
        message = f"container has runAsNonRoot and image has non-numeric user ({image.user_name})"
        raise ConfigError(f"{where}: {message}, cannot verify user is non-root; set runAsUser")
    if user is None and not image.user_id:
        raise ConfigError(f"{where}: container has runAsNonRoot and image will run as root; set runAsUser")
