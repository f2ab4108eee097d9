"""What each of Kubernetes' own signers puts its name to, and the certificate it makes.

Plain functions: a request (and the authority, and now) in; a refusal or a certificate out. The rules are those that a
signer keeps whoever has approved; kubernetes.io/legacy-unknown can't be asked for since certificates.k8s.io/v1. An
address by which somebody else is reached never gets into a node's certificate.
Source: kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests, kubernetes-signers
"""

from collections.abc import Container
from datetime import datetime, timedelta
from typing import Final

from kube.api.certificates_v1 import CertificateSigningRequest
from kube.pki import LEAF_LIFETIME, Pair, Subject, requested_subject, sign

CLIENT: Final = "kubernetes.io/kube-apiserver-client"
NODE_CLIENT: Final = "kubernetes.io/kube-apiserver-client-kubelet"
NODE_SERVING: Final = "kubernetes.io/kubelet-serving"
SIGNERS: Final = (CLIENT, NODE_CLIENT, NODE_SERVING)
NODE_SIGNERS: Final = (NODE_CLIENT, NODE_SERVING)

NODES: Final = "system:nodes"
NODE_PREFIX: Final = "system:node:"
LIFETIME_MIN: Final = timedelta(minutes=10)
_PURPOSES: Final = {CLIENT: "client auth", NODE_CLIENT: "client auth", NODE_SERVING: "server auth"}
_ALWAYS_GOOD: Final = frozenset({"digital signature", "key encipherment"})


def objections(request: CertificateSigningRequest) -> list[str]:
    """Return why the signer of a request refuses to sign it, nothing where it doesn't."""
    try:
        subject = requested_subject(request.spec.request.decode("ascii"))
    except ValueError as error:
        return [str(error)]
    signer = request.spec.signer_name
    found = _usage_objections(signer, request.spec.usages)
    return [*found, *_node_objections(signer, subject)] if signer in NODE_SIGNERS else found


def _usage_objections(signer: str, usages: tuple[str, ...]) -> list[str]:
    purpose, found = _PURPOSES[signer], []
    if surplus := sorted(set(usages) - _ALWAYS_GOOD - {purpose}):
        found.append(f"{signer} doesn't sign for {', '.join(surplus)}")
    needed = (purpose, "digital signature") if signer in NODE_SIGNERS else (purpose,)
    if missing := [usage for usage in needed if usage not in usages]:
        found.append(f"{signer} signs for {', '.join(missing)}, which is not among the usages")
    return found


def _node_objections(signer: str, subject: Subject) -> list[str]:
    found = []
    if subject.organizations != (NODES,):
        found.append(f"the subject's organization is not {NODES} alone")
    if not subject.common_name.removeprefix(NODE_PREFIX):
        found.append(f"the subject is not O={NODES}, CN={NODE_PREFIX}NAME")
    elif not subject.common_name.startswith(NODE_PREFIX):
        found.append(f"the common name doesn't begin with {NODE_PREFIX}")
    if subject.contacts:
        found.append("a node's certificate names no e-mail addresses or URIs")
    if signer == NODE_CLIENT and subject.addresses:
        found.append("a client's certificate names no addresses")
    if signer == NODE_SERVING and not subject.addresses:
        found.append("a serving certificate names an address")
    return found


def lifetime(request: CertificateSigningRequest) -> timedelta:
    """Return how long the certificate holds: as long as was asked for, between ten minutes and a year."""
    asked_s = request.spec.expiration_seconds
    if asked_s is None:
        return LEAF_LIFETIME
    return min(max(timedelta(seconds=asked_s), LIFETIME_MIN), LEAF_LIFETIME)


def signed(authority: Pair, request: CertificateSigningRequest, *, now: datetime, others: Container[str] = ()) -> bytes:
    """Return the certificate, as PEM. others: the addresses that it must not have. Raises ValueError."""
    text = request.spec.request.decode("ascii")
    return sign(authority, text, request.spec.usages, lifetime=lifetime(request), without=others, now=now).encode()
