"""Sign the certificates by which nodes are known.

Reads CertificateSigningRequests; writes their approval and their certificate. Two signers of Kubernetes' own are
served here; requests to others are left to whoever serves them. A request is granted when it names nobody but the
asker (or, for a machine that joins, a node), and only for what a node needs. Addresses by which the API server or
another node is reached are left out: the server's machine may be a node, but a node's key must not pass for the API.
Source: kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests, kubernetes-signers
"""

import ipaddress
from dataclasses import dataclass
from typing import Final, Literal

from msgspec.structs import replace

from controllers.world import World, again_after_conflict
from kube.api.certificates_v1 import (
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
    CertificateSigningRequestStatus,
)
from kube.api.core_v1 import Endpoints, Node
from kube.client import Selection
from kube.controller import Controller
from kube.objects import ObjectKey, condition_is_true
from kube.pki import Pair, Purpose, Subject, requested_subject, sign
from kube.times import to_time

CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER: Final = "kubernetes.io/kubelet-serving"
BOOTSTRAPPERS: Final = "system:bootstrappers"
NODES: Final = "system:nodes"
NODE_PREFIX: Final = "system:node:"

LOOPBACK: Final = ("127.0.0.1", "::1")
_PURPOSES: Final[dict[str, Purpose]] = {CLIENT_SIGNER: "client", SERVING_SIGNER: "server"}
_USAGES: Final = {
    CLIENT_SIGNER: {"client auth", "digital signature", "key encipherment"},
    SERVING_SIGNER: {"server auth", "digital signature", "key encipherment"},
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a request, and why."""

    verdict: Literal["Approved", "Denied"]
    message: str


def decide(request: CertificateSigningRequest) -> Decision | None:
    """Return what becomes of a request, None where it is another signer's or has been decided."""
    if request.spec.signer_name not in _PURPOSES or request.status.conditions or request.status.certificate:
        return None
    try:
        subject = requested_subject(request.spec.request.decode("ascii"))
    except ValueError as error:
        return Decision("Denied", str(error))
    objections = [*_name_objections(request, subject), *_content_objections(request, subject)]
    if objections:
        return Decision("Denied", "; ".join(objections))
    return Decision("Approved", f"{request.spec.username} may have a certificate for {subject.common_name}")


def awaits_signature(request: CertificateSigningRequest) -> bool:
    """Say whether a request to one of our signers was approved, by us or by a person, and has no certificate yet."""
    is_ours = request.spec.signer_name in _PURPOSES
    return is_ours and not request.status.certificate and condition_is_true(request.status.conditions, "Approved")


def _name_objections(request: CertificateSigningRequest, subject: Subject) -> list[str]:
    asker, groups = request.spec.username, request.spec.groups
    if subject.organizations != (NODES,) or not subject.common_name.removeprefix(NODE_PREFIX):
        return [f"the subject is not O={NODES}, CN={NODE_PREFIX}NAME"]
    if not subject.common_name.startswith(NODE_PREFIX):
        return [f"the common name doesn't begin with {NODE_PREFIX}"]
    may_join = request.spec.signer_name == CLIENT_SIGNER and BOOTSTRAPPERS in groups
    is_itself = NODES in groups and asker == subject.common_name
    return [] if may_join or is_itself else [f"{asker} may not ask for {subject.common_name}"]


def _content_objections(request: CertificateSigningRequest, subject: Subject) -> list[str]:
    signer = request.spec.signer_name
    objections = []
    surplus = set(request.spec.usages) - _USAGES[signer]
    if surplus:
        objections.append(f"{signer} doesn't sign for {', '.join(sorted(surplus))}")
    if signer == CLIENT_SIGNER and subject.addresses:
        objections.append("a client's certificate names no addresses")
    if signer == SERVING_SIGNER and not subject.addresses:
        objections.append("a serving certificate names an address")
    names = [name for name in subject.addresses if not _is_ip(name)]
    if strange := sorted(set(names) - {subject.common_name.removeprefix(NODE_PREFIX)}):
        objections.append(f"a node's only name is its own, not {', '.join(strange)}")
    return objections


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class NodeCertificates:
    """Decides and signs. authority: the cluster's own."""

    def __init__(self, world: World, authority: Pair) -> None:
        self._world = world
        self._authority = authority
        self._requests = world.informers.of(CertificateSigningRequest)
        self.controller = Controller("certificates", again_after_conflict(self._reconcile), clock=world.clock)
        self.controller.hear(self._requests)

    async def _reconcile(self, key: ObjectKey) -> float | None:
        request = self._requests.get(key.name)
        if request is None:
            return None
        decision = decide(request)
        if decision is not None:
            request = await self._world.client.update(self._with_decision(request, decision), subresource="approval")
        if awaits_signature(request):
            request = await self._world.client.update(await self._with_certificate(request), subresource="status")
        self.controller.wrote(key, request)
        return None

    def _with_decision(self, request: CertificateSigningRequest, decision: Decision) -> CertificateSigningRequest:
        now = to_time(self._world.clock.now())
        condition = CertificateSigningRequestCondition(
            type=decision.verdict,
            status="True",
            reason="NodeCertificate",
            message=decision.message,
            last_update_time=now,
            last_transition_time=now,
        )
        return replace(request, status=CertificateSigningRequestStatus(conditions=(condition,)))

    async def _with_certificate(self, request: CertificateSigningRequest) -> CertificateSigningRequest:
        purpose, request_pem = _PURPOSES[request.spec.signer_name], request.spec.request.decode("ascii")
        others = await self._others_addresses(requested_subject(request_pem).common_name.removeprefix(NODE_PREFIX))
        now = self._world.clock.now()
        text = sign(self._authority, request_pem, [purpose], without=others, now=now)
        return replace(request, status=replace(request.status, certificate=text.encode()))

    async def _others_addresses(self, node: str) -> set[str]:
        """Return the addresses by which others than this node are reached: a node asks for what it likes to."""
        client, found = self._world.client, set(LOOPBACK)
        for other in (await client.list(Node)).items:
            if other.metadata.name != node:
                found.update(address.address for address in other.status.addresses)
        for endpoints in (await client.list(Endpoints, Selection(namespace="default"))).items:
            if endpoints.metadata.name == "kubernetes":
                found.update(address.ip for subset in endpoints.subsets for address in subset.addresses)
        return found
