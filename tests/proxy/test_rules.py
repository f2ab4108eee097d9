"""What a Service means on a node: the plan."""

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from msgspec.structs import replace

from kube.api.core_v1 import (
    ClientIPConfig,
    LoadBalancerIngress,
    LoadBalancerStatus,
    ServiceStatus,
    SessionAffinityConfig,
)
from kube.objects import ObjectKey
from nodeagent.proxy.proxy import Claims
from nodeagent.proxy.rules import Backend, Frontend, NodeView, Reach, plan, plan_service
from tests.proxy.make import endpoint, endpoints, port, service

NODE = NodeView("node-0")
VIP = IPv4Address("10.150.0.10")
A, B = IPv4Address("10.180.0.2"), IPv4Address("10.180.1.3")
TCP, UDP = 6, 17


def test_a_service_leads_to_its_ready_endpoints_on_their_own_port() -> None:
    rules = plan_service(service(), [endpoints(endpoint(B, "node-1"), endpoint(A))], NODE)

    wanted = Backend(Reach.INTERNAL, ((A, 8080), (B, 8080)), neighbours=frozenset({A}), is_dropped=True)
    assert rules == {Frontend(VIP, TCP, 80): wanted}


def test_an_endpoint_that_is_not_ready_gets_nothing() -> None:
    rules = plan_service(service(), [endpoints(endpoint(A), endpoint(B, ready=False))], NODE)

    assert rules[Frontend(VIP, TCP, 80)].targets == ((A, 8080),)


def test_readiness_that_nobody_stated_counts_as_ready() -> None:
    rules = plan_service(service(), [endpoints(endpoint(A, ready=None))], NODE)

    assert rules[Frontend(VIP, TCP, 80)].targets == ((A, 8080),)


def test_endpoints_that_end_but_still_serve_are_used_only_where_no_other_is_left() -> None:
    """KEP-1669: a rollout of the last pod must not drop what could still be answered."""
    ending = endpoint(B, ready=False, serving=True, terminating=True)

    alone = plan_service(service(), [endpoints(ending)], NODE)
    beside = plan_service(service(), [endpoints(ending, endpoint(A))], NODE)

    assert alone[Frontend(VIP, TCP, 80)].targets == ((B, 8080),)
    assert beside[Frontend(VIP, TCP, 80)].targets == ((A, 8080),)


def test_a_service_without_endpoints_rejects() -> None:
    backend = plan_service(service(), [], NODE)[Frontend(VIP, TCP, 80)]

    assert backend.is_empty
    assert not backend.is_dropped


def test_ports_are_matched_by_name_and_protocol() -> None:
    web = service(ports=[port(80, "http"), port(53, "dns", "UDP")])
    slices = [
        endpoints(endpoint(A), port_name="http", number=8080),
        endpoints(endpoint(A), port_name="dns", number=5353, protocol="UDP", name="web-2"),
        endpoints(endpoint(B), port_name="other", number=99, name="web-3"),
    ]

    rules = plan_service(web, slices, NODE)

    assert rules[Frontend(VIP, TCP, 80)].targets == ((A, 8080),)
    assert rules[Frontend(VIP, UDP, 53)].targets == ((A, 5353),)


def test_a_headless_service_and_an_alias_have_no_rules() -> None:
    assert plan_service(service(ip="None"), [endpoints(endpoint(A))], NODE) == {}
    assert plan_service(service(ip="", type="ExternalName", external_name="example.org"), [], NODE) == {}


def test_a_service_of_another_proxy_is_left_alone() -> None:
    labelled = service(labels={"service.kubernetes.io/service-proxy-name": "mesh"})

    assert plan_service(labelled, [endpoints(endpoint(A))], NODE) == {}


def test_a_node_port_is_open_on_every_address_and_hides_the_client() -> None:
    rules = plan_service(service(type="NodePort", ports=[port(80, node_port=30080)]), [endpoints(endpoint(A))], NODE)

    assert rules[Frontend(None, TCP, 30080)].reach is Reach.EXTERNAL


