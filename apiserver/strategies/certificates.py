"""The rules of CertificateSigningRequests: who asked is written by the server alone.

Source: kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests
"""

from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context
from kube.api.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestCondition
from kube.api.core_v1 import Service
from kube.errors import (
    FieldError,
    duplicate,
    forbidden,
    forbidden_field,
    invalid,
    method_not_allowed,
    not_supported,
    required,
)
from kube.pki import requested_subject
from kube.times import to_time

from .checks import Errors
from .filling import each, where_none
from .generations import Ungenerated

_DECISIONS: Final = frozenset({"Approved", "Denied"})
_FINAL: Final = frozenset({*_DECISIONS, "Failed"})
_STATUSES: Final = ("False", "True", "Unknown")
_EXPIRATION_MIN_S: Final = 600
_USAGES: Final = frozenset(
    {
        "any",
        "cert sign",
        "client auth",
        "code signing",
        "content commitment",
        "crl sign",
        "data encipherment",
        "decipher only",
        "digital signature",
        "email protection",
        "encipher only",
        "ipsec end system",
        "ipsec tunnel",
        "ipsec user",
        "key agreement",
        "key encipherment",
        "microsoft sgc",
        "netscape sgc",
        "ocsp signing",
        "s/mime",
        "server auth",
        "signing",
        "timestamping",
    }
)


CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client"
LEGACY_SIGNER: Final = "kubernetes.io/legacy-unknown"
SERVING_SIGNER: Final = "kubernetes.io/kubelet-serving"
_MASTERS: Final = "system:masters"
_DOMAINS_OF_SERVICES: Final = ("svc", "cluster.local")


class CertificateSigningRequestStrategy(Ungenerated[CertificateSigningRequest]):
    """CertificateSigningRequests. Approval has a door of its own, so that it can be granted on its own."""

    field_names = ("spec.signerName",)

    async def admit(
        self, obj: CertificateSigningRequest, old: CertificateSigningRequest | None, context: Context
    ) -> CertificateSigningRequest:
        """Refuse a client's request to be a master, and a node's to pass for a Service, the API's own first of all."""
        told = _too_much(obj, context) if old is None and not _request_errors(obj) else ""
        if told:
            name = obj.metadata.name
            raise forbidden(self.kind, name, f'{self.kind.resource} "{name}" is forbidden: {told}')
        return obj

    def with_status_of(
        self, obj: CertificateSigningRequest, source: CertificateSigningRequest
    ) -> CertificateSigningRequest:
        """Nobody manages what is asked for either, since nobody can change it."""
        return replace(super().with_status_of(obj, source), spec=source.spec)

    def prepare_create(self, obj: CertificateSigningRequest, context: Context) -> CertificateSigningRequest:
        user = context.user
        spec = replace(obj.spec, username=user.name, uid=user.uid, groups=user.groups, extra=user.extra)
        return super().prepare_create(replace(obj, spec=spec), context)

    def prepare_update(
        self, new: CertificateSigningRequest, old: CertificateSigningRequest, context: Context
    ) -> CertificateSigningRequest:
        return replace(new, spec=old.spec, status=old.status)

    def prepare_status_update(
        self, new: CertificateSigningRequest, old: CertificateSigningRequest, context: Context
    ) -> CertificateSigningRequest:
        """A status write brings the certificate; what was decided through approval stays word for word."""
        decided = {item.type: item for item in _decisions(old)}
        kept = tuple(decided.get(item.type, item) for item in new.status.conditions)
        conditions = _with_times(kept, old, context)
        return super().prepare_status_update(
            replace(new, status=replace(new.status, conditions=conditions)), old, context
        )

    def prepare_subresource_update(
        self, subresource: str, new: CertificateSigningRequest, old: CertificateSigningRequest, context: Context
    ) -> CertificateSigningRequest:
        if subresource != "approval":
            raise method_not_allowed()
        metadata = self.status_metadata(new.metadata, old.metadata)
        conditions = _with_times(new.status.conditions, old, context)
        return replace(old, metadata=metadata, status=replace(old.status, conditions=conditions))

    def validate(self, obj: CertificateSigningRequest) -> list[FieldError]:
        errors = [*_request_errors(obj), *_signer_errors(obj), *_usage_errors(obj)]
        seconds = obj.spec.expiration_seconds
        if seconds is not None and seconds < _EXPIRATION_MIN_S:
            detail = f"may not specify a duration less than {_EXPIRATION_MIN_S} seconds (10 minutes)"
            errors.append(invalid("spec.expirationSeconds", seconds, detail))
        return errors

    def validate_update(self, new: CertificateSigningRequest, old: CertificateSigningRequest) -> list[FieldError]:
        return []

    def validate_status_update(
        self, new: CertificateSigningRequest, old: CertificateSigningRequest
    ) -> list[FieldError]:
        errors = list(_conditions_errors(new, old))
        before = {item.type for item in old.status.conditions}
        added = [item.type for item in _decisions(new) if item.type not in before]
        errors += [
            forbidden_field("status.conditions", f'updates may not add a condition of type "{kind}"') for kind in added
        ]
        if new.status.certificate != old.status.certificate:
            if old.status.certificate:
                detail = "updates may not modify existing certificate content"
                errors.append(forbidden_field("status.certificate", detail))
            elif b"-----BEGIN CERTIFICATE-----" not in new.status.certificate:
                detail = "must contain at least one CERTIFICATE PEM block"
                errors.append(invalid("status.certificate", "<certificate data>", detail))
        return errors

    def validate_subresource_update(
        self, subresource: str, new: CertificateSigningRequest, old: CertificateSigningRequest
    ) -> list[FieldError]:
        errors = list(_conditions_errors(new, old))
        if {item.type for item in _decisions(new)} == _DECISIONS:
            errors.append(
                invalid("status.conditions", "Denied", "Approved and Denied conditions are mutually exclusive")
            )
        return errors

    def selectable_fields(self, obj: CertificateSigningRequest) -> dict[str, str]:
        return {**super().selectable_fields(obj), "spec.signerName": obj.spec.signer_name}


