"""What the node's settings mean to its network, for each process that has to do with it."""

from ipaddress import IPv4Address, IPv4Network

from nodeagent.network.network import NetworkSettings
from nodeagent.settings import AgentSettings


def network_settings(settings: AgentSettings) -> NetworkSettings:
    """Return what the node's network is made from."""
    return NetworkSettings(
        prefix=settings.link_prefix,
        cluster_cidr=IPv4Network(settings.cluster_cidr),
        service_cidr=IPv4Network(settings.service_cidr),
        overlay="vxlan" if settings.overlay == "vxlan" else "routes",
        node_address=IPv4Address(settings.node_address) if settings.node_address else None,
    )
