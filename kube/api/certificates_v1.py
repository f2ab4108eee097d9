"""The types of certificates.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from collections.abc import Mapping
from typing import Annotated

from kube.api.meta_v1 import ListMeta, ObjectMeta
from kube.api.object import ListMap, Object, always
from kube.api.scalars import Int32, Time


class CertificateSigningRequestSpec(Object, frozen=True):
    """The encoded request, the signer, the usages and who asked."""

    expiration_seconds: Int32 | None = None
    extra: Mapping[str, tuple[str, ...]] = {}
    groups: tuple[str, ...] = ()
    request: bytes = always(b"")
    signer_name: str = always("")
    uid: str = ""
    usages: tuple[str, ...] = ()
    username: str = ""


class CertificateSigningRequestCondition(Object, frozen=True):
    """A note that a signing request was approved, denied or failed."""

    last_transition_time: Time | None = always(None)
    last_update_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = always("")
    type: str = always("")


class CertificateSigningRequestStatus(Object, frozen=True):
    """The approval conditions and, once issued, the certificate."""

    certificate: bytes = b""
    conditions: Annotated[tuple[CertificateSigningRequestCondition, ...], ListMap(keys=("type",))] = ()


class CertificateSigningRequest(Object, frozen=True):
    """Asks a signer to issue an X.509 certificate."""

    api_version: str = always("certificates.k8s.io/v1")
    kind: str = always("CertificateSigningRequest")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: CertificateSigningRequestSpec = always(CertificateSigningRequestSpec())
    status: CertificateSigningRequestStatus = always(CertificateSigningRequestStatus())


class CertificateSigningRequestList(Object, frozen=True):
    """A list of certificate signing requests."""

    api_version: str = always("certificates.k8s.io/v1")
    kind: str = always("CertificateSigningRequestList")
    items: tuple[CertificateSigningRequest, ...] = always(())
    metadata: ListMeta = always(ListMeta())
