"""Make the environment of a container.

Keeps true: later entries win over earlier ones, `env` over `envFrom` over the variables of Services; `$(NAME)` means
an earlier variable, `$$(NAME)` the text itself. Plain functions: what is referred to has been fetched before.
Source: kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from kube.api.core_v1 import (
    ConfigMap,
    ConfigMapEnvSource,
    ConfigMapKeySelector,
    Container,
    EnvFromSource,
    EnvVarSource,
    FileKeySelector,
    Pod,
    Secret,
    SecretEnvSource,
    SecretKeySelector,
    Service,
)
from nodeagent.pods.containers import all_containers
from nodeagent.pods.downward import FieldMissing, PodFacts, container_named, field_value, resource_value

_REFERENCE: Final = re.compile(r"\$\$|\$\(([^()$]*)\)")
_NAME: Final = re.compile(r"[ -<>-~]+")


Found = TypeVar("Found", ConfigMap, Secret)
FileKey = tuple[str, str, str]
Reference = ConfigMapEnvSource | SecretEnvSource | ConfigMapKeySelector | SecretKeySelector


class ConfigError(Exception):
    """A container can't be configured as its pod asks; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class References:
    """The ConfigMaps and Secrets of the pod's namespace that its containers refer to; None: there is no such object.

    files: the variables that a container takes from files of its volumes, by (volume, path, key); None: it isn't set.
    """

    config_maps: Mapping[str, ConfigMap | None] = field(default_factory=dict)
    secrets: Mapping[str, Secret | None] = field(default_factory=dict)
    files: Mapping[FileKey, str | None] = field(default_factory=dict)


def referred(pod: Pod) -> tuple[set[str], set[str]]:
    """Return the names of the ConfigMaps and of the Secrets that the environment of a pod's containers refers to."""
    config_maps: set[str] = set()
    secrets: set[str] = set()
    for container in all_containers(pod):
        for source in container.env_from:
            if source.config_map_ref is not None:
                config_maps.add(source.config_map_ref.name)
            if source.secret_ref is not None:
                secrets.add(source.secret_ref.name)
        for variable in container.env:
            origin = variable.value_from
            if origin is not None and origin.config_map_key_ref is not None:
                config_maps.add(origin.config_map_key_ref.name)
            if origin is not None and origin.secret_key_ref is not None:
                secrets.add(origin.secret_key_ref.name)
    return config_maps, secrets


def file_key(selector: FileKeySelector) -> FileKey:
    """Return what a variable from a file is known by."""
    return selector.volume_name, selector.path, selector.key


def referred_files(container: Container) -> list[FileKeySelector]:
    """Return what the environment of a container takes from files."""
    sources = [variable.value_from for variable in container.env if variable.value_from is not None]
    return [source.file_key_ref for source in sources if source.file_key_ref is not None]


