"""The rules of PersistentVolumeClaims, and of the claims that pods and StatefulSets carry.

What a claim asks for is fixed once it is made, but for its size and its attributes class while it is bound.
Source: kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/persistent-volume-claim-v1
"""

from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context
from kube.api.core_v1 import (
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
    TypedLocalObjectReference,
    TypedObjectReference,
)
from kube.api.storage_v1 import StorageClass
from kube.errors import FieldError, forbidden, forbidden_field, immutable, invalid, not_supported, required
from kube.kinds import kind_of
from kube.names import check_dns_label, check_dns_subdomain
from kube.objects import with_finalizer
from kube.quantity import Quantity
from kube.volumes import CLAIM_PROTECTION, asked_of, class_of, default_class

from .checks import Errors, label_selector, named_if_set, one_of_if_given
from .differing import with_difference
from .generations import Ungenerated
from .pod_defaults import default_claim_spec

ACCESS_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES: Final = ("Block", "Filesystem")
_CHANGEABLE: Final = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_CLAIM: Final = "PersistentVolumeClaim"
_KIND: Final = kind_of(PersistentVolumeClaim)
_ZERO: Final = Quantity("0")
_COPIED: Final = (("", _CLAIM), ("snapshot.storage.k8s.io", "VolumeSnapshot"))
"""What a claim's dataSource may name; dataSourceRef may name anything."""


