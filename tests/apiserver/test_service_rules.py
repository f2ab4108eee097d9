"""Services: types, addresses, ports, and what is given back."""

import pytest
from msgspec.structs import replace

from apiserver.allocators import IP_PREFIX, PORT_PREFIX
from apiserver.store.memory import MemoryStore
from apiserver.strategy import Context
from kube.api.core_v1 import Service
from kube.errors import ApiError
from tests.apiserver.material import context, defaulted, parsed, rules_of, wrong_changes, wrongs

SERVICES = rules_of(Service)


def service(spec: str, name: str = "web") -> str:
    return f"{{metadata: {{name: {name}, namespace: default}}, spec: {spec}}}"


async def stored(spec: str, bench: Context, name: str = "web") -> Service:
    """Return a Service as a create leaves it."""
    made: Service = await SERVICES.allocate(defaulted(Service, service(spec, name)), None, bench)
    return made


async def held(store: MemoryStore, prefix: str) -> list[str]:
    return [entry.key.removeprefix(prefix) for entry in (await store.range(prefix)).entries]


def test_a_service_gets_the_defaults_of_kubernetes() -> None:
    spec = defaulted(Service, service("{ports: [{port: 80}]}")).spec

    assert (spec.type, spec.session_affinity, spec.internal_traffic_policy) == ("ClusterIP", "None", "Cluster")
    assert (spec.ports[0].protocol, spec.ports[0].target_port) == ("TCP", 80)
    assert spec.external_traffic_policy == ""


def test_a_service_seen_from_outside_has_an_external_traffic_policy() -> None:
    assert (
        defaulted(Service, service("{type: NodePort, ports: [{port: 80}]}")).spec.external_traffic_policy == "Cluster"
    )


def test_client_ip_affinity_lasts_three_hours_unless_told_otherwise() -> None:
    config = defaulted(
        Service, service("{sessionAffinity: ClientIP, ports: [{port: 80}]}")
    ).spec.session_affinity_config

    assert config is not None
    assert config.client_ip is not None
    assert config.client_ip.timeout_seconds == 10800


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("{}", "spec.ports: Required value"),
        (
            "{ports: [{port: 0, targetPort: 80}]}",
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        ("{ports: [{port: 80}, {port: 81, name: b}]}", "spec.ports[0].name: Required value"),
        ("{ports: [{port: 80, name: a}, {port: 81, name: a}]}", 'spec.ports[1].name: Duplicate value: "a"'),
        ("{type: ExternalName}", "spec.externalName: Required value"),
        (
            "{type: Something, ports: [{port: 80}]}",
            'spec.type: Unsupported value: "Something": supported values: "ClusterIP", "ExternalName", "LoadBalancer",'
            ' "NodePort"',
        ),
        (
            "{ports: [{port: 80, nodePort: 30000}]}",
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
        (
            "{type: NodePort, clusterIP: None, ports: [{port: 80}]}",
            "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
        ),
        (
            "{sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 100000}},"
            " ports: [{port: 80}]}",
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 100000: must be greater than 0 and less"
            " than 86400",
        ),
    ],
)
def test_a_wrong_service_is_refused_in_the_words_that_tools_know(spec: str, sentence: str) -> None:
    assert wrongs(parsed(Service, service(spec))) == [sentence]


def test_a_services_name_is_a_dns_label() -> None:
    """It becomes part of a name in DNS. Digits may stand first, as Kubernetes has it since 1.36."""
    assert wrongs(parsed(Service, service("{ports: [{port: 80}]}", name="1web"))) == []
    (found,) = wrongs(parsed(Service, service("{ports: [{port: 80}]}", name="web.1")))
    assert found == 'metadata.name: Invalid value: "web.1": must not contain dots'


async def test_a_service_gets_an_address_and_a_node_port_of_its_own() -> None:
    store = MemoryStore()

    made = await stored("{type: NodePort, ports: [{port: 80}]}", context(store=store))

    assert made.spec.cluster_ip.startswith("10.96.0.")
    assert made.spec.cluster_ips == (made.spec.cluster_ip,)
    assert (made.spec.ip_families, made.spec.ip_family_policy) == (("IPv4",), "SingleStack")
    assert 30000 <= made.spec.ports[0].node_port <= 32767
    assert await held(store, IP_PREFIX) == [made.spec.cluster_ip]
    assert await held(store, PORT_PREFIX) == [str(made.spec.ports[0].node_port)]


