"""A program's settings: flags win over the environment, the environment over a YAML file, the file over the defaults.

A room declares its settings as a frozen msgspec Struct; the name of a field tells the flag (--pod-cidr), the variable
(WHERRY_POD_CIDR) and the key in the file (podCidr or pod_cidr).
"""

import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Final, TypeVar

import msgspec

from kube.yaml import YamlError, load

S = TypeVar("S", bound=msgspec.Struct)

PREFIX: Final = "WHERRY_"


class SettingsError(ValueError):
    """A setting that can't be; the message names where it came from."""


def load_settings(cls: type[S], *, flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None = None) -> S:
    """Return the settings. flags: by field name, None for one that wasn't given. Raises SettingsError."""
    hints = typing.get_type_hints(cls)
    found: dict[str, Any] = {}
    if file is not None:
        found |= _from_file(file, hints)
    for field in hints:
        variable = PREFIX + field.upper()
        if variable in environ:
            found[field] = _converted(environ[variable], hints[field], f"${variable}")
    for field, value in flags.items():
        if field in hints and value is not None:
            found[field] = _converted(value, hints[field], flag_of(field))
    missing = [field.name for field in msgspec.structs.fields(cls) if field.required and field.name not in found]
    if missing:
        told = ", ".join(f"{flag_of(field)} (or ${PREFIX}{field.upper()})" for field in missing)
        raise SettingsError(f"settings: {told} is not set")
    return cls(**found)


def flag_of(field: str) -> str:
    """Return the flag that sets a field."""
    return "--" + field.replace("_", "-")


def _from_file(file: Path, hints: Mapping[str, Any]) -> dict[str, Any]:
    try:
        content = load(file.read_text(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: can't be read ({error})") from error
    except YamlError as error:
        raise SettingsError(str(error)) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{file}: is no map of settings; write lines such as `listenPort: 6443`")
    fields = {name: field for field in hints for name in (field, _camel(field))}
    if strangers := sorted(key for key in content if key not in fields):
        known = ", ".join(sorted(map(_camel, hints)))
        raise SettingsError(f"{file}: unknown: {', '.join(strangers)}; there is: {known}")
    return {
        fields[key]: _converted(value, hints[fields[key]], f"{file}: {key}")
        for key, value in content.items()
        if value is not None
    }


def _camel(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(map(str.title, rest))


def _converted(value: Any, wanted: Any, where: str) -> Any:
    """Return a value as the type that its field has; text is read as numbers, booleans, paths, lists and maps."""
    if isinstance(value, str) and _is_list(wanted):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, str) and typing.get_origin(wanted) is Mapping:
        value = _pairs(value, where)
    try:
        return msgspec.convert(value, wanted, strict=False, dec_hook=_from_text)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"{where}: {value!r}: {error}") from error


def _pairs(text: str, where: str) -> dict[str, str]:
    parts = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    if not all(name and sign for name, sign, _ in parts):
        raise SettingsError(f"{where}: {text!r}: write NAME=VALUE,NAME=VALUE")
    return {name: value for name, _, value in parts}


def _is_list(wanted: Any) -> bool:
    origin = typing.get_origin(wanted)
    if origin in (UnionType, typing.Union):
        return any(map(_is_list, typing.get_args(wanted)))
    return origin in (list, tuple, Sequence)


def _from_text(wanted: type, value: Any) -> Any:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"{wanted}: has no form as a setting")
