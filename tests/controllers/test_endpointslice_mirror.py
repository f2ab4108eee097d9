"""What EndpointSlices say of Endpoints that people write by hand."""

import pytest
from msgspec.structs import replace

from controllers.endpointslice_mirror import MANAGER, is_mirrored, plan
from controllers.endpointslice_plan import MANAGER_LABEL, SERVICE_LABEL, Changes
from kube.api.core_v1 import EndpointAddress, EndpointPort, Endpoints, EndpointSubset
from kube.api.discovery_v1 import EndpointSlice
from kube.api.meta_v1 import ObjectMeta
from kube.objects import controller_of, with_metadata
from tests import make

PORT = EndpointPort(name="http", port=80, protocol="TCP")


def handwritten(
    *subsets: EndpointSubset, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None
) -> Endpoints:
    meta = ObjectMeta(
        name="web", namespace="default", uid="uid-web", labels=labels or {}, annotations=annotations or {}
    )
    return Endpoints(metadata=meta, subsets=subsets)


def subset(*ready: str, unready: tuple[str, ...] = (), port: EndpointPort = PORT) -> EndpointSubset:
    return EndpointSubset(
        addresses=tuple(EndpointAddress(ip=ip) for ip in ready),
        not_ready_addresses=tuple(EndpointAddress(ip=ip) for ip in unready),
        ports=(port,),
    )


def stored(endpoints: Endpoints) -> list[EndpointSlice]:
    return [
        with_metadata(item, name=f"web-{number}", uid=f"s{number}", resource_version="7")
        for number, item in enumerate(plan(endpoints, []).create)
    ]


def test_a_mirror_tells_every_address_with_its_readiness_and_belongs_to_the_endpoints() -> None:
    (mirror,) = plan(handwritten(subset("10.1.2.3", unready=("10.1.2.4",)), labels={"app": "web"}), []).create

    assert mirror.metadata.labels == {"app": "web", SERVICE_LABEL: "web", MANAGER_LABEL: MANAGER}
    assert [(e.addresses, e.conditions.ready) for e in mirror.endpoints] == [
        (("10.1.2.3",), True),
        (("10.1.2.4",), False),
    ]
    assert [(port.name, port.port, port.protocol) for port in mirror.ports] == [("http", 80, "TCP")]
    owner = controller_of(mirror)
    assert owner is not None
    assert (owner.kind, owner.uid) == ("Endpoints", "uid-web")


def test_each_family_and_each_set_of_ports_has_a_mirror_of_its_own() -> None:
    other = replace(PORT, port=81)

    mirrors = plan(handwritten(subset("10.1.2.3", "fd00::3"), subset("10.1.2.3", port=other)), []).create

    assert [(item.address_type, item.ports[0].port) for item in mirrors] == [("IPv4", 80), ("IPv6", 80), ("IPv4", 81)]


def test_a_changed_address_changes_the_mirror_in_place() -> None:
    held = stored(handwritten(subset("10.1.2.3")))

    changes = plan(handwritten(subset("10.2.3.4")), held)

    (updated,) = changes.update
    assert (updated.metadata.name, updated.endpoints[0].addresses) == ("web-0", ("10.2.3.4",))
    assert not changes.create
    assert not changes.delete


def test_a_mirror_that_is_true_is_left_alone() -> None:
    endpoints = handwritten(subset("10.1.2.3"))

    changes = plan(endpoints, stored(endpoints))

    assert changes == Changes()


def test_what_is_no_longer_to_be_mirrored_is_deleted() -> None:
    held = stored(handwritten(subset("10.1.2.3")))

    assert plan(None, held).delete == tuple(held)
    assert plan(handwritten(), held).delete == tuple(held)


def test_what_kubectl_notes_for_itself_is_not_mirrored() -> None:
    notes = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "yes"}

    (mirror,) = plan(handwritten(subset("10.1.2.3"), annotations=notes), []).create

    assert mirror.metadata.annotations == {"mine": "yes"}


@pytest.mark.parametrize(
    "told",
    [
        handwritten(subset("10.1.2.3"), labels={"endpointslice.kubernetes.io/skip-mirror": "true"}),
        handwritten(subset("10.1.2.3"), annotations={"control-plane.alpha.kubernetes.io/leader": "{}"}),
    ],
)
def test_endpoints_that_say_so_are_not_mirrored(told: Endpoints) -> None:
    service = make.service()
    bare = replace(service, spec=replace(service.spec, selector={}))

    assert is_mirrored(bare, handwritten(subset("10.1.2.3")))
    assert not is_mirrored(bare, told)


def test_only_a_service_without_a_selector_has_mirrors() -> None:
    assert not is_mirrored(make.service(), handwritten(subset("10.1.2.3")))
    assert not is_mirrored(None, handwritten(subset("10.1.2.3")))
