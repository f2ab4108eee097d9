"""Keys and certificates: the cluster's authority, and those that it vouches for.

Everything goes in and out as PEM text. Keys that are made here are EC P-256; others ask with RSA and Ed25519 too. An
authority lives ten years, what it issues one year, both from an hour ago, so that clocks may differ. What is signed for
others may live for minutes, and is valid from five minutes ago: holders renew when a part of the whole time has passed.
Source: RFC 5280; kubernetes.io/docs/setup/best-practices/certificates for names and groups.
"""

import ipaddress
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kube.files import write_private

Purpose = Literal["client", "server"]
SignableKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
LEAF_LIFETIME: Final = timedelta(days=365)
SKEW: Final = timedelta(hours=1)
SIGNED_SKEW: Final = timedelta(minutes=5)

_STRANGE: Final = (x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)
_USAGES: Final = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}
_PURPOSES: Final = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "microsoft sgc": x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": x509.ObjectIdentifier("2.16.840.1.113730.4.1"),
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
}
"""What a key may be used for beyond its bits, in the words of signing requests."""
_BITS: Final = {
    "cert sign": "key_cert_sign",
    "content commitment": "content_commitment",
    "crl sign": "crl_sign",
    "data encipherment": "data_encipherment",
    "decipher only": "decipher_only",
    "digital signature": "digital_signature",
    "encipher only": "encipher_only",
    "key agreement": "key_agreement",
    "key encipherment": "key_encipherment",
    "signing": "digital_signature",
}
_ADDRESSES: Final = (x509.DNSName, x509.IPAddress)
_CONTACTS: Final = (x509.RFC822Name, x509.UniformResourceIdentifier)
_KEYS: Final = (ec.EllipticCurvePublicKey, rsa.RSAPublicKey, ed25519.Ed25519PublicKey)
_NOTHING: Final = dict.fromkeys(_BITS.values(), False)


@dataclass(frozen=True)
class Pair:
    """A certificate and the key to it, each as PEM."""

    certificate_pem: str
    key_pem: str


@dataclass(frozen=True)
class Subject:
    """Whom a certificate or a request names. addresses: DNS names, IP addresses. contacts: e-mail addresses, URIs."""

    common_name: str
    organizations: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()


def new_key() -> str:
    """Return a new private key."""
    return _key_text(ec.generate_private_key(ec.SECP256R1()))


def new_authority(name: str, *, now: datetime | None = None) -> Pair:
    """Return a new authority that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(Subject(name))
    began = now or datetime.now(UTC)
    certificate = (
        _builder(subject, subject, key.public_key(), began - SKEW, began + AUTHORITY_LIFETIME)
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
    asked = list(_asked_names(request))
    return Subject(
        common_name="".join(_texts(request.subject, NameOID.COMMON_NAME)[:1]),
        organizations=tuple(_texts(request.subject, NameOID.ORGANIZATION_NAME)),
        addresses=tuple(str(name.value) for name in asked if isinstance(name, _ADDRESSES)),
        contacts=tuple(str(name.value) for name in asked if isinstance(name, _CONTACTS)),
    )


def sign(
    authority: Pair,
    request_pem: str,
    usages: Iterable[str],
    *,
    lifetime: timedelta = LEAF_LIFETIME,
    without: Container[str] = (),
    now: datetime | None = None,
) -> str:
    """Return the certificate that a request asks for. Who may have it is the caller's to decide. Raises ValueError.

    usages: as signing requests name them. without: addresses that it doesn't get, though it may ask for them. It ends
    with its authority's own at the latest.
    """
    request, began = _request(request_pem), now or datetime.now(UTC)
    public_key = request.public_key()
    if not isinstance(public_key, _KEYS):
        raise ValueError("the signing request's key: is of no kind that is signed; use EC, RSA or Ed25519")  # noqa: TRY004
    issuer = x509.load_pem_x509_certificate(authority.certificate_pem.encode())
    end = min(began + lifetime, issuer.not_valid_after_utc)
    builder = (
        _builder(request.subject, issuer.subject, public_key, began - SIGNED_SKEW, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_authority_identifier(authority), critical=False)
    )
    names = [name for name in _asked_names(request) if str(name.value) not in without]
    return _certificate_text(
        _with_usages(_with_names(builder, names), usages).sign(_key(authority.key_pem), hashes.SHA256())
    )


def _with_names(builder: x509.CertificateBuilder, names: list[x509.GeneralName]) -> x509.CertificateBuilder:
    return builder.add_extension(x509.SubjectAlternativeName(names), critical=False) if names else builder


def _with_usages(builder: x509.CertificateBuilder, usages: Iterable[str]) -> x509.CertificateBuilder:
    """Add what the key may be used for. Raises ValueError where that makes no sense."""
    wanted = list(dict.fromkeys(usages))
    if bits := {_BITS[usage]: True for usage in wanted if usage in _BITS}:
        builder = builder.add_extension(x509.KeyUsage(**{**_NOTHING, **bits}), critical=True)
    if purposes := list(dict.fromkeys(_PURPOSES[usage] for usage in wanted if usage in _PURPOSES)):
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    return builder


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
        _builder(_name(subject), issuer.subject, key, now - SKEW, now + LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_USAGES[purpose] for purpose in purposes]), critical=False)
        .add_extension(_authority_identifier(authority), critical=False)
    )
    if subject.addresses:
        builder = builder.add_extension(_alternative_names(subject.addresses), critical=False)
    return _certificate_text(builder.sign(_key(authority.key_pem), hashes.SHA256()))


def _authority_identifier(authority: Pair) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(_key(authority.key_pem).public_key())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: SignableKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
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


def _asked_names(request: x509.CertificateSigningRequest) -> Iterator[x509.GeneralName]:
    """Yield the alternative names that a request asks for, as far as certificates get them."""
    try:
        extension = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return
    yield from (name for name in extension.value if isinstance(name, (*_ADDRESSES, *_CONTACTS)))


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