@pytest.mark.parametrize(
    "spec", ["{clusterIP: None, ports: [{port: 80}]}", "{type: ExternalName, externalName: x.org}"]
)
async def test_a_service_without_a_proxy_gets_no_address(spec: str) -> None:
    store = MemoryStore()

    await stored(spec, context(store=store))

    assert await held(store, IP_PREFIX) == []


async def test_an_address_that_another_service_has_is_refused_and_nothing_is_kept() -> None:
    store = MemoryStore()
    await stored("{clusterIP: 10.96.0.77, ports: [{port: 80}]}", context(store=store))

    with pytest.raises(ApiError) as refusal:
        await stored("{clusterIP: 10.96.0.77, ports: [{port: 80}]}", context(store=store), name="other")

    assert refusal.value.code == 422
    assert "failed to allocate IP 10.96.0.77: provided IP is already allocated" in str(refusal.value)
    assert await held(store, IP_PREFIX) == ["10.96.0.77"]


async def test_a_service_made_twice_does_not_give_back_what_the_first_one_has() -> None:
    """Both go by one name, and so would the holders of the address and the port."""
    store = MemoryStore()
    bench = context(store=store)
    spec = "{type: NodePort, clusterIP: 10.96.0.50, ports: [{port: 80, nodePort: 30001}]}"
    await stored(spec, bench)

    with pytest.raises(ApiError, match="provided IP is already allocated"):
        await stored(spec, bench)

    assert (await held(store, IP_PREFIX), await held(store, PORT_PREFIX)) == (["10.96.0.50"], ["30001"])


async def test_a_refused_node_port_gives_back_the_address_that_was_taken_with_it() -> None:
    store = MemoryStore()

    with pytest.raises(ApiError, match="provided port is not in the valid range"):
        await stored("{type: NodePort, ports: [{port: 80, nodePort: 80}]}", context(store=store))

    assert await held(store, IP_PREFIX) == []


async def test_what_a_deleted_service_had_is_free_again() -> None:
    store = MemoryStore()
    bench = context(store=store)
    made = await stored("{type: NodePort, ports: [{port: 80}]}", bench)

    await SERVICES.after_write(None, made, bench)

    assert await held(store, IP_PREFIX) + await held(store, PORT_PREFIX) == []


async def test_a_service_that_stops_being_a_node_port_gives_the_port_back_and_keeps_its_address() -> None:
    store = MemoryStore()
    bench = context(store=store)
    old = await stored("{type: NodePort, ports: [{port: 80}]}", bench)
    asked = replace(old, spec=replace(old.spec, type="ClusterIP"))

    new = SERVICES.prepare_update(SERVICES.default(asked), old, bench)
    new = await SERVICES.allocate(new, old, bench)
    await SERVICES.after_write(new, old, bench)

    assert wrong_changes(new, old) == []
    assert new.spec.cluster_ip == old.spec.cluster_ip
    assert new.spec.ports[0].node_port == 0
    assert await held(store, PORT_PREFIX) == []
    assert await held(store, IP_PREFIX) == [old.spec.cluster_ip]


async def test_an_update_that_names_no_address_keeps_the_one_there_is() -> None:
    """`kubectl replace` sends the manifest, which never had it."""
    bench = context()
    old = await stored("{type: NodePort, ports: [{port: 80}]}", bench)
    manifest = defaulted(Service, service("{type: NodePort, ports: [{port: 80}]}"))

    new = await SERVICES.allocate(SERVICES.prepare_update(manifest, old, bench), old, bench)

    assert new.spec == old.spec


async def test_an_address_may_not_change_once_it_is_set() -> None:
    bench = context()
    old = await stored("{ports: [{port: 80}]}", bench)
    asked = replace(old, spec=replace(old.spec, cluster_ip="10.96.0.3"))

    new = SERVICES.prepare_update(asked, old, bench)

    assert wrong_changes(new, old) == ['spec.clusterIPs[0]: Invalid value: ["10.96.0.3"]: may not change once set']


async def test_ports_of_one_number_share_a_node_port_over_tcp_and_udp() -> None:
    made = await stored(
        "{type: NodePort, ports: [{port: 53, name: a, protocol: TCP}, {port: 53, name: b, protocol: UDP}]}", context()
    )

    assert made.spec.ports[0].node_port == made.spec.ports[1].node_port
    assert wrongs(made) == []


async def test_a_service_that_was_not_stored_gives_everything_back() -> None:
    """A dry run, or a name that was taken meanwhile."""
    store = MemoryStore()
    bench = context(store=store)
    made = await stored("{type: NodePort, ports: [{port: 80}]}", bench)

    await SERVICES.abandon(made, None, bench)

    assert await held(store, IP_PREFIX) + await held(store, PORT_PREFIX) == []
