"""The rules of CertificateSigningRequests: who asked is written by the server alone.

Source: kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests
"""

from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context, Strategy
from kube.api.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestCondition
from kube.api.core_v1 import Service
from kube.errors import FieldError, forbidden, immutable, invalid, method_not_allowed, not_supported, required
from kube.pki import requested_subject

_DECISIONS: Final = frozenset({"Approved", "Denied"})
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


SERVING_SIGNER: Final = "kubernetes.io/kubelet-serving"
_DOMAINS_OF_SERVICES: Final = ("svc", "cluster.local")


class CertificateSigningRequestStrategy(Strategy[CertificateSigningRequest]):
    """CertificateSigningRequests. Approval has a door of its own, so that it can be granted on its own."""

    field_names = ("spec.signerName",)

    async def admit(
        self, obj: CertificateSigningRequest, old: CertificateSigningRequest | None, context: Context
    ) -> CertificateSigningRequest:
        """Refuse a node's request to pass for a Service, the API's own first of all."""
        if old is None and obj.spec.signer_name == SERVING_SIGNER and not _request_errors(obj):
            wanted = requested_subject(obj.spec.request.decode("ascii")).addresses
            held = {ip for service in context.objects.all(Service) for ip in service.spec.cluster_ips}
            if taken := sorted(name for name in wanted if name in held or _is_service_name(name)):
                told = f"a node's certificate can't be for what Services are reached by: {', '.join(taken)}"
                name = obj.metadata.name
                raise forbidden(self.kind, name, f'{self.kind.resource} "{name}" is forbidden: {told}')
        return obj

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
        """A status write brings the certificate; the decisions stay those that were made through approval."""
        decided = _decisions(old)
        others = tuple(item for item in new.status.conditions if item.type not in _DECISIONS)
        return super().prepare_status_update(
            replace(new, status=replace(new.status, conditions=decided + others)), old, context
        )

    def prepare_subresource_update(
        self, subresource: str, new: CertificateSigningRequest, old: CertificateSigningRequest, context: Context
    ) -> CertificateSigningRequest:
        if subresource != "approval":
            raise method_not_allowed()
        return replace(old, status=replace(old.status, conditions=new.status.conditions))

    def validate(self, obj: CertificateSigningRequest) -> list[FieldError]:
        return [*_request_errors(obj), *_signer_errors(obj), *_usage_errors(obj)]

    def validate_update(self, new: CertificateSigningRequest, old: CertificateSigningRequest) -> list[FieldError]:
        return []

    def validate_status_update(
        self, new: CertificateSigningRequest, old: CertificateSigningRequest
    ) -> list[FieldError]:
        if old.status.certificate and new.status.certificate != old.status.certificate:
            return [immutable("status.certificate", "<certificate>")]
        return []

    def validate_subresource_update(
        self, subresource: str, new: CertificateSigningRequest, old: CertificateSigningRequest
    ) -> list[FieldError]:
        decided = {item.type for item in _decisions(new)}
        lost = {item.type for item in _decisions(old)} - decided
        errors = [required("status.conditions", f"the condition {kind} can't be taken back") for kind in sorted(lost)]
        if decided == _DECISIONS:
            errors.append(
                invalid("status.conditions", "Denied", "Approved and Denied conditions are mutually exclusive")
            )
        return errors

    def selectable_fields(self, obj: CertificateSigningRequest) -> dict[str, str]:
        return {**super().selectable_fields(obj), "spec.signerName": obj.spec.signer_name}


def _is_service_name(name: str) -> bool:
    name = name.lower().rstrip(".")
    inner = name in ("kubernetes", "kubernetes.default") or name.startswith("*")
    return inner or any(name == domain or name.endswith(f".{domain}") for domain in _DOMAINS_OF_SERVICES)


def _decisions(obj: CertificateSigningRequest) -> tuple[CertificateSigningRequestCondition, ...]:
    return tuple(item for item in obj.status.conditions if item.type in _DECISIONS)


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
    domain, _, path = signer.partition("/")
    if "." not in domain or not path:
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid("spec.signerName", signer, detail)]
    return []


def _usage_errors(obj: CertificateSigningRequest) -> list[FieldError]:
    if not obj.spec.usages:
        return [required("spec.usages")]
    unknown = [(index, usage) for index, usage in enumerate(obj.spec.usages) if usage not in _USAGES]
    return [not_supported(f"spec.usages[{index}]", usage, _USAGES) for index, usage in unknown]
