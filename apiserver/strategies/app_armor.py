"""The annotations by which pods asked for AppArmor before the field: what they say, and where they contradict it.

Keeps true: what an annotation asks of a container is in its field too, which is all that a node reads.
Source: kubernetes.io/docs/tutorials/security/apparmor; KEP-24, "Version Skew Strategy".
"""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from kube.api.core_v1 import AppArmorProfile, Container, Pod, PodSpec, SecurityContext
from kube.errors import forbidden_field, invalid

from .checks import Errors

PREFIX: Final = "container.apparmor.security.beta.kubernetes.io/"
_LOCAL: Final = "localhost/"
_TYPES: Final = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}
_PATH: Final = "metadata.annotations"


def asks_by_annotation(annotations: Mapping[str, str]) -> bool:
    """Say whether any annotation is about AppArmor."""
    return any(key.startswith(PREFIX) for key in annotations)


def with_fields(pod: Pod) -> Pod:
    """Return a new pod whose containers have in their fields what the annotations ask for them."""
    asked, shared = pod.metadata.annotations, _shared(pod.spec)
    if not asks_by_annotation(asked):
        return pod
    spec = replace(
        pod.spec,
        containers=tuple(_with_field(one, asked, shared) for one in pod.spec.containers),
        init_containers=tuple(_with_field(one, asked, shared) for one in pod.spec.init_containers),
    )
    return replace(pod, spec=spec)


def _with_field(container: Container, asked: Mapping[str, str], shared: AppArmorProfile | None) -> Container:
    profile = _profile_of(asked.get(f"{PREFIX}{container.name}", ""))
    if profile is None or profile == shared or _own(container) is not None:
        return container
    context = replace(container.security_context or SecurityContext(), app_armor_profile=profile)
    return replace(container, security_context=context)


def annotation_errors(pod: Pod) -> Errors:
    """Check the annotations of a new pod, each for itself and against the fields."""
    if not asks_by_annotation(pod.metadata.annotations):
        return
    names = {container.name for container in (*pod.spec.containers, *pod.spec.init_containers)}
    for key, value in pod.metadata.annotations.items():
        name = key.removeprefix(PREFIX)
        if name != key and name not in names:
            yield invalid(f"{_PATH}[{key}]", name, "container not found")
        if name != key and value not in ("", *_TYPES) and not value.startswith(_LOCAL):
            yield invalid(f"{_PATH}[{key}]", value, f'invalid AppArmor profile name: "{value}"')
    yield from _contradictions(pod)


def annotation_change_errors(new: Mapping[str, str], old: Mapping[str, str]) -> Errors:
    """Check that an update leaves the annotations as they were."""
    for key in sorted(new.keys() | old.keys()):
        if key.startswith(PREFIX) and new.get(key) != old.get(key):
            done = "remove or update" if key in old else "add"
            yield forbidden_field(f"{_PATH}[{key}]", f"may not {done} AppArmor annotations")


def _contradictions(pod: Pod) -> Errors:
    groups = (("initContainers", pod.spec.init_containers), ("containers", pod.spec.containers))
    for field, group in groups:
        for index, container in enumerate(group):
            asked = pod.metadata.annotations.get(f"{PREFIX}{container.name}")
            profile = _own(container) or _shared(pod.spec)
            if asked is None or profile is None:
                continue
            path = f"spec.{field}[{index}].securityContext.appArmorProfile"
            if _TYPES.get(asked, "Localhost" if asked.startswith(_LOCAL) else "") != profile.type:
                yield forbidden_field(f"{path}.type", "apparmor type in annotation and field must match")
            elif profile.type == "Localhost" and asked != f"{_LOCAL}{profile.localhost_profile}":
                yield forbidden_field(f"{path}.localhostProfile", "apparmor profile in annotation and field must match")


def _profile_of(asked: str) -> AppArmorProfile | None:
    """Return what an annotation's value asks for, None where it is none that a field may have."""
    if asked in _TYPES:
        return AppArmorProfile(type=_TYPES[asked])
    name = asked.removeprefix(_LOCAL)
    is_name = name != asked and name == name.strip() != ""
    return AppArmorProfile(type="Localhost", localhost_profile=name) if is_name else None


def _own(container: Container) -> AppArmorProfile | None:
    return container.security_context.app_armor_profile if container.security_context is not None else None


def _shared(spec: PodSpec) -> AppArmorProfile | None:
    return spec.security_context.app_armor_profile if spec.security_context is not None else None
