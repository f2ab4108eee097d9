"""How fast a pod gets its network, and a Service change gets to the kernel.

    python -m bench.network [--pods 50] [--services 1000] [--endpoints 3]

Works in a network namespace of its own (root). Prints wall and CPU time: attach and detach of a pod, beside making and
deleting a veth pair with `ip`; full replace of the service rules and one change among them, beside `nft -f` of the same
map; a DNS answer, beside dnslib's parse and pack of the same.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from dnslib import QTYPE, RR, A, DNSRecord

from kube.api.core_v1 import Service, ServicePort, ServiceSpec
from kube.api.meta_v1 import ObjectMeta
from kube.runner import Runner
from nodeagent.dns.answer import answer
from nodeagent.dns.message import to_name
from nodeagent.dns.server import InformerDirectory
from nodeagent.dns.zone import Zone
from nodeagent.network import hosts, namespaces
from nodeagent.network.network import NetworkSettings, PodNetwork, link_prefix
from nodeagent.proxy.rules import Backend, Frontend, Reach, Rules
from nodeagent.proxy.services import service_informers
from nodeagent.proxy.table import ProxyTable
from tests.kube.fake_client import FakeClient

CLUSTER = "bench"
CIDR = IPv4Network("10.244.0.0/16")
VIP = IPv4Address("10.97.0.0")
DNS_ANSWERS = 20_000


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; leave nothing behind."""
    parser = argparse.ArgumentParser(prog="bench.network")
    parser.add_argument("--pods", type=int, default=50)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--endpoints", type=int, default=3)
    wish = parser.parse_args(arguments if arguments is not None else [])
    print(f"{'what':58} {'wall p50 ms':>12} {'CPU ms':>8}")
    try:
        host = hosts.create_host(CLUSTER, 0)
        asyncio.run(measure_pods(host.netns_path, wish.pods))
        namespaces.run_in(host.netns_path, lambda: measure_rules(wish.services, wish.endpoints))
        asyncio.run(measure_dns())
    finally:
        hosts.remove_hosts(CLUSTER)
    return 0


def report(what: str, walls_s: list[float], cpu_s: float | None) -> None:
    """Print one line. cpu_s: of all together; None where another process spent it."""
    cpu = "" if cpu_s is None else f"{cpu_s / len(walls_s) * 1000:8.3f}"
    print(f"{what:58} {statistics.median(walls_s) * 1000:12.3f} {cpu}", flush=True)


async def timed(what: str, steps: list[Callable[[], Awaitable[object]]]) -> None:
    """Time each step; report."""
    walls: list[float] = []
    cpu = time.process_time()
    for step in steps:
        start = time.perf_counter()
        await step()
        walls.append(time.perf_counter() - start)
    report(what, walls, time.process_time() - cpu)


async def measure_pods(netns: str, pods: int) -> None:
    """Attach and detach pods one after the other; then the same number of veth pairs with `ip`."""
    network = PodNetwork(NetworkSettings(link_prefix(CLUSTER), CIDR, namespace=netns))
    await network.setup()
    await network.set_pod_cidr("10.244.0.0/24")
    paths = [Path(f"/run/netns/wherry-{CLUSTER}-pod-{number}") for number in range(pods)]
    try:
        for path in paths:
            namespaces.create(path)
        await timed("attach a pod", [partial(network.attach, path.name, str(path)) for path in paths])
        await timed("attach it again", [partial(network.attach, path.name, str(path)) for path in paths])
        await timed("detach a pod", [partial(network.detach, path.name) for path in paths])
        await network.settle()
        await asyncio.gather(*(network.attach(path.name, str(path)) for path in paths[:10]))
        await timed("detach 10 pods at once, until their links are gone", [partial(detach_all, network, paths[:10])])
        report(
            "  for comparison: `ip` adding and deleting a bare veth", [_ip(Path(netns).name) for _ in range(10)], None
        )
    finally:
        for path in paths:
            namespaces.remove(path)
        await network.teardown()
        await network.close()


async def detach_all(network: PodNetwork, paths: Sequence[Path]) -> None:
    """Detach pods at the same time."""
    await asyncio.gather(*(network.detach(path.name) for path in paths))
    await network.settle()


def _ip(netns: str) -> float:
    start = time.perf_counter()
    script = b"link add v0 type veth peer name u0\nlink del v0\n"
    subprocess.run(["ip", "-n", netns, "-batch", "-"], input=script, check=True)
    return time.perf_counter() - start


def rules_of(services: int, endpoints: int, shift: int = 0) -> Rules:
    """Make Services with that many endpoints each."""
    pod = IPv4Address("10.244.0.0") + shift
    return {
        Frontend(VIP + number, 6, 80): Backend(
            Reach.INTERNAL, tuple((pod + (endpoints * number + one) % 60_000, 8080) for one in range(endpoints))
        )
        for number in range(services)
    }


def measure_rules(services: int, endpoints: int) -> None:
    """Replace all rules, then change one Service among them."""
    table = ProxyTable("wherry-bench", CIDR)
    rules = rules_of(services, endpoints)
    try:
        walls, start = [], time.process_time()
        for _ in range(5):
            before = time.perf_counter()
            table.replace(rules)
            walls.append(time.perf_counter() - before)
        report(f"replace {services} services x {endpoints} endpoints", walls, time.process_time() - start)
        walls, start = [], time.process_time()
        changed = list(rules_of(services, endpoints, shift=7).items())[:100]
        for frontend, backend in changed:
            before = time.perf_counter()
            table.update({frontend: backend})
            walls.append(time.perf_counter() - before)
        report(f"change one of {services} services", walls, time.process_time() - start)
        report("  for comparison: nft -f of one map of that size", [_nft(rules)], None)
    finally:
        table.remove()
        table.close()


def _nft(rules: Rules) -> float:
    elements = ", ".join(f"{front.address} . tcp . {front.port} : drop" for front in rules)
    kind = "type ipv4_addr . inet_proto . inet_service : verdict"
    text = f"table ip bench {{\nmap m {{\n{kind}; elements = {{ {elements} }}\n}}\n}}\n"
    with tempfile.NamedTemporaryFile("w", suffix=".nft") as file:
        file.write(text)
        file.flush()
        start = time.perf_counter()
        subprocess.run(["nft", "-f", file.name], check=True)
        return time.perf_counter() - start


async def measure_dns() -> None:
    """Answer for a Service among many, without the sockets."""
    services = [
        Service(
            metadata=ObjectMeta(name=f"s{number}", namespace="default"),
            spec=ServiceSpec(cluster_ip=str(VIP + number), ports=(ServicePort(port=80),)),
        )
        for number in range(1000)
    ]
    informers = service_informers(FakeClient(*services))
    async with Runner() as runner:
        informers.start(runner)
        await informers.wait_synced()
    zone = Zone(InformerDirectory(informers), to_name("cluster.local"))
    query = bytes(DNSRecord.question("s500.default.svc.cluster.local").pack())
    start = time.process_time()
    for _ in range(DNS_ANSWERS):
        answer(query, zone)
    cpu = (time.process_time() - start) / DNS_ANSWERS
    report("answer a DNS question", [cpu], cpu)
    start = time.process_time()
    for _ in range(DNS_ANSWERS // 20):
        reply = DNSRecord.parse(query).reply()
        reply.add_answer(RR("s500.default.svc.cluster.local", QTYPE.A, rdata=A("10.97.1.244"), ttl=5))
        reply.pack()
    cpu = (time.process_time() - start) / (DNS_ANSWERS // 20)
    report("  for comparison: dnslib's parse and pack", [cpu], cpu)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