def _too_much(obj: CertificateSigningRequest, context: Context) -> str:
    """Return what nobody may ask a signer for, "" where a request doesn't."""
    signer, subject = obj.spec.signer_name, requested_subject(obj.spec.request.decode("ascii"))
    if signer == CLIENT_SIGNER and _MASTERS in subject.organizations:
        return f"use of {signer} signer with {_MASTERS} group is not allowed"
    if signer != SERVING_SIGNER:
        return ""
    held = {ip for service in context.objects.all(Service) for ip in service.spec.cluster_ips}
    taken = sorted(name for name in subject.addresses if name in held or _is_service_name(name))
    return f"a node's certificate can't be for what Services are reached by: {', '.join(taken)}" if taken else ""


def _is_service_name(name: str) -> bool:
    name = name.lower().rstrip(".")
    inner = name in ("kubernetes", "kubernetes.default") or name.startswith("*")
    return inner or any(name == domain or name.endswith(f".{domain}") for domain in _DOMAINS_OF_SERVICES)


def _decisions(obj: CertificateSigningRequest) -> tuple[CertificateSigningRequestCondition, ...]:
    return tuple(item for item in obj.status.conditions if item.type in _DECISIONS)


def _with_times(
    conditions: tuple[CertificateSigningRequestCondition, ...], old: CertificateSigningRequest, context: Context
) -> tuple[CertificateSigningRequestCondition, ...]:
    """Return the conditions with the moments noted at which they came, where they don't say so."""
    known = {item.type: item for item in old.status.conditions}
    now = to_time(context.now)

    def noted(item: CertificateSigningRequestCondition) -> CertificateSigningRequestCondition:
        before = known.get(item.type)
        if before is not None and before.status == item.status:
            return where_none(item, last_update_time=now, last_transition_time=before.last_transition_time or now)
        return where_none(item, last_update_time=now, last_transition_time=now)

    return each(conditions, noted)


def _conditions_errors(new: CertificateSigningRequest, old: CertificateSigningRequest) -> Errors:
    """Check what is said of a request: each thing once, and nothing that is final is taken back."""
    kept: set[str] = set()
    for index, item in enumerate(new.status.conditions):
        here = f"status.conditions[{index}]"
        if not item.type:
            yield required(f"{here}.type")
        if item.type in _FINAL and item.status != "True":
            yield not_supported(f"{here}.status", item.status, ("True",))
        elif item.status not in _STATUSES:
            yield not_supported(f"{here}.status", item.status, _STATUSES)
        if item.type in kept:
            yield duplicate(f"{here}.type", item.type)
        kept.add(item.type)
    for kind in dict.fromkeys(item.type for item in old.status.conditions if item.type in _FINAL):
        if kind not in kept:
            yield forbidden_field("status.conditions", f'updates may not remove a condition of type "{kind}"')


def _request_errors(obj: CertificateSigningRequest) -> list[FieldError]:
    if not obj.spec.request:
        return [required("spec.request")]
    try:
        requested_subject(obj.spec.request.decode("ascii"))
    except ValueError as error:
        return [invalid("spec.request", "<request>", str(error))]
    return []


def _signer_errors(obj: CertificateSigningRequest) -> list[FieldError]:
    signer = obj.spec.signer_name
    if not signer:
        return [required("spec.signerName")]
    if signer == LEGACY_SIGNER:
        return [invalid("spec.signerName", signer, "the legacy signerName is not allowed via this API version")]
    domain, _, path = signer.partition("/")
    if "." not in domain or not path:
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid("spec.signerName", signer, detail)]
    return []


def _usage_errors(obj: CertificateSigningRequest) -> list[FieldError]:
    if not obj.spec.usages:
        return [required("spec.usages")]
    first = {usage: index for index, usage in reversed([*enumerate(obj.spec.usages)])}
    twice = [(index, usage) for index, usage in enumerate(obj.spec.usages) if first[usage] < index]
    if twice:
        return [duplicate(f"spec.usages[{index}]", usage) for index, usage in twice]
    unknown = [(index, usage) for index, usage in enumerate(obj.spec.usages) if usage not in _USAGES]
    return [not_supported(f"spec.usages[{index}]", usage, _USAGES) for index, usage in unknown]
