"""Which name servers a pod asks, what it is called, and what its hosts file says.

Plain functions.
Source: kubernetes.io/docs/concepts/services-networking/dns-pod-service, and .../add-entries-to-pod-etc-hosts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kube.api.core_v1 import HostAlias, Pod

HOSTNAME_MAX: Final = 63
KERNEL_NAME_MAX: Final = 64
NDOTS: Final = "ndots:5"
MANAGED: Final = "# Kubernetes-managed hosts file"
"""How a hosts file begins that isn't the image's own, here as on any node: there are programs that look for it."""


class NameTooLongError(ValueError):
    """A pod wants to be called by a name that no kernel takes."""


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """Name servers, search domains and options, as resolv.conf has them."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def parse_resolv_conf(text: str) -> DnsSettings:
    """Read a resolv.conf; what it doesn't know is left out."""
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        match words[:1]:
            case ["nameserver"]:
                servers += words[1:2]
            case ["search"]:
                searches = words[1:]
            case ["options"]:
                options += words[1:]
    return DnsSettings(tuple(servers), tuple(searches), tuple(options))


def dns_of(pod: Pod, host: DnsSettings, cluster_dns: Sequence[str], cluster_domain: str) -> DnsSettings:
    """Return what a pod's resolv.conf is to say. host: that of the node."""
    policy = pod.spec.dns_policy or "ClusterFirst"
    wants_cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not pod.spec.host_network)
    if policy == "None":
        settings = DnsSettings()
    elif wants_cluster and cluster_dns:
        namespace = pod.metadata.namespace
        own = (f"{namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain)
        settings = DnsSettings(tuple(cluster_dns), _unique((*own, *host.searches)), (NDOTS,))
    else:
        settings = host
    return _with_pod_settings(pod, settings)


def _with_pod_settings(pod: Pod, settings: DnsSettings) -> DnsSettings:
    asked = pod.spec.dns_config
    if asked is None:
        return settings
    options = {option.partition(":")[0]: option for option in settings.options}
    for extra in asked.options:
        options[extra.name] = extra.name if extra.value is None else f"{extra.name}:{extra.value}"
    return DnsSettings(
        _unique((*settings.servers, *asked.nameservers)),
        _unique((*settings.searches, *asked.searches)),
        tuple(options.values()),
    )


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def hostname_of(pod: Pod, cluster_domain: str) -> str:
    """Return what a pod calls itself: its hostname or name, cut to what a kernel takes. Raises NameTooLongError."""
    if pod.spec.hostname_override:
        return pod.spec.hostname_override
    full = fqdn_of(pod, cluster_domain)
    if not (pod.spec.set_hostname_as_fqdn and full):
        return _short_name(pod)
    if len(full) > KERNEL_NAME_MAX:
        too_long = (
            f"FQDN {full} is too long ({KERNEL_NAME_MAX} characters is the max, {len(full)} characters requested)"
        )
        raise NameTooLongError(f"spec.setHostnameAsFQDN: {too_long}; shorten the pod's hostname or subdomain")
    return full


def _short_name(pod: Pod) -> str:
    return pod.spec.hostname_override or (pod.spec.hostname or pod.metadata.name)[:HOSTNAME_MAX].rstrip("-.")


def fqdn_of(pod: Pod, cluster_domain: str) -> str:
    """Return the pod's name in the cluster's DNS, "" where it asks for none."""
    if not pod.spec.subdomain:
        return ""
    return f"{_short_name(pod)}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}"


def hosts_file(pod: Pod, ips: Sequence[str], cluster_domain: str, host_file: str = "") -> str:
    """Return a pod's /etc/hosts. host_file: that of the node, which a pod on the node's network starts from."""
    if pod.spec.host_network:
        lines = [f"{MANAGED} (host network).", *host_file.splitlines()]
    else:
        short, full = _short_name(pod), fqdn_of(pod, cluster_domain)
        names = f"{full}\t{short}" if full and full != short else short
        lines = [
            f"{MANAGED}.",
            "127.0.0.1\tlocalhost",
            "::1\tlocalhost ip6-localhost ip6-loopback",
            "fe00::0\tip6-localnet",
            "fe00::0\tip6-mcastprefix",
            "fe00::1\tip6-allnodes",
            "fe00::2\tip6-allrouters",
            *(f"{ip}\t{names}" for ip in ips),
        ]
    lines += _aliases(pod.spec.host_aliases)
    return "\n".join(lines) + "\n"


def _aliases(aliases: Iterable[HostAlias]) -> list[str]:
    lines = ["\t".join([alias.ip, *alias.hostnames]) for alias in aliases]
    return ["", "# Entries added by HostAliases.", *lines] if lines else []


def sysctls_of(pod: Pod) -> Mapping[str, str]:
    """Return the kernel parameters that a pod asks for."""
    context = pod.spec.security_context
    return {sysctl.name: sysctl.value for sysctl in context.sysctls} if context is not None else {}
