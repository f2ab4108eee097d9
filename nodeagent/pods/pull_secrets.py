"""Which credentials pull secrets hold for an image.

Plain functions. A secret's entry is for a registry, or for what is below a path of it; its host may have wildcards.
Source: kubernetes.io/docs/concepts/containers/images, section on the interpretation of config.json.
"""

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

from kube import image_names
from kube.api.core_v1 import Secret
from kube.image_names import Reference
from proto import cri_v1

_DOCKER_HUB: Final = ("docker.io", "index.docker.io", "registry-1.docker.io")
_VERSIONS: Final = ("v1", "v2")
"""What docker writes behind a registry's name, which is no path of images."""


def credentials(name: str, secrets: Iterable[Secret]) -> list[cri_v1.AuthConfig]:
    """Return what pull secrets hold for an image, what is meant for it most of all first. Raises ValueError."""
    image = image_names.parse(name)
    found: list[tuple[int, cri_v1.AuthConfig]] = []
    for secret in secrets:
        for server, entry in _entries(secret).items():
            host, path = _place(server)
            if isinstance(entry, dict) and _is_for(host, path, image):
                found.append((len(path), _auth(image.registry, entry)))
    return [auth for _, auth in sorted(found, key=lambda pair: -pair[0])]


def _place(server: str) -> tuple[str, str]:
    """Return the host and the path that an entry is for."""
    host, _, path = server.removeprefix("https://").removeprefix("http://").partition("/")
    path = path.strip("/")
    return host, "" if path in _VERSIONS else path


def _is_for(host: str, path: str, image: Reference) -> bool:
    names = _DOCKER_HUB if image.registry in _DOCKER_HUB else (image.registry,)
    return any(_is_host(host, name) for name in names) and f"{image.path}/".startswith(f"{path}/" if path else "")


def _is_host(pattern: str, name: str) -> bool:
    """Compare label by label: a wildcard stands for no dot."""
    wanted, labels = pattern.split("."), name.split(".")
    return len(wanted) == len(labels) and all(map(fnmatchcase, labels, wanted))


def _entries(secret: Secret) -> dict[str, Any]:
    data = secret.data.get(".dockerconfigjson")
    try:
        if data is not None:
            held = json.loads(data).get("auths", {})
        else:
            held = json.loads(secret.data.get(".dockercfg", b"{}"))
    except (ValueError, AttributeError):
        return {}  # A secret that isn't readable gives no credentials; the registry's refusal tells the rest.
    return held if isinstance(held, dict) else {}


def _auth(registry: str, entry: dict[str, Any]) -> cri_v1.AuthConfig:
    user, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth"):
        try:
            user, _, password = b64decode(entry["auth"]).decode().partition(":")
        except (Base64Error, UnicodeDecodeError):
            user, password = entry.get("username", ""), entry.get("password", "")
    return cri_v1.AuthConfig(
        username=user,
        password=password,
        server_address=registry,
        identity_token=entry.get("identitytoken", ""),
        registry_token=entry.get("registrytoken", ""),
    )