class ClaimStrategy(Ungenerated[PersistentVolumeClaim]):
    """PersistentVolumeClaims; one that names no class gets the default one."""

    returns_deleted = True

    def default(self, obj: PersistentVolumeClaim) -> PersistentVolumeClaim:
        spec = default_claim_spec(obj.spec)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    async def admit(
        self, obj: PersistentVolumeClaim, old: PersistentVolumeClaim | None, context: Context
    ) -> PersistentVolumeClaim:
        if old is not None:
            _admit_growth(obj, old, context)
            return obj
        if obj.spec.storage_class_name is not None:
            return obj
        chosen = default_class(context.objects.all(StorageClass))
        if chosen is None:
            return obj
        return replace(obj, spec=replace(obj.spec, storage_class_name=chosen.metadata.name))

    def prepare_create(self, obj: PersistentVolumeClaim, context: Context) -> PersistentVolumeClaim:
        held = with_finalizer(obj, CLAIM_PROTECTION)
        return replace(held, spec=with_sources(obj.spec), status=PersistentVolumeClaimStatus(phase="Pending"))

    def prepare_update(
        self, new: PersistentVolumeClaim, old: PersistentVolumeClaim, context: Context
    ) -> PersistentVolumeClaim:
        new = super().prepare_update(new, old, context)
        return replace(new, spec=with_sources(new.spec))

    def validate(self, obj: PersistentVolumeClaim) -> list[FieldError]:
        return list(claim_spec_errors(obj.spec, "spec"))

    def validate_update(self, new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> list[FieldError]:
        return [*self.validate(new), *_change_errors(new, old)]


def _admit_growth(new: PersistentVolumeClaim, old: PersistentVolumeClaim, context: Context) -> None:
    """Raise ApiError 403 where a claim that is bound is to grow and its class doesn't let it.

    Source: kubernetes.io/docs/reference/access-authn-authz/admission-controllers, PersistentVolumeClaimResize.
    """
    if asked_of(new) <= asked_of(old) or old.status.phase != "Bound":
        return
    storage_class = context.objects.get(StorageClass, class_of(old)) if class_of(old) else None
    if storage_class is None or not storage_class.allow_volume_expansion:
        told = (
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support"
            " resize"
        )
        name = new.metadata.name
        raise forbidden(_KIND, name, f'{_KIND.resource} "{name}" is forbidden: {told}')


def with_sources(spec: PersistentVolumeClaimSpec) -> PersistentVolumeClaimSpec:
    """Return the spec with dataSource and dataSourceRef saying the same, where both can."""
    source, reference = spec.data_source, spec.data_source_ref
    if source is not None and (source.api_group or "", source.kind) not in _COPIED:
        source = None
    if source is not None and reference is None:
        reference = TypedObjectReference(api_group=source.api_group, kind=source.kind, name=source.name)
    elif reference is not None and source is None and not reference.namespace:
        source = TypedLocalObjectReference(api_group=reference.api_group, kind=reference.kind, name=reference.name)
    if source is spec.data_source and reference is spec.data_source_ref:
        return spec
    return replace(spec, data_source=source, data_source_ref=reference)


def claim_spec_errors(spec: PersistentVolumeClaimSpec, path: str) -> Errors:
    """Check what a claim asks for."""
    yield from access_modes_errors(spec.access_modes, f"{path}.accessModes")
    yield from label_selector(f"{path}.selector", spec.selector)
    amount = spec.resources.requests.get("storage")
    if amount is None:
        yield required(f"{path}.resources[storage]")
    elif amount <= _ZERO:
        yield invalid(f"{path}.resources[storage]", amount.text, "must be greater than zero")
    yield from named_if_set(f"{path}.storageClassName", spec.storage_class_name, check_dns_subdomain)
    yield from one_of_if_given(f"{path}.volumeMode", spec.volume_mode, VOLUME_MODES)
    yield from _sources_errors(spec, path)
    yield from named_if_set(f"{path}.volumeAttributesClassName", spec.volume_attributes_class_name, check_dns_subdomain)


def access_modes_errors(modes: tuple[str, ...], path: str) -> Errors:
    """Check from where a volume may be mounted."""
    if not modes:
        yield required(path, "at least 1 access mode is required")
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield not_supported(path, mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and set(modes) & set(ACCESS_MODES[:-1]):
        yield forbidden_field(path, "may not use ReadWriteOncePod with other access modes")


def _sources_errors(spec: PersistentVolumeClaimSpec, path: str) -> Errors:
    source, reference = spec.data_source, spec.data_source_ref
    for field, found in (("dataSource", source), ("dataSourceRef", reference)):
        if found is not None:
            yield from _source_errors(found, f"{path}.{field}")
    if reference is not None and reference.namespace:
        yield from named_if_set(f"{path}.dataSourceRef.namespace", reference.namespace, check_dns_label)
        if source is not None:
            yield invalid(path, f"{path}.dataSource", "may not be specified when dataSourceRef.namespace is specified")
    elif source is not None and reference is not None:
        pairs = ((one.api_group, one.kind, one.name) for one in (source, reference))
        if len(set(pairs)) > 1:
            yield invalid(path, f"{path}.dataSource", "must match dataSourceRef")


def _source_errors(source: TypedLocalObjectReference | TypedObjectReference, path: str) -> Errors:
    if not source.name:
        yield required(f"{path}.name")
    if not source.kind:
        yield required(f"{path}.kind")
    if not source.api_group and source.kind != _CLAIM:
        yield invalid(path, source.kind, f"must be '{_CLAIM}' when referencing the default apiGroup")
    yield from named_if_set(f"{path}.apiGroup", source.api_group, check_dns_subdomain)


def _change_errors(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> Errors:
    """Check that a claim goes on asking for what it did; a binding may name its volume, and its class, once."""
    kept = new.spec
    if not old.spec.volume_name:
        kept = replace(kept, volume_name="")
    if old.spec.storage_class_name is None:
        kept = replace(kept, storage_class_name=None)
    if new.status.phase == "Bound":
        kept = replace(
            kept,
            resources=replace(kept.resources, requests=_with_size_of(new, old)),
            volume_attributes_class_name=old.spec.volume_attributes_class_name,
        )
    if kept != old.spec:
        yield forbidden_field("spec", with_difference(_CHANGEABLE, kept, old.spec))
    asked, before = (claim.spec.resources.requests.get("storage", _ZERO) for claim in (new, old))
    if asked < before and asked <= old.status.capacity.get("storage", _ZERO):
        yield forbidden_field("spec.resources.requests.storage", "field can not be less than status.capacity")
    if new.spec.volume_mode != old.spec.volume_mode:
        yield immutable("volumeMode", new.spec.volume_mode)
    if old.status.current_volume_attributes_class_name is not None and not new.spec.volume_attributes_class_name:
        empty = "nil" if new.spec.volume_attributes_class_name is None else "empty string"
        detail = f"update to {empty} is forbidden when status.currentVolumeAttributesClassName is set"
        yield forbidden_field("spec.volumeAttributesClassName", detail)


def _with_size_of(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> dict[str, Quantity]:
    requests = dict(new.spec.resources.requests)
    if "storage" in old.spec.resources.requests:
        requests["storage"] = old.spec.resources.requests["storage"]
    return requests
