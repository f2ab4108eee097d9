"""The containers of a pod, of whatever kind, as one kind of value.

Plain functions. An ephemeral container is one that runs once, for as long as it likes, beside the others.
Source: kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers.
"""

from typing import Final

from kube.api.core_v1 import Container, EphemeralContainer, Pod

_SHARED: Final = tuple(name for name in EphemeralContainer.__struct_fields__ if name in Container.__struct_fields__)


def all_containers(pod: Pod) -> tuple[Container, ...]:
    """Return the init containers, the pod's own ones, and the ephemeral ones."""
    spec = pod.spec
    if not spec.ephemeral_containers:
        return (*spec.init_containers, *spec.containers)
    return (*spec.init_containers, *spec.containers, *ephemeral_containers(pod))


def ephemeral_containers(pod: Pod) -> tuple[Container, ...]:
    """Return the ephemeral containers as containers that never start again."""
    return tuple([_as_container(added) for added in pod.spec.ephemeral_containers])


def target_of(pod: Pod, name: str) -> str:
    """Return the container whose processes an ephemeral container is to see, "" where it asks for none."""
    return next((added.target_container_name for added in pod.spec.ephemeral_containers if added.name == name), "")


def find_container(pod: Pod, name: str) -> Container | None:
    """Return the container of that name, None where the pod has none."""
    return next((container for container in all_containers(pod) if container.name == name), None)


def field_path(pod: Pod, name: str) -> str:
    """Return where a container stands in its pod, as Events name it."""
    if any(container.name == name for container in pod.spec.init_containers):
        return f"spec.initContainers{{{name}}}"
    if any(container.name == name for container in pod.spec.ephemeral_containers):
        return f"spec.ephemeralContainers{{{name}}}"
    return f"spec.containers{{{name}}}"


def _as_container(added: EphemeralContainer) -> Container:
    fields = {name: getattr(added, name) for name in _SHARED}
    return Container(**{**fields, "restart_policy": "Never"})


def stop_signal_of(container: Container) -> str | None:
    """Return the signal with which a container asks to be stopped, None where it doesn't say."""
    return container.lifecycle.stop_signal if container.lifecycle is not None else None
