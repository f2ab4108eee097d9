"""The rules of Namespaces and Nodes: what everything else is in, or on.

A namespace ends only when the controller that empties it has taken its finalizer off. A node's spec is written by
people and the controllers, its status by its agent.
Source: kubernetes.io/docs/reference/kubernetes-api/cluster-resources
"""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context
from kube import names
from kube.api.core_v1 import Namespace, NamespaceSpec, NamespaceStatus, Node, NodeSpec, NodeStatus, Taint
from kube.errors import FieldError, duplicate, forbidden, forbidden_field, invalid, method_not_allowed
from kube.objects import with_metadata

from .checks import Errors, cidr, fits, named, one_of
from .generations import Ungenerated
from .metadata import finalizer_errors
from .placement import TAINT_EFFECTS
from .resources import amounts_errors

UNDELETABLE: Final = frozenset({"default", "kube-system", "kube-public"})
NAME_LABEL: Final = "kubernetes.io/metadata.name"
NAMESPACE_FINALIZER: Final = "kubernetes"
NOT_READY: Final = Taint(key="node.kubernetes.io/not-ready", effect="NoSchedule")


class NamespaceStrategy(Ungenerated[Namespace]):
    """Namespaces."""

    returns_deleted = True
    field_names = ("status.phase",)

    def check_name(self, name: str) -> list[str]:
        return names.check_dns_label(name)

    def default(self, obj: Namespace) -> Namespace:
        name = obj.metadata.name
        if not name or obj.metadata.labels.get(NAME_LABEL) == name:
            return obj
        return with_metadata(obj, labels={**obj.metadata.labels, NAME_LABEL: name})

    def prepare_create(self, obj: Namespace, context: Context) -> Namespace:
        finalizers = obj.spec.finalizers
        if NAMESPACE_FINALIZER not in finalizers:
            finalizers = (*finalizers, NAMESPACE_FINALIZER)
        spec, status = NamespaceSpec(finalizers=finalizers), NamespaceStatus(phase="Active")
        return replace(self.default(obj), spec=spec, status=status)

    def prepare_update(self, new: Namespace, old: Namespace, context: Context) -> Namespace:
        return replace(new, spec=old.spec, status=old.status)

    def validate_status_update(self, new: Namespace, old: Namespace) -> list[FieldError]:
        wanted = "Terminating" if new.metadata.deletion_timestamp else "Active"
        if new.status.phase in ("", wanted):
            return []
        state = "not empty" if new.metadata.deletion_timestamp else "empty"
        detail = f"may only be '{wanted}' if `deletionTimestamp` is {state}"
        return [invalid("status.Phase", new.status.phase, detail)]

    def prepare_subresource_update(
        self, subresource: str, new: Namespace, old: Namespace, context: Context
    ) -> Namespace:
        if subresource != "finalize":
            raise method_not_allowed()
        return replace(old, spec=new.spec)

    def prepare_delete(self, obj: Namespace, context: Context) -> Namespace:
        """A namespace ends when what is in it has ended; there is no grace that could be told in seconds."""
        terminating = with_metadata(obj, deletion_grace_period_seconds=None)
        return replace(terminating, status=replace(obj.status, phase="Terminating"))

    def is_held(self, obj: Namespace) -> bool:
        return bool(obj.spec.finalizers)

    def validate(self, obj: Namespace) -> list[FieldError]:
        return list(_finalizers_errors(obj.spec))

    def validate_subresource_update(self, subresource: str, new: Namespace, old: Namespace) -> list[FieldError]:
        return self.validate(new)

    def selectable_fields(self, obj: Namespace) -> Mapping[str, str]:
        return {**super().selectable_fields(obj), "status.phase": obj.status.phase}

    async def admit_delete(self, obj: Namespace, context: Context) -> None:
        name = obj.metadata.name
        if name in UNDELETABLE:
            raise forbidden(self.kind, name, f'namespaces "{name}" is forbidden: this namespace may not be deleted')


def _finalizers_errors(spec: NamespaceSpec) -> Errors:
    for index, finalizer in enumerate(spec.finalizers):
        yield from finalizer_errors(finalizer, f"spec.finalizers[{index}]")


