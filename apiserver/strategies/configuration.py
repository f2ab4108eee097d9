"""The rules of ConfigMaps, Secrets and ServiceAccounts.

Source: kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from apiserver.strategy import Strategy
from kube import names
from kube.api.core_v1 import ConfigMap, Secret, ServiceAccount
from kube.errors import FieldError, forbidden_field, immutable, invalid, required, too_long
from kube.objects import with_defaults

from .checks import Errors, fits

DATA_MAX_BYTES: Final = 1024 * 1024
_FROZEN: Final = "field is immutable when `immutable` is set"

_REQUIRED_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


class ConfigMapStrategy(Strategy[ConfigMap]):
    """ConfigMaps."""

    def validate(self, obj: ConfigMap) -> list[FieldError]:
        return list(_config_map_errors(obj))

    def validate_update(self, new: ConfigMap, old: ConfigMap) -> list[FieldError]:
        changed = _frozen_errors(new, old, {"data": "data", "binary_data": "binaryData"})
        return [*self.validate(new), *changed]


def _config_map_errors(config: ConfigMap) -> Errors:
    yield from _keys_errors("data", config.data)
    yield from _keys_errors("binaryData", config.binary_data)
    for key in config.data.keys() & config.binary_data.keys():
        yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    size = sum(len(value.encode()) for value in config.data.values())
    size += sum(len(value) for value in config.binary_data.values())
    if size > DATA_MAX_BYTES:
        yield too_long("", DATA_MAX_BYTES)


def _keys_errors(path: str, keys: Iterable[str]) -> Errors:
    for key in keys:
        yield from fits(f"{path}[{key}]", key, names.check_config_map_key)


def _frozen_errors(new: Any, old: Any, fields: Mapping[str, str]) -> Errors:
    """Check that what was declared immutable stays so."""
    if not old.immutable:
        return
    if not new.immutable:
        yield forbidden_field("immutable", _FROZEN)
    for field, wire in fields.items():
        if getattr(new, field) != getattr(old, field):
            yield forbidden_field(wire, _FROZEN)


class SecretStrategy(Strategy[Secret]):
    """Secrets: what was given as text is stored as bytes."""

    field_names = ("type",)

    def default(self, obj: Secret) -> Secret:
        if obj.string_data:
            data = {**obj.data, **{key: text.encode() for key, text in obj.string_data.items()}}
            obj = replace(obj, data=data, string_data={})
        return with_defaults(obj, type="Opaque")

    def validate(self, obj: Secret) -> list[FieldError]:
        return list(_secret_errors(obj))

    def validate_update(self, new: Secret, old: Secret) -> list[FieldError]:
        errors = [*self.validate(new), *_frozen_errors(new, old, {"data": "data"})]
        if new.type != old.type:
            errors.append(immutable("type", new.type))
        return errors

    def selectable_fields(self, obj: Secret) -> Mapping[str, str]:
        return {**super().selectable_fields(obj), "type": obj.type}


def _secret_errors(secret: Secret) -> Errors:
    yield from _keys_errors("data", secret.data)
    if sum(len(value) for value in secret.data.values()) > DATA_MAX_BYTES:
        yield too_long("data", DATA_MAX_BYTES)
    for key in _REQUIRED_KEYS.get(secret.type, ()):
        if key not in secret.data:
            yield required(f"data[{key}]")
        elif secret.type.startswith("kubernetes.io/docker") and not _is_json(secret.data[key]):
            yield invalid(f"data[{key}]", "<secret contents redacted>", "invalid character: the value is not JSON")
    if secret.type == "kubernetes.io/basic-auth" and not {"username", "password"} & secret.data.keys():
        yield required("data[username]")
        yield required("data[password]")
    account = "kubernetes.io/service-account.name"
    if secret.type == "kubernetes.io/service-account-token" and not secret.metadata.annotations.get(account):
        yield required(f"metadata.annotations[{account}]")


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


class ServiceAccountStrategy(Strategy[ServiceAccount]):
    """ServiceAccounts."""

    returns_deleted = True
