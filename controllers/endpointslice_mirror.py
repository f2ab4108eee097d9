"""Copy Endpoints that people write by hand, for Services without a selector, into EndpointSlices.

Reads Services, Endpoints and EndpointSlices from the informers; writes EndpointSlices with the label
endpointslice.kubernetes.io/managed-by of this controller, and never others. Decides in `plan`. Whatever follows
Services, the proxy and DNS first of all, reads EndpointSlices alone.
Source: kubernetes.io/docs/concepts/services-networking/service (EndpointSlices, mirroring); KEP-1713
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from controllers.endpointslice_plan import MANAGER_LABEL, SERVICE_LABEL, Changes, Ports
from controllers.endpointslice_slices import ManagedSlices
from controllers.world import World, again_after_conflict
from kube.api.core_v1 import EndpointAddress, Endpoints, EndpointSubset, Service
from kube.api.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from kube.api.meta_v1 import ObjectMeta
from kube.controller import Controller
from kube.objects import ObjectKey, controller_reference, is_terminating

MANAGER: Final = "endpointslicemirroring-controller.k8s.io"
SKIP_LABEL: Final = "endpointslice.kubernetes.io/skip-mirror"
LEADER_NOTE: Final = "control-plane.alpha.kubernetes.io/leader"
PRIVATE_NOTES: Final = frozenset(
    {"endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration"}
)
ADDRESSES_MAX: Final = 1000

Group = tuple[str, Ports]


def is_mirrored(service: Service | None, endpoints: Endpoints | None) -> bool:
    """Say whether the Endpoints are a person's, for a Service that has no selector."""
    if service is None or service.spec.selector or endpoints is None or is_terminating(endpoints):
        return False
    meta = endpoints.metadata
    return meta.labels.get(SKIP_LABEL) != "true" and LEADER_NOTE not in meta.annotations


def plan(endpoints: Endpoints | None, slices: Sequence[EndpointSlice]) -> Changes:
    """Return what brings `slices`, all that mirror these Endpoints, in line: one for each group of family and ports.

    endpoints: None where nothing is to be mirrored.
    """
    wanted = _wanted(endpoints) if endpoints is not None else {}
    update, delete = [], []
    for item in slices:
        if is_terminating(item):
            continue
        mirror = wanted.pop((item.address_type, item.ports), None)
        if mirror is None:
            delete.append(item)
            continue
        meta = replace(
            item.metadata,
            labels=mirror.metadata.labels,
            annotations=mirror.metadata.annotations,
            owner_references=mirror.metadata.owner_references,
        )
        after = replace(mirror, metadata=meta)
        if after != item:
            update.append(after)
    return Changes(tuple(wanted.values()), tuple(update), tuple(delete))


def _wanted(endpoints: Endpoints) -> dict[Group, EndpointSlice]:
    groups: dict[Group, list[Endpoint]] = {}
    for subset in endpoints.subsets:
        ports = tuple(
            EndpointPort(name=port.name, port=port.port, protocol=port.protocol, app_protocol=port.app_protocol)
            for port in subset.ports
        )
        for family, endpoint in _endpoints_of(subset):
            groups.setdefault((family, ports), []).append(endpoint)
    return {
        (family, ports): EndpointSlice(
            metadata=_metadata(endpoints), address_type=family, endpoints=tuple(found[:ADDRESSES_MAX]), ports=ports
        )
        for (family, ports), found in groups.items()
    }


def _endpoints_of(subset: EndpointSubset) -> Iterator[tuple[str, Endpoint]]:
    """Yield each address with its family, the ready ones first."""
    for address in subset.addresses:
        yield _mirrored(address, is_ready=True)
    for address in subset.not_ready_addresses:
        yield _mirrored(address, is_ready=False)


def _mirrored(address: EndpointAddress, *, is_ready: bool) -> tuple[str, Endpoint]:
    endpoint = Endpoint(
        addresses=(address.ip,),
        conditions=EndpointConditions(ready=is_ready),
        hostname=address.hostname or None,
        node_name=address.node_name,
        target_ref=address.target_ref,
    )
    return "IPv6" if ":" in address.ip else "IPv4", endpoint


def _metadata(endpoints: Endpoints) -> ObjectMeta:
    meta = endpoints.metadata
    return ObjectMeta(
        generate_name=f"{meta.name}-",
        namespace=meta.namespace,
        labels={**meta.labels, SERVICE_LABEL: meta.name, MANAGER_LABEL: MANAGER},
        annotations={key: value for key, value in meta.annotations.items() if key not in PRIVATE_NOTES},
        owner_references=(controller_reference(endpoints),),
    )


class EndpointSliceMirror:
    """The controller of EndpointSlices that mirror Endpoints."""

    def __init__(self, world: World, *, workers: int = 2) -> None:
        self._managed = ManagedSlices(world, MANAGER)
        self._services = world.informers.of(Service)
        self._endpoints = world.informers.of(Endpoints)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("endpointslicemirror", reconcile, workers=workers, clock=world.clock)
        self.controller.hear(self._services)
        self.controller.hear(self._endpoints)
        self.controller.hear(world.informers.of(EndpointSlice), self._key_of_mirror)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Bring the mirrors of one Service's Endpoints in line with them."""
        endpoints = self._endpoints.get(key.name, key.namespace)
        is_wanted = is_mirrored(self._services.get(key.name, key.namespace), endpoints)
        changes = plan(endpoints if is_wanted else None, self._managed.of(key))
        await self._managed.carry_out(changes, key, self.controller)
        return None

    def _key_of_mirror(self, item: EndpointSlice) -> list[ObjectKey]:
        key = self._managed.service_of(item)
        return [key] if key is not None else []
