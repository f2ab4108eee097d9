"""Which certificates nodes get, and what is in them."""

from cryptography import x509

from controllers.certificates import decide
from kube.api.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestSpec
from kube.api.meta_v1 import ObjectMeta
from kube.pki import Subject, new_authority, new_key, sign, signing_request

SERVING = "kubernetes.io/kubelet-serving"


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

    text = sign(authority, request, ["server"], without={"10.0.0.1"})

    names = x509.load_pem_x509_certificate(text.encode()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert [str(address) for address in names.value.get_values_for_type(x509.IPAddress)] == ["10.0.0.7"]
    assert names.value.get_values_for_type(x509.DNSName) == ["here"]
