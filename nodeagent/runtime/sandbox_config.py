"""What a request for a sandbox says: whether it can be had, and the texts that come from it. Plain functions."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nodeagent.runtime import handlers, user_mapping
from nodeagent.runtime.errors import invalid
from nodeagent.runtime.pod import ids_of, namespaces
from nodeagent.runtime.sandbox_network import PortMapping
from proto import cri_v1 as cri

_HOSTNAME_MAX = 63  # The kernel takes one more, DNS doesn't.
_PROTOCOLS = {cri.TCP: "tcp", cri.UDP: "udp", cri.SCTP: "sctp"}
_SYSCTL_PREFIXES = ("kernel.shm", "kernel.msg", "fs.mqueue.", "net.")


def where(config: cri.PodSandboxConfig) -> str:
    """Return how a sandbox is called in refusals."""
    return f"sandbox {config.metadata.namespace}/{config.metadata.name}"


def check(config: cri.PodSandboxConfig, handler: str, known_handlers: Mapping[str, str]) -> None:
    """Refuse what no sandbox can have."""
    here = where(config)
    if not config.metadata.name or not config.metadata.uid:
        raise invalid(here, "its metadata lacks a name or uid; set both")
    handlers.check(handler, known_handlers, here)
    user_mapping.check(config.linux.security_context.namespace_options, here)
    own = namespaces(config)
    for name in config.linux.sysctls:
        needs = "net" if name.startswith("net.") else "ipc"
        if not (name.startswith(_SYSCTL_PREFIXES) or name == "kernel.sem"):
            raise invalid(here, f"sysctl {name} belongs to the whole node; only those of a namespace can be set")
        if needs not in own:
            raise invalid(here, f"sysctl {name} would change the node's own {needs} namespace, which it shares")


def for_shim(config: cri.PodSandboxConfig) -> dict[str, Any]:
    """Return what a shim must know of its pod."""
    return {
        "namespaces": namespaces(config),
        "hostname": hostname(config),
        "sysctls": dict(config.linux.sysctls),
        "ids": ids_of(config),
        "shared_pid": config.linux.security_context.namespace_options.pid == cri.POD,
    }


def host_ports(config: cri.PodSandboxConfig) -> list[PortMapping]:
    """Return the ports of the node that lead to the pod."""
    return [
        PortMapping(_PROTOCOLS[item.protocol], item.container_port, item.host_port, item.host_ip)
        for item in config.port_mappings
        if item.host_port
    ]


def hostname(config: cri.PodSandboxConfig) -> str:
    """Return the name that a pod calls itself."""
    if config.linux.security_context.namespace_options.network == cri.NODE:
        return socket.gethostname()
    return config.hostname or config.metadata.name[:_HOSTNAME_MAX].rstrip("-.")


def resolv_conf(dns: cri.DNSConfig) -> str:
    """Return the resolv.conf that `dns` describes, or the host's where it says nothing."""
    lines = [f"nameserver {server}" for server in dns.servers]
    lines += [f"search {' '.join(dns.searches)}"] if dns.searches else []
    lines += [f"options {' '.join(dns.options)}"] if dns.options else []
    if lines:
        return "".join(f"{line}\n" for line in lines)
    try:
        return Path("/etc/resolv.conf").read_text()
    except OSError:
        return ""
