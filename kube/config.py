"""Kubeconfig files: which cluster, as whom.

Source: kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kube.files import write_private


class ConfigError(ValueError):
    """A kubeconfig that can't be used; the message names the file and the field."""


@dataclass(frozen=True)
class Access:
    """What it takes to speak to one API server. token_file: read again at each use, since such tokens are renewed."""

    server: str
    ca_pem: str = ""
    certificate_pem: str = ""
    key_pem: str = ""
    token: str = ""
    token_file: str = ""
    namespace: str = ""
    insecure: bool = False

    def bearer_token(self) -> str:
        """Return the token to send, "" where a certificate or nothing tells who it is."""
        return Path(self.token_file).read_text().strip() if self.token_file else self.token


def load_kubeconfig(path: Path, context: str = "") -> Access:
    """Return the access that a context of a file names, its current context by default. Raises ConfigError."""
    import yaml  # noqa: PLC0415 - those who get their access otherwise need no YAML.

    try:
        content = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: can't be read as a kubeconfig ({error})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: is no kubeconfig; it should begin with apiVersion: v1 and kind: Config")
    chosen = context or str(content.get("current-context") or "")
    if not chosen:
        raise ConfigError(f"{path}: current-context is not set; name one with --context")
    return _access(path, content, _entry(path, content, "contexts", "context", chosen))


def _access(path: Path, content: Mapping[str, Any], context: Mapping[str, Any]) -> Access:
    cluster = _entry(path, content, "clusters", "cluster", str(context.get("cluster") or ""))
    user = _entry(path, content, "users", "user", str(context.get("user") or "")) if context.get("user") else {}
    if not cluster.get("server"):
        raise ConfigError(f"{path}: cluster {context.get('cluster')}: server is not set")
    for unsupported in ("exec", "auth-provider", "username"):
        if user.get(unsupported):
            raise ConfigError(
                f"{path}: user {context.get('user')}: {unsupported} is not supported; use a certificate or a token"
            )
    return Access(
        server=str(cluster["server"]),
        ca_pem=_material(path, cluster, "certificate-authority"),
        certificate_pem=_material(path, user, "client-certificate"),
        key_pem=_material(path, user, "client-key"),
        token=str(user.get("token") or ""),
        token_file=str(user.get("tokenFile") or ""),
        namespace=str(context.get("namespace") or ""),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
    )


def _entry(path: Path, content: Mapping[str, Any], listing: str, field: str, name: str) -> Mapping[str, Any]:
    entries = content.get(listing) or []
    for entry in entries:
        if isinstance(entry, dict) and entry.get("name") == name:
            found = entry.get(field) or {}
            if isinstance(found, dict):
                return found
    known = ", ".join(str(entry.get("name")) for entry in entries if isinstance(entry, dict)) or "none"
    raise ConfigError(f'{path}: no {field} called "{name}"; there is: {known}')


def _material(path: Path, holder: Mapping[str, Any], field: str) -> str:
    """Return a certificate or key that stands in the file (as base64) or beside it (as a path)."""
    inline = holder.get(f"{field}-data")
    if inline:
        try:
            return base64.b64decode(str(inline), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: {field}-data is not base64 of PEM ({error})") from error
    named = holder.get(field)
    if not named:
        return ""
    try:
        return (path.parent / str(named)).read_text()
    except OSError as error:
        raise ConfigError(f"{path}: {field}: {named} can't be read ({error})") from error


def save_kubeconfig(path: Path, access: Access, name: str) -> None:
    """Write a file with one cluster, one user and one context, all called `name`; only its owner may read it."""
    import yaml  # noqa: PLC0415 - as above.

    cluster: dict[str, Any] = {"server": access.server}
    if access.ca_pem:
        cluster["certificate-authority-data"] = _encoded(access.ca_pem)
    user: dict[str, Any] = {}
    if access.certificate_pem:
        user["client-certificate-data"] = _encoded(access.certificate_pem)
        user["client-key-data"] = _encoded(access.key_pem)
    if access.token_file:
        user["tokenFile"] = access.token_file
    elif access.token:
        user["token"] = access.token
    context = {"cluster": name, "user": name, **({"namespace": access.namespace} if access.namespace else {})}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": context}],
        "current-context": name,
    }
    write_private(path, yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False))


def _encoded(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()
