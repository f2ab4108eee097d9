"""Sign what was asked for and approved, and decide for nodes.

Reads CertificateSigningRequests; writes their certificate, or why there is none, and for those of nodes their approval.
The signers of Kubernetes' own are served here (`signers`); requests to others are left to whoever serves them.
Nobody has to be asked for a node's certificate: it is granted when it names nobody but the asker (or, for a machine
that joins, a node) and only for what a node needs. All others wait for a person. Addresses by which the API server or
another node is reached are left out: the server's machine may be a node, but a node's key must not pass for the API.
Source: kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests, kubernetes-signers
"""

import ipaddress
from dataclasses import dataclass
from typing import Final, Literal

from msgspec.structs import replace

from controllers.signers import (
    NODE_CLIENT,
    NODE_PREFIX,
    NODE_SERVING,
    NODE_SIGNERS,
    NODES,
    SIGNERS,
    objections,
    signed,
)
from controllers.world import World, again_after_conflict
from kube.api.certificates_v1 import (
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
)
from kube.api.core_v1 import Endpoints, Node
from kube.client import Selection
from kube.controller import Controller
from kube.objects import ObjectKey, condition_is_true
from kube.pki import Pair, Subject, requested_subject
from kube.times import to_time

BOOTSTRAPPERS: Final = "system:bootstrappers"
LOOPBACK: Final = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a request, and why."""

    verdict: Literal["Approved", "Denied"]
    message: str


def decide(request: CertificateSigningRequest) -> Decision | None:
    """Return what becomes of a node's request, None where it is no node's or has been decided."""
    if request.spec.signer_name not in NODE_SIGNERS or request.status.conditions or request.status.certificate:
        return None
    wrong = objections(request)
    if wrong:
        return Decision("Denied", "; ".join(wrong))
    subject = requested_subject(request.spec.request.decode("ascii"))
    wrong = [*_asker_objections(request, subject), *_name_objections(subject)]
    if wrong:
        return Decision("Denied", "; ".join(wrong))
    return Decision("Approved", f"{request.spec.username} may have a certificate for {subject.common_name}")


def awaits_signature(request: CertificateSigningRequest) -> bool:
    """Say whether a request to one of our signers was approved, by us or by a person, and nothing came of it yet."""
    status = request.status
    if request.spec.signer_name not in SIGNERS or status.certificate or condition_is_true(status.conditions, "Failed"):
        return False
    return condition_is_true(status.conditions, "Approved")


def _asker_objections(request: CertificateSigningRequest, subject: Subject) -> list[str]:
    asker, groups = request.spec.username, request.spec.groups
    may_join = request.spec.signer_name == NODE_CLIENT and BOOTSTRAPPERS in groups
    is_itself = NODES in groups and asker == subject.common_name
    return [] if may_join or is_itself else [f"{asker} may not ask for {subject.common_name}"]


def _name_objections(subject: Subject) -> list[str]:
    names = {name for name in subject.addresses if not _is_ip(name)}
    strange = sorted(names - {subject.common_name.removeprefix(NODE_PREFIX)})
    return [f"a node's only name is its own, not {', '.join(strange)}"] if strange else []


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Certificates:
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
            decided = self._with_condition(request, decision.verdict, "NodeCertificate", decision.message)
            request = await self._world.client.update(decided, subresource="approval")
        if awaits_signature(request):
            request = await self._world.client.update(await self._with_outcome(request), subresource="status")
        self.controller.wrote(key, request)
        return None

    def _with_condition(
        self, request: CertificateSigningRequest, verdict: str, reason: str, message: str
    ) -> CertificateSigningRequest:
        now = to_time(self._world.clock.now())
        told = CertificateSigningRequestCondition(
            type=verdict,
            status="True",
            reason=reason,
            message=message,
            last_update_time=now,
            last_transition_time=now,
        )
        return replace(request, status=replace(request.status, conditions=(*request.status.conditions, told)))

    async def _with_outcome(self, request: CertificateSigningRequest) -> CertificateSigningRequest:
        """Return a request with its certificate, or with why it gets none."""
        wrong = objections(request)
        if wrong:
            return self._with_condition(request, "Failed", "SignerValidationFailure", "; ".join(wrong))
        try:
            certificate = signed(
                self._authority, request, now=self._world.clock.now(), others=await self._not_for(request)
            )
        except ValueError as error:
            return self._with_condition(request, "Failed", "SigningError", str(error))
        return replace(request, status=replace(request.status, certificate=certificate))

    async def _not_for(self, request: CertificateSigningRequest) -> set[str]:
        """Return the addresses that a request's certificate must not have."""
        if request.spec.signer_name != NODE_SERVING:
            return set()
        subject = requested_subject(request.spec.request.decode("ascii"))
        return await self._others_addresses(subject.common_name.removeprefix(NODE_PREFIX))

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
