"""Keys and certificates: the cluster's authority, and those that it vouches for.

Everything goes in and out as PEM text. Keys are EC P-256. An authority lives ten years, what it signs one year; both
are valid from an hour ago, so that clocks may differ.
Source: RFC 5280; kubernetes.io/docs/setup/best-practices/certificates for names and groups.
"""

import ipaddress
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kube.files import write_private

Purpose = Literal["client", "server"]

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
LEAF_LIFETIME: Final = timedelta(days=365)
SKEW: Final = timedelta(hours=1)

_STRANGE: Final = (x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)
_USAGES: Final = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}


@dataclass(frozen=True)
class Pair:
    """A certificate and the key to it, each as PEM."""

    certificate_pem: str
    key_pem: str


@dataclass(frozen=True)
class Subject:
    """Whom a certificate or a request names. addresses: DNS names and IP addresses."""

    common_name: str
    organizations: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def new_key() -> str:
    """Return a new private key."""
    return _key_text(ec.generate_private_key(ec.SECP256R1()))


def new_authority(name: str, *, now: datetime | None = None) -> Pair:
    """Return a new authority that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(Subject(name))
    began = now or datetime.now(UTC)
    certificate = (
        _builder(subject, subject, key.public_key(), began, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(_certificate_text(certificate), _key_text(key))


def issue(authority: Pair, subject: Subject, purposes: Iterable[Purpose], *, now: datetime | None = None) -> Pair:
    """Return a new key with a certificate from the authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _issued(authority, subject, purposes, key.public_key(), now or datetime.now(UTC))
    return Pair(certificate, _key_text(key))


def signing_request(key_pem: str, subject: Subject) -> str:
    """Return the request by which the holder of a key asks for a certificate."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(subject))
    if subject.addresses:
        builder = builder.add_extension(_alternative_names(subject.addresses), critical=False)
    request = builder.sign(_key(key_pem), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def requested_subject(request_pem: str) -> Subject:
    """Return whom a signing request names. Raises ValueError where it is none, or isn't signed by its own key."""
    request = _request(request_pem)
    names = request.subject
    try:
        extension = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = [str(value) for value in extension.get_values_for_type(x509.DNSName)]
        addresses += [str(value) for value in extension.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        addresses = []
    return Subject(
        common_name="".join(_texts(names, NameOID.COMMON_NAME)[:1]),
        organizations=tuple(_texts(names, NameOID.ORGANIZATION_NAME)),
        addresses=tuple(addresses),
    )


def sign(
    authority: Pair,
    request_pem: str,
    purposes: Iterable[Purpose],
    *,
    without: Container[str] = (),
    now: datetime | None = None,
) -> str:
    """Return the certificate that a request asks for. Who may have it is the caller's to decide. Raises ValueError.

    without: addresses that it doesn't get, though it may ask for them.
    """
    request = _request(request_pem)
    public_key = request.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise ValueError("the signing request's key: is not an elliptic curve key; use P-256")  # noqa: TRY004
    subject = requested_subject(request_pem)
    addresses = tuple(address for address in subject.addresses if address not in without)
    granted = replace(subject, addresses=addresses)
    return _issued(authority, granted, purposes, public_key, now or datetime.now(UTC))


def load_pair(directory: Path, name: str) -> Pair | None:
    """Return the pair kept as NAME.crt and NAME.key, None where it isn't there."""
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    return Pair(certificate.read_text(), key.read_text()) if certificate.exists() and key.exists() else None


def save_pair(directory: Path, name: str, pair: Pair) -> None:
    """Keep a pair as NAME.crt and NAME.key."""
    write_private(directory / f"{name}.key", pair.key_pem)
    write_private(directory / f"{name}.crt", pair.certificate_pem)


def _issued(
    authority: Pair, subject: Subject, purposes: Iterable[Purpose], key: ec.EllipticCurvePublicKey, now: datetime
) -> str:
    issuer = x509.load_pem_x509_certificate(authority.certificate_pem.encode())
    builder = (
        _builder(_name(subject), issuer.subject, key, now, LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_USAGES[purpose] for purpose in purposes]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(_key(authority.key_pem).public_key()), critical=False
        )
    )
    if subject.addresses:
        builder = builder.add_extension(_alternative_names(subject.addresses), critical=False)
    return _certificate_text(builder.sign(_key(authority.key_pem), hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + lifetime)
    )


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(subject: Subject) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in subject.organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name)])


def _texts(names: x509.Name, wanted: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in names.get_attributes_for_oid(wanted)]


def _alternative_names(addresses: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative_name(address) for address in dict.fromkeys(addresses)])


def _alternative_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _request(request_pem: str) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_pem_x509_csr(request_pem.encode())
        is_valid = request.is_signature_valid
        list(request.extensions)  # Which are read here for the first time.
    except (ValueError, InvalidSignature, UnsupportedAlgorithm, *_STRANGE) as error:
        raise ValueError(f"the signing request: can't be read ({error}); send a PEM CERTIFICATE REQUEST") from error
    if not is_valid:
        raise ValueError("the signing request: is not signed by the key that it names")
    return request


def _key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the private key: is not an elliptic curve key; make a P-256 one")  # noqa: TRY004
    return key


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _certificate_text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
