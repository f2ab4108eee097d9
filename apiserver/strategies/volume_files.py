"""What must hold of the files that volumes are made of: of ConfigMaps, Secrets, the pod itself and tokens.

Source: kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume
"""

from collections.abc import Iterator
from typing import Final

from kube.api.core_v1 import (
    DownwardAPIVolumeFile,
    KeyToPath,
    ProjectedVolumeSource,
    ServiceAccountTokenProjection,
    VolumeProjection,
)
from kube.errors import forbidden_field, invalid, required

from .checks import Errors, local_paths
from .environment import POD_FIELDS, field_errors, resource_field_errors

_FILE_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"
_VOLUME_FIELDS: Final = tuple(field for field in POD_FIELDS if field.startswith("metadata."))
_TOKEN_MIN_SECONDS: Final = 600
_TOKEN_MAX_SECONDS: Final = 1 << 32


def mode_errors(mode: int | None, path: str) -> Errors:
    """Check the bits that say who may read a file."""
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(path, mode, _FILE_MODE)


def keys_errors(items: tuple[KeyToPath, ...], path: str) -> Errors:
    """Check which keys become which files."""
    for index, item in enumerate(items):
        here = f"{path}[{index}]"
        if not item.key:
            yield required(f"{here}.key")
        if not item.path:
            yield required(f"{here}.path")
        else:
            yield from local_paths(f"{here}.path", item.path)
        yield from mode_errors(item.mode, f"{here}.mode")


def downward_files_errors(files: tuple[DownwardAPIVolumeFile, ...], path: str) -> Errors:
    """Check which of the pod's own fields become which files."""
    for file in files:
        if not file.path:
            yield required(f"{path}.path")
        else:
            yield from local_paths(f"{path}.path", file.path)
        if file.field_ref is not None:
            fields = (*_VOLUME_FIELDS, "metadata.annotations", "metadata.labels")
            yield from field_errors(file.field_ref, f"{path}.fieldRef", fields)
            if file.resource_field_ref is not None:
                yield invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
        elif file.resource_field_ref is not None:
            yield from resource_field_errors(file.resource_field_ref, f"{path}.resourceFieldRef", needs_container=True)
        else:
            yield required(path, "one of fieldRef and resourceFieldRef is required")
        yield from mode_errors(file.mode, f"{path}.mode")


def projected_errors(source: ProjectedVolumeSource, path: str) -> Errors:
    """Check a volume that is put together from several sources."""
    yield from mode_errors(source.default_mode, f"{path}.defaultMode")
    taken: set[str] = set()
    for index, projection in enumerate(source.sources):
        yield from _projection_errors(projection, f"{path}.sources[{index}]", path)
        for owner, file in _files_of(projection):
            if file in taken:
                yield invalid(path, owner, "conflicting duplicate paths")
            taken.add(file)


def _files_of(projection: VolumeProjection) -> Iterator[tuple[str, str]]:
    """Yield the files that one source of a projected volume names, each with what is to blame if it is there twice."""
    for plain in (projection.secret, projection.config_map):
        if plain is not None:
            yield from ((plain.name, item.path) for item in plain.items if item.path)
    if projection.downward_api is not None:
        yield from ((file.path, file.path) for file in projection.downward_api.items if file.path)


def _projection_errors(projection: VolumeProjection, path: str, volume: str) -> Errors:
    """Check one source of a projected volume. volume: the path of that, which errors of a token's file name."""
    fields = zip(projection.__struct_fields__, projection.__struct_encode_fields__, strict=True)
    found = [wire for field, wire in fields if getattr(projection, field) is not None]
    if len(found) > 1:
        yield forbidden_field(path, "may not specify more than 1 volume type per source")
    for wire, plain in (("secret", projection.secret), ("configMap", projection.config_map)):
        if plain is not None:
            if not plain.name:
                yield required(f"{path}.{wire}.name")
            yield from keys_errors(plain.items, f"{path}.{wire}.items")
    if projection.downward_api is not None:
        yield from downward_files_errors(projection.downward_api.items, f"{path}.downwardAPI")
    if projection.service_account_token is not None:
        yield from _token_errors(projection.service_account_token, f"{path}.serviceAccountToken", f"{volume}.path")


def _token_errors(token: ServiceAccountTokenProjection, path: str, file: str) -> Errors:
    seconds = token.expiration_seconds or 0
    if seconds < _TOKEN_MIN_SECONDS:
        detail = "may not specify a duration less than 10 minutes"
        yield invalid(f"{path}.expirationSeconds", seconds, detail)
    elif seconds > _TOKEN_MAX_SECONDS:
        yield invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
    if not token.path:
        yield required(file)
    else:
        yield from local_paths(file, token.path)
