"""Which certificates nodes and people get, and what is in them."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec.structs import replace

from controllers.certificates import awaits_signature, decide
from controllers.signers import CLIENT, NODE_CLIENT, objections, signed
from kube.api.certificates_v1 import (
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
    CertificateSigningRequestSpec,
)
from kube.api.meta_v1 import ObjectMeta
from kube.pki import Subject, new_authority, new_key, sign, signing_request

SERVING = "kubernetes.io/kubelet-serving"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def asked(*addresses: str, node: str = "here", signer: str = SERVING) -> CertificateSigningRequest:
    """Return what a node's agent asks for."""
    name = f"system:node:{node}"
    text = signing_request(new_key(), Subject(name, ("system:nodes",), addresses))
    usage = "server auth" if signer == SERVING else "client auth"
    spec = CertificateSigningRequestSpec(
        request=text.encode(),
        signer_name=signer,
        usages=("digital signature", usage),
        username=name,
        groups=("system:nodes", "system:authenticated"),
    )
    return CertificateSigningRequest(metadata=ObjectMeta(name="csr"), spec=spec)


def test_a_node_may_be_called_by_its_own_name_and_no_other() -> None:
    own, strange = decide(asked("here", "10.0.0.7")), decide(asked("here", "api.example.com"))

    assert own is not None
    assert strange is not None
    assert (own.verdict, strange.verdict) == ("Approved", "Denied")
    assert strange.message == "a node's only name is its own, not api.example.com"


def test_a_certificate_lacks_the_addresses_that_are_somebody_elses() -> None:
    authority = new_authority("ca")
    request = asked("here", "10.0.0.7", "10.0.0.1").spec.request.decode()

    text = sign(authority, request, ["server auth"], without={"10.0.0.1"})

    names = x509.load_pem_x509_certificate(text.encode()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert [str(address) for address in names.value.get_values_for_type(x509.IPAddress)] == ["10.0.0.7"]
    assert names.value.get_values_for_type(x509.DNSName) == ["here"]


def of_client(*usages: str, signer: str = CLIENT, expires_s: int | None = None) -> CertificateSigningRequest:
    """Return what a person asks for, with an RSA key as openssl makes it, and names of all sorts."""
    key = rsa.generate_private_key(65537, 2048)
    names = [x509.DNSName("carol.example.com"), x509.RFC822Name("carol@example.com")]
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "devs"), x509.NameAttribute(NameOID.COMMON_NAME, "c")])
    )
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    text = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    spec = CertificateSigningRequestSpec(
        request=text, signer_name=signer, usages=usages, username="carol", expiration_seconds=expires_s
    )
    return CertificateSigningRequest(metadata=ObjectMeta(name="csr"), spec=spec)


def with_condition(request: CertificateSigningRequest, verdict: str) -> CertificateSigningRequest:
    """Return a request of which somebody has said something more."""
    told = CertificateSigningRequestCondition(type=verdict, status="True")
    return replace(request, status=replace(request.status, conditions=(*request.status.conditions, told)))


def certificate_of(request: CertificateSigningRequest) -> x509.Certificate:
    """Return the certificate that comes of a request."""
    return x509.load_pem_x509_certificate(signed(new_authority("ca"), request, now=NOW))


def test_a_clients_request_waits_for_a_person_and_is_signed_when_approved() -> None:
    request = of_client("client auth", "digital signature")

    assert decide(request) is None
    assert not awaits_signature(request)
    assert awaits_signature(with_condition(request, "Approved"))
    assert not awaits_signature(with_condition(with_condition(request, "Approved"), "Failed"))


def test_requests_to_others_are_left_to_them() -> None:
    assert not awaits_signature(with_condition(of_client("client auth", signer="example.com/own"), "Approved"))


@pytest.mark.parametrize(
    ("usages", "wrong"),
    [
        (("client auth",), []),
        (("client auth", "key encipherment", "digital signature"), []),
        (("digital signature",), [f"{CLIENT} signs for client auth, which is not among the usages"]),
        (("client auth", "server auth"), [f"{CLIENT} doesn't sign for server auth"]),
    ],
)
def test_a_clients_certificate_is_for_clients_alone(usages: tuple[str, ...], wrong: list[str]) -> None:
    assert objections(of_client(*usages)) == wrong


def test_what_a_person_approved_for_no_node_is_not_signed_as_a_nodes() -> None:
    """Approval says that somebody may have a certificate, not that it may be of another form than its signer's."""
    request = of_client("client auth", "digital signature", signer=NODE_CLIENT)

    assert "the subject's organization is not system:nodes alone" in objections(request)


def test_a_certificate_has_the_names_and_usages_that_were_asked_for() -> None:
    found = certificate_of(of_client("client auth", "key encipherment"))

    assert found.subject.rfc4514_string() == "CN=c,O=devs"
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.RFC822Name) == ["carol@example.com"]
    bits = found.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (bits.digital_signature, bits.key_encipherment) == (False, True)
    purposes = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(("asked_s", "held_s"), [(3600, 3600), (1, 600), (10**9, 365 * 86400), (None, 365 * 86400)])
def test_a_certificate_lives_as_long_as_was_asked_within_bounds(asked_s: int | None, held_s: int) -> None:
    found = certificate_of(of_client("client auth", expires_s=asked_s))

    assert found.not_valid_after_utc - NOW == timedelta(seconds=held_s)
    assert NOW - found.not_valid_before_utc == timedelta(minutes=5)


def test_no_certificate_outlives_its_authority() -> None:
    authority = new_authority("ca", now=NOW - timedelta(days=3650) + timedelta(days=1))

    found = x509.load_pem_x509_certificate(signed(authority, of_client("client auth"), now=NOW))

    assert found.not_valid_after_utc == NOW + timedelta(days=1)