def test_local_external_traffic_stays_on_the_node_but_pods_get_all_endpoints() -> None:
    spec: dict[str, Any] = {
        "type": "NodePort",
        "ports": [port(80, node_port=30080)],
        "external_traffic_policy": "Local",
    }
    rules = plan_service(service(**spec), [endpoints(endpoint(A), endpoint(B, "node-1"))], NODE)

    backend = rules[Frontend(None, TCP, 30080)]
    assert backend.reach is Reach.LOCAL
    assert backend.targets == ((A, 8080),)
    assert backend.cluster_targets == ((A, 8080), (B, 8080))


def test_local_internal_traffic_is_dropped_where_the_node_has_no_endpoint() -> None:
    """Kubernetes drops it: a reject would tell clients that the Service has none at all."""
    rules = plan_service(service(internal_traffic_policy="Local"), [endpoints(endpoint(B, "node-1"))], NODE)

    backend = rules[Frontend(VIP, TCP, 80)]
    assert backend.is_empty
    assert backend.is_dropped


def test_affinity_lasts_three_hours_or_as_long_as_it_says() -> None:
    default = service(session_affinity="ClientIP")
    config = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=7))
    short = service(session_affinity="ClientIP", session_affinity_config=config)

    assert plan_service(default, [], NODE)[Frontend(VIP, TCP, 80)].affinity_s == 10_800
    assert plan_service(short, [], NODE)[Frontend(VIP, TCP, 80)].affinity_s == 7


def test_external_and_load_balancer_addresses_are_frontends_too() -> None:
    ingress = (LoadBalancerIngress(ip="203.0.113.9"), LoadBalancerIngress(ip="203.0.113.10", ip_mode="Proxy"))
    balanced = replace(
        service(type="LoadBalancer", external_ips=("198.51.100.7",), load_balancer_source_ranges=("192.0.2.0/24",)),
        status=ServiceStatus(load_balancer=LoadBalancerStatus(ingress=ingress)),
    )

    rules = plan_service(balanced, [endpoints(endpoint(A))], NODE)

    assert rules[Frontend(IPv4Address("198.51.100.7"), TCP, 80)].reach is Reach.EXTERNAL
    assert rules[Frontend(IPv4Address("203.0.113.9"), TCP, 80)].sources == (IPv4Network("192.0.2.0/24"),)
    assert Frontend(IPv4Address("203.0.113.10"), TCP, 80) not in rules


def test_a_service_that_the_node_answers_itself_leads_there_without_endpoints() -> None:
    """Cluster DNS has an address that all pods know and a server on every node."""
    gateway = IPv4Address("10.180.0.1")
    node = NodeView("node-0", {ObjectKey("default", "dns"): gateway})

    rules = plan_service(service("dns", ports=[port(53, "dns", "UDP")]), [], node)

    assert rules[Frontend(VIP, UDP, 53)].targets == ((gateway, 53),)


def test_where_two_services_claim_an_address_the_first_by_name_has_it() -> None:
    slices = [endpoints(endpoint(A), of="a"), endpoints(endpoint(B), of="b")]

    rules = plan([service("b"), service("a")], slices, NODE)

    assert rules[Frontend(VIP, TCP, 80)].targets == ((A, 8080),)


def test_a_claimed_address_goes_to_the_next_when_its_holder_leaves() -> None:
    frontend, first, second = (
        Frontend(VIP, TCP, 80),
        Backend(Reach.INTERNAL, ((A, 1),)),
        Backend(Reach.INTERNAL, ((B, 2),)),
    )
    claims = Claims()
    claims.set(ObjectKey("default", "b"), {frontend: second})

    taken = claims.set(ObjectKey("default", "a"), {frontend: first})
    left = claims.set(ObjectKey("default", "a"), {})
    empty = claims.set(ObjectKey("default", "b"), {})

    assert (taken, left, empty) == ({frontend: first}, {frontend: second}, {frontend: None})
    assert claims.rules() == {}
