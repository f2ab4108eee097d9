"""What the EndpointSlices of a Service should hold, with as few writes as possible.

Pods whose named ports lead to different numbers go to different slices. An endpoint stays in the slice where it is; new
ones fill the fullest slice that has room; a slice that is empty goes, unless it is the last.
Source: kubernetes.io/docs/concepts/services-networking/endpoint-slices
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from controllers.backends import (
    address_of,
    can_serve,
    hostname_of,
    labels_for,
    pod_reference,
    target_port,
)
from controllers.pods import is_ready
from kube.api.core_v1 import Pod, Service
from kube.api.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from kube.api.meta_v1 import ObjectMeta
from kube.objects import controller_reference, is_controlled_by, is_terminating, with_metadata

SLICE_MAX: Final = 100
SERVICE_LABEL: Final = "kubernetes.io/service-name"
MANAGER_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
MANAGER: Final = "endpointslice-controller.k8s.io"

Ports = tuple[EndpointPort, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What to write."""

    create: tuple[EndpointSlice, ...] = ()
    update: tuple[EndpointSlice, ...] = ()
    delete: tuple[EndpointSlice, ...] = ()


def plan(
    service: Service, pods: Iterable[Pod], slices: Sequence[EndpointSlice], zones: Mapping[str, str] = {}
) -> Changes:
    """Return what brings `slices`, all of this Service's that this controller manages, in line with `pods`.

    Those of a former Service of its name go, as they would by the garbage collector. zones: node -> zone, where known.
    """
    serving = [pod for pod in pods if can_serve(pod, terminating_too=True)]
    wanted: dict[tuple[str, Ports], dict[str, Endpoint]] = {}
    for family in families(service):
        for pod in serving:
            address = address_of(pod, family)
            if address is not None:
                group = wanted.setdefault((family, ports_of(service, pod)), {})
                group[pod.metadata.uid] = endpoint_of(service, pod, address, zones)
    held: dict[tuple[str, Ports], list[EndpointSlice]] = {}
    alive = [item for item in slices if not is_terminating(item)]
    for item in alive:
        if is_controlled_by(item, service.metadata.uid):
            held.setdefault((item.address_type, item.ports), []).append(item)
    former = (item for item in alive if not is_controlled_by(item, service.metadata.uid))
    changes = _settle(service, wanted, held)
    return Changes(changes.create, changes.update, (*changes.delete, *former))


def _settle(
    service: Service,
    wanted: Mapping[tuple[str, Ports], dict[str, Endpoint]],
    held: Mapping[tuple[str, Ports], list[EndpointSlice]],
) -> Changes:
    create: list[EndpointSlice] = []
    update: list[EndpointSlice] = []
    delete: list[EndpointSlice] = []
    for group in {**wanted, **held}:
        kept = _fill(service, group, wanted.get(group, {}), held.get(group, []))
        for before, after in kept:
            if not after.endpoints:
                if before is not None:
                    delete.append(before)
            elif before is None:
                create.append(after)
            elif before != after:
                update.append(after)
    if not any(wanted.values()):
        _keep_one_empty(service, create, update, delete)
    return Changes(tuple(create), tuple(update), tuple(delete))


def _keep_one_empty(
    service: Service, create: list[EndpointSlice], update: list[EndpointSlice], delete: list[EndpointSlice]
) -> None:
    """A Service without endpoints has one slice that says so."""
    for family in families(service):
        empty = _slice(service, (family, ()), ())
        same = next((item for item in delete if item.address_type == family), None)
        if same is None:
            create.append(empty)
            continue
        delete.remove(same)
        after = replace(same, endpoints=(), ports=(), metadata=replace(same.metadata, labels=empty.metadata.labels))
        if after != same:
            update.append(after)


def _fill(
    service: Service, group: tuple[str, Ports], wanted: dict[str, Endpoint], held: Sequence[EndpointSlice]
) -> list[tuple[EndpointSlice | None, EndpointSlice]]:
    """Return pairs of a slice before (None: new) and after, for one group of ports."""
    left = dict(wanted)
    contents: list[tuple[EndpointSlice, list[Endpoint]]] = []
    for item in held:
        stay = [left.pop(uid) for endpoint in item.endpoints if (uid := _uid(endpoint)) in left]
        contents.append((item, stay))
    rest = list(left.values())
    for _, stay in sorted(contents, key=lambda pair: -len(pair[1])):
        if stay and rest:
            room = max(0, SLICE_MAX - len(stay))
            stay.extend(rest[:room])
            rest = rest[room:]
    for _, stay in contents:
        if not stay and rest:
            stay.extend(rest[:SLICE_MAX])
            rest = rest[SLICE_MAX:]
    labels = _labels(service)
    pairs: list[tuple[EndpointSlice | None, EndpointSlice]] = [
        (item, with_metadata(replace(item, endpoints=tuple(stay)), labels=labels)) for item, stay in contents
    ]
    chunks = [tuple(rest[start : start + SLICE_MAX]) for start in range(0, len(rest), SLICE_MAX)]
    return pairs + [(None, _slice(service, group, chunk)) for chunk in chunks]


def _slice(service: Service, group: tuple[str, Ports], endpoints: tuple[Endpoint, ...]) -> EndpointSlice:
    family, ports = group
    return EndpointSlice(
        metadata=ObjectMeta(
            generate_name=f"{service.metadata.name}-",
            namespace=service.metadata.namespace,
            labels=_labels(service),
            owner_references=(controller_reference(service),),
        ),
        address_type=family,
        endpoints=endpoints,
        ports=ports,
    )


def _labels(service: Service) -> dict[str, str]:
    return labels_for(service, {SERVICE_LABEL: service.metadata.name, MANAGER_LABEL: MANAGER})


def _uid(endpoint: Endpoint) -> str:
    return endpoint.target_ref.uid if endpoint.target_ref else ""


def families(service: Service) -> tuple[str, ...]:
    """Return the address families that the Service serves."""
    return service.spec.ip_families or ("IPv4",)


def ports_of(service: Service, pod: Pod) -> Ports:
    """Return the pod's ports behind the Service; those that it doesn't have are left out."""
    found = []
    for port in service.spec.ports:
        number = target_port(pod, port)
        if number is not None:
            protocol = port.protocol or "TCP"
            found.append(EndpointPort(name=port.name, port=number, protocol=protocol, app_protocol=port.app_protocol))
    return tuple(found)


def endpoint_of(service: Service, pod: Pod, address: str, zones: Mapping[str, str]) -> Endpoint:
    """Return what a slice says of one pod."""
    serving = is_ready(pod)
    terminating = is_terminating(pod)
    ready = service.spec.publish_not_ready_addresses or (serving and not terminating)
    return Endpoint(
        addresses=(address,),
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hostname=hostname_of(pod, service) or None,
        node_name=pod.spec.node_name or None,
        target_ref=pod_reference(pod),
        zone=zones.get(pod.spec.node_name),
    )
