"""The keys and certificates of a cluster, made at first start and kept in one directory.

ca.crt/key signs all the others; apiserver is the listener's; kubelet-client is what the server shows to node agents;
admin, controller-manager and scheduler are clients; sa.key signs service account tokens. Files that are there are used
as they are; a certificate that is about to end, or lacks a name, is made anew.
Source: kubernetes.io/docs/setup/best-practices/certificates
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from apiserver.identity import MASTERS
from kube.files import write_private
from kube.pki import Pair, Purpose, Subject, issue, load_pair, new_authority, new_key, save_pair

AUTHORITY: Final = "ca"
SERVER: Final = "apiserver"
NODE_CLIENT: Final = "kubelet-client"
CLIENTS: Final = {
    "admin": Subject("kubernetes-admin", (MASTERS,)),
    "controller-manager": Subject("system:kube-controller-manager"),
    "scheduler": Subject("system:kube-scheduler"),
    NODE_CLIENT: Subject("kube-apiserver", (MASTERS,)),
}
SIGNING_FILE: Final = "sa.key"
RENEW_BEFORE: Final = timedelta(days=30)
SERVICE_NAMES: Final = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


@dataclass(frozen=True)
class Credentials:
    """Where the files are, and what is needed of them at once."""

    directory: Path
    authority: Pair
    token_key: EllipticCurvePrivateKey

    def certificate(self, name: str) -> Path:
        """Return the path of a certificate."""
        return self.directory / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Return the path of a key."""
        return self.directory / f"{name}.key"


def ensure_credentials(directory: Path, addresses: Iterable[str], now: datetime) -> Credentials:
    """Return the cluster's credentials, making what is missing. addresses: names and IPs of this server.

    Raises OSError where the directory can't be used, ValueError for files that are no keys or certificates.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = load_pair(directory, AUTHORITY)
    if authority is None:
        authority = new_authority("wherry-ca", now=now)
        save_pair(directory, AUTHORITY, authority)
    names = tuple(dict.fromkeys((*SERVICE_NAMES, *addresses)))
    _ensure(directory, authority, SERVER, Subject("kube-apiserver", (), names), purpose="server", now=now)
    for name, subject in CLIENTS.items():
        _ensure(directory, authority, name, subject, purpose="client", now=now)
    return Credentials(directory, authority, _token_key(directory / SIGNING_FILE))


def _ensure(directory: Path, authority: Pair, name: str, subject: Subject, *, purpose: Purpose, now: datetime) -> None:
    pair = load_pair(directory, name)
    if pair is None or not is_good(pair.certificate_pem, subject.addresses, now):
        save_pair(directory, name, issue(authority, subject, (purpose,), now=now))


def is_good(certificate_pem: str, addresses: Iterable[str], now: datetime) -> bool:
    """Say whether a certificate lasts a while yet and has all the addresses."""
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    if certificate.not_valid_after_utc - now < RENEW_BEFORE:
        return False
    wanted = set(addresses)
    if not wanted:
        return True
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    found = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    return wanted <= found


def _token_key(path: Path) -> EllipticCurvePrivateKey:
    if not path.exists():
        write_private(path, new_key())
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ValueError(f"{path}: is no elliptic curve key; remove it to have one made")  # noqa: TRY004
    return key
