"""Which files a configMap, secret, downwardAPI or projected volume holds.

Plain functions: what is referred to has been fetched before. A file's path never leaves its volume.
Source: kubernetes.io/docs/concepts/storage/volumes and .../projected-volumes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from kube.api.core_v1 import (
    ConfigMap,
    DownwardAPIVolumeFile,
    KeyToPath,
    Pod,
    ProjectedVolumeSource,
    Secret,
    ServiceAccountTokenProjection,
    Volume,
    VolumeProjection,
)
from nodeagent.pods.downward import FieldMissing, PodFacts, container_named, field_value, resource_value
from nodeagent.pods.environment import References
from nodeagent.pods.ownership import group_of, user_of

DEFAULT_MODE: Final = 0o644


class VolumeError(Exception):
    """A volume can't be made; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class File:
    """The content of one file and who may read it. owner: its user, None for root."""

    data: bytes
    mode: int
    owner: int | None = None


Files = Mapping[str, File]
TokenKey = tuple[str, int]
"""Which token: its audience and how long it is asked to live, in seconds."""


def token_key(source: ServiceAccountTokenProjection) -> TokenKey:
    """Return which token a projection asks for."""
    return source.audience, source.expiration_seconds or 3600


def config_map_files(
    config_map: ConfigMap | None, name: str, items: Sequence[KeyToPath], mode: int, *, optional: bool
) -> Files:
    """Return the files of a ConfigMap; without `items` all its keys."""
    if config_map is None:
        return _absent("configmap", name, optional=optional)
    held = {**{key: text.encode() for key, text in config_map.data.items()}, **config_map.binary_data}
    return _files(held, items, mode, f"configmap references non-existent config key: {name}", optional=optional)


def secret_files(secret: Secret | None, name: str, items: Sequence[KeyToPath], mode: int, *, optional: bool) -> Files:
    """Return the files of a Secret; without `items` all its keys."""
    if secret is None:
        return _absent("secret", name, optional=optional)
    return _files(secret.data, items, mode, f"secret references non-existent secret key: {name}", optional=optional)


def _absent(kind: str, name: str, *, optional: bool) -> Files:
    if optional:
        return {}
    raise VolumeError(f'{kind} "{name}" not found')


def _files(
    held: Mapping[str, bytes], items: Sequence[KeyToPath], mode: int, complaint: str, *, optional: bool
) -> Files:
    if not items:
        return {key: File(data, mode) for key, data in held.items()}
    made: dict[str, File] = {}
    for item in items:
        if item.key in held:
            made[checked(item.path)] = File(held[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise VolumeError(f"{complaint}/{item.key}")
    return made


def downward_files(facts: PodFacts, items: Sequence[DownwardAPIVolumeFile], mode: int) -> Files:
    """Return the files that tell a pod about itself."""
    made: dict[str, File] = {}
    for item in items:
        try:
            if item.field_ref is not None:
                text = field_value(facts, item.field_ref.field_path)
            elif item.resource_field_ref is not None:
                container = container_named(facts.pod, item.resource_field_ref.container_name)
                text = resource_value(facts, container, item.resource_field_ref)
            else:
                raise FieldMissing(f"{item.path}: names neither a field nor a resource")
        except FieldMissing as error:
            raise VolumeError(str(error)) from error
        made[checked(item.path)] = File(text.encode(), mode if item.mode is None else item.mode)
    return made


def checked(path: str) -> str:
    """Return a path inside a volume as it is, if it stays inside."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise VolumeError(f'path "{path}": leads out of the volume; use a relative path without ".."')
    return path


def volume_files(
    volume: Volume, facts: PodFacts, references: References, tokens: Mapping[TokenKey, str]
) -> Files | None:
    """Return the files of a volume that is made of API objects, None for any other volume."""
    if volume.config_map is not None:
        config = volume.config_map
        found = references.config_maps.get(config.name)
        mode = _mode(config.default_mode)
        return config_map_files(found, config.name, config.items, mode, optional=bool(config.optional))
    if volume.secret is not None:
        secret = volume.secret
        held = references.secrets.get(secret.secret_name)
        mode = _mode(secret.default_mode)
        return secret_files(held, secret.secret_name, secret.items, mode, optional=bool(secret.optional))
    if volume.downward_api is not None:
        return downward_files(facts, volume.downward_api.items, _mode(volume.downward_api.default_mode))
    if volume.projected is not None:
        return _projected(volume.projected, facts, references, tokens)
    return None


def _mode(asked: int | None) -> int:
    return DEFAULT_MODE if asked is None else asked


def _projected(
    volume: ProjectedVolumeSource, facts: PodFacts, references: References, tokens: Mapping[TokenKey, str]
) -> Files:
    made: dict[str, File] = {}
    for source in volume.sources:
        made.update(_source_files(source, _mode(volume.default_mode), facts, references, tokens))
    return made


def _source_files(
    source: VolumeProjection, mode: int, facts: PodFacts, references: References, tokens: Mapping[TokenKey, str]
) -> Files:
    if source.config_map is not None:
        config = source.config_map
        found = references.config_maps.get(config.name)
        return config_map_files(found, config.name, config.items, mode, optional=bool(config.optional))
    if source.secret is not None:
        secret = source.secret
        held = references.secrets.get(secret.name)
        return secret_files(held, secret.name, secret.items, mode, optional=bool(secret.optional))
    if source.downward_api is not None:
        return downward_files(facts, source.downward_api.items, mode)
    if source.service_account_token is not None:
        token = source.service_account_token
        return {checked(token.path): _token_file(tokens[token_key(token)], mode, facts.pod)}
    kind = "clusterTrustBundle" if source.cluster_trust_bundle is not None else "podCertificate"
    raise VolumeError(f"projected {kind}: can't be had; use configMap, secret, downwardAPI or serviceAccountToken")


def _token_file(token: str, mode: int, pod: Pod) -> File:
    """Return a token's file: where the pod says as whom it runs, it alone may read it."""
    owner = user_of(pod)
    is_private = owner is not None or group_of(pod) is not None
    return File(token.encode(), 0o600 if is_private else mode, owner)


def is_secret(volume: Volume) -> bool:
    """Say whether a volume may hold something secret, and so belongs into memory only."""
    if volume.secret is not None:
        return True
    sources = volume.projected.sources if volume.projected is not None else ()
    return any(source.secret is not None or source.service_account_token is not None for source in sources)


def referred_by_volumes(volumes: Sequence[Volume]) -> tuple[set[str], set[str], set[TokenKey]]:
    """Return the ConfigMaps, the Secrets and the tokens that volumes are made of."""
    config_maps: set[str] = set()
    secrets: set[str] = set()
    tokens: set[TokenKey] = set()
    for volume in volumes:
        if volume.config_map is not None:
            config_maps.add(volume.config_map.name)
        if volume.secret is not None:
            secrets.add(volume.secret.secret_name)
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.config_map is not None:
                config_maps.add(source.config_map.name)
            if source.secret is not None:
                secrets.add(source.secret.name)
            if source.service_account_token is not None:
                tokens.add(token_key(source.service_account_token))
    return config_maps, secrets, tokens