def environment(
    container: Container, facts: PodFacts, references: References, services: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of a container. services: those that tell of Services. Raises ConfigError."""
    namespace = facts.pod.metadata.namespace
    made: dict[str, str] = {}
    for source in container.env_from:
        made.update(_from_source(source, references))
    known = {**services, **made}
    for variable in container.env:
        if variable.value_from is None:
            value: str | None = expand(variable.value, known)
        else:
            value = _from_origin(variable.value_from, container, facts, references, namespace)
        if value is not None:
            made[variable.name] = known[variable.name] = value
    return {**services, **made}


def expand(text: str, known: Mapping[str, str]) -> str:
    """Return the text with each `$(NAME)` that is known replaced; `$$` stands for a `$`."""

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return known.get(match[1], match[0])

    return _REFERENCE.sub(replacement, text) if "$" in text else text


def _from_source(source: EnvFromSource, references: References) -> dict[str, str]:
    made: dict[str, str] = {}
    if source.config_map_ref is not None:
        config_map = _found("configmap", references.config_maps, source.config_map_ref)
        made = dict(config_map.data) if config_map is not None else {}
    elif source.secret_ref is not None:
        secret = _found("secret", references.secrets, source.secret_ref)
        made = {key: _text(value) for key, value in secret.data.items()} if secret is not None else {}
    return {source.prefix + key: value for key, value in made.items() if _NAME.fullmatch(source.prefix + key)}


def _from_origin(
    origin: EnvVarSource, container: Container, facts: PodFacts, references: References, namespace: str
) -> str | None:
    try:
        if origin.field_ref is not None:
            return field_value(facts, origin.field_ref.field_path)
        if origin.resource_field_ref is not None:
            wanted = origin.resource_field_ref
            named = container_named(facts.pod, wanted.container_name) if wanted.container_name else container
            return resource_value(facts, named, wanted)
    except FieldMissing as error:
        raise ConfigError(str(error)) from error
    if origin.config_map_key_ref is not None:
        key_of = origin.config_map_key_ref
        config_map = _found("configmap", references.config_maps, key_of)
        held = {**config_map.data, **{k: _text(v) for k, v in config_map.binary_data.items()}} if config_map else {}
        return _key(held, key_of.key, bool(key_of.optional), f"ConfigMap {namespace}/{key_of.name}", config_map)
    if origin.secret_key_ref is not None:
        secret_key = origin.secret_key_ref
        secret = _found("secret", references.secrets, secret_key)
        held = {key: _text(value) for key, value in secret.data.items()} if secret else {}
        return _key(held, secret_key.key, bool(secret_key.optional), f"Secret {namespace}/{secret_key.name}", secret)
    if origin.file_key_ref is not None:
        wanted_file = origin.file_key_ref
        value = references.files.get(file_key(wanted_file))
        if value is None and not wanted_file.optional:
            where = f"{wanted_file.path} of volume {wanted_file.volume_name}"
            raise ConfigError(f'environment variable key "{wanted_file.key}" not found in file {where}')
        return value
    raise ConfigError("env: valueFrom names no source that this node knows; use a key, a field or a resource")


def _found(kind: str, held: Mapping[str, Found | None], reference: Reference) -> Found | None:
    found = held.get(reference.name)
    if found is None and not reference.optional:
        raise ConfigError(f'{kind} "{reference.name}" not found')
    return found


def _key(held: Mapping[str, str], key: str, optional: bool, where: str, found: object) -> str | None:
    if key in held:
        return held[key]
    if optional or found is None:
        return None
    raise ConfigError(f"couldn't find key {key} in {where}")


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")


def service_variables(services: Iterable[Service], namespace: str, *, links: bool) -> dict[str, str]:
    """Return the variables that tell of the Services of a namespace, and always of the API's own.

    links: whether the pod asks for those of its namespace (enableServiceLinks).
    """
    made: dict[str, str] = {}
    for service in sorted(services, key=lambda s: s.metadata.name):
        is_api = service.metadata.namespace == "default" and service.metadata.name == "kubernetes"
        if not (is_api or (links and service.metadata.namespace == namespace)):
            continue
        ip = service.spec.cluster_ip
        if ip and ip != "None" and service.spec.ports:
            made.update(_of_service(service, ip))
    return made


def _of_service(service: Service, ip: str) -> dict[str, str]:
    prefix = service.metadata.name.upper().replace("-", "_")
    ports = service.spec.ports
    made = {f"{prefix}_SERVICE_HOST": ip, f"{prefix}_SERVICE_PORT": str(ports[0].port)}
    for port in ports:
        if port.name:
            made[f"{prefix}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
    for index, port in enumerate(ports):
        protocol = port.protocol or "TCP"
        url = f"{protocol.lower()}://{ip}:{port.port}"
        if index == 0:
            made[f"{prefix}_PORT"] = url
        one = f"{prefix}_PORT_{port.port}_{protocol}"
        made |= {one: url, f"{one}_PROTO": protocol.lower(), f"{one}_PORT": str(port.port), f"{one}_ADDR": ip}
    return made