class NodeStrategy(Ungenerated[Node]):
    """Nodes: they register themselves, status and all."""

    field_names = ("spec.unschedulable",)

    def default(self, obj: Node) -> Node:
        spec, status = _default_cidrs(obj.spec), _default_allocatable(obj.status)
        return obj if spec is obj.spec and status is obj.status else replace(obj, spec=spec, status=status)

    def prepare_create(self, obj: Node, context: Context) -> Node:
        """A node takes no pods until it has been seen to be ready (admission TaintNodesByCondition)."""
        if any((taint.key, taint.effect) == (NOT_READY.key, NOT_READY.effect) for taint in obj.spec.taints):
            return obj
        return replace(obj, spec=replace(obj.spec, taints=(*obj.spec.taints, NOT_READY)))

    def validate(self, obj: Node) -> list[FieldError]:
        return list(_node_errors(obj))

    def validate_update(self, new: Node, old: Node) -> list[FieldError]:
        return [*self.validate(new), *_node_change_errors(new.spec, old.spec)]

    def validate_status_update(self, new: Node, old: Node) -> list[FieldError]:
        return list(_node_status_errors(new.status))

    def selectable_fields(self, obj: Node) -> Mapping[str, str]:
        return {**super().selectable_fields(obj), "spec.unschedulable": "true" if obj.spec.unschedulable else "false"}


def _default_cidrs(spec: NodeSpec) -> NodeSpec:
    """Make podCIDR and podCIDRs say the same; where they differ, the older field is the one that counts."""
    if spec.pod_cidr and spec.pod_cidrs[:1] != (spec.pod_cidr,):
        return replace(spec, pod_cidrs=(spec.pod_cidr,))
    if spec.pod_cidrs and not spec.pod_cidr:
        return replace(spec, pod_cidr=spec.pod_cidrs[0])
    return spec


def _default_allocatable(status: NodeStatus) -> NodeStatus:
    if status.capacity and not status.allocatable:
        return replace(status, allocatable=status.capacity)
    return status


def _node_errors(node: Node) -> Errors:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(node.spec.taints):
        here = f"metadata.taints[{index}]"
        yield from _taint_errors(taint, here)
        if (taint.key, taint.effect) in seen:
            yield duplicate(here, taint, "taints must be unique by key and effect pair")
        seen.add((taint.key, taint.effect))
    for index, pods in enumerate(node.spec.pod_cidrs):
        yield from cidr(f"spec.podCIDRs[{index}]", pods)
    families = [":" in pods for pods in node.spec.pod_cidrs]
    if len(families) != len(set(families)):
        yield invalid("spec.podCIDRs", node.spec.pod_cidrs, "may specify no more than one CIDR for each IP family")
    yield from _node_status_errors(node.status)


def _taint_errors(taint: Taint, path: str) -> Errors:
    yield from fits(f"{path}.key", taint.key, names.check_label_key)
    if taint.value:
        yield from named(f"{path}.value", taint.value, names.check_label_value)
    yield from one_of(f"{path}.effect", taint.effect, TAINT_EFFECTS)


def _node_status_errors(status: NodeStatus) -> Errors:
    seen: set[tuple[str, str]] = set()
    for index, address in enumerate(status.addresses):
        if (address.type, address.address) in seen:
            yield duplicate(f"status.addresses[{index}]", address)
        seen.add((address.type, address.address))
    yield from amounts_errors(
        {name: amount for name, amount in status.capacity.items() if "/" in name}, "status.capacity"
    )


def _node_change_errors(new: NodeSpec, old: NodeSpec) -> Errors:
    if old.pod_cidrs and new.pod_cidrs != old.pod_cidrs:
        detail = 'node updates may not change podCIDR except from "" to valid'
        yield forbidden_field("spec.podCIDRs", detail)
    if old.provider_id and new.provider_id != old.provider_id:
        detail = 'node updates may not change providerID except from "" to valid'
        yield forbidden_field("spec.providerID", detail)
