"""The pod network as a CNI plugin, for a runtime that asks for addresses by CNI: containerd, CRI-O.

Keeps true: a pod of another runtime has the same address, links, host ports and rules as one of the built-in runtime,
since the same PodNetwork gives them; two calls at once take turns. Where the machine has no `loopback` plugin, this
serves as that too. `install` writes the plugin and the network's configuration where the runtime looks for them; the
runtime then runs the plugin, whose environment and standard input say what to do.
Source: github.com/containernetworking/cni/blob/spec-v1.0.0/SPEC.md; docs/decisions/0005-other-runtimes-by-cni.md.
"""

import asyncio
import fcntl
import json
import os
import shlex
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Final, TypeVar

from kube.files import write_private
from nodeagent.network import rtnetlink
from nodeagent.network.host_ports import HostPort
from nodeagent.network.netlink import ROUTE, socket_in
from nodeagent.network.network import POD_LINK, PodAddress, PodNetwork
from nodeagent.network_settings import network_settings
from nodeagent.settings import AgentSettings, decode_settings, encode_settings

T = TypeVar("T")

PLUGIN: Final = "wherry"
LOOPBACK: Final = "loopback"
VERSION: Final = "0.4.0"
VERSIONS: Final = ("0.3.1", "0.4.0", "1.0.0")
_LOOPBACK_INDEX: Final = 1
_NO_CODE_OF_OURS: Final = 100
"""Error codes from here on are a plugin's own."""


def install(settings: AgentSettings, pod_cidr: IPv4Network, conf_dir: Path, bin_dir: Path) -> None:
    """Have the runtime give its pods addresses of this node's range; what is there already is brought up to date."""
    file = settings.told_file
    write_private(file, encode_settings(settings))
    bin_dir.mkdir(parents=True, exist_ok=True)
    _write(bin_dir / PLUGIN, _script(), 0o755)
    if not (bin_dir / LOOPBACK).exists():
        (bin_dir / LOOPBACK).symlink_to(PLUGIN)
    conf_dir.mkdir(parents=True, exist_ok=True)
    _write(configuration_file(settings, conf_dir), json.dumps(configuration(settings, pod_cidr, file), indent=2), 0o600)


def configuration_file(settings: AgentSettings, conf_dir: Path) -> Path:
    """Return where the network's configuration stands: before those of others, as the runtime takes the first."""
    return conf_dir / f"05-wherry-{settings.link_prefix}.conflist"


def configuration(settings: AgentSettings, pod_cidr: IPv4Network, file: Path) -> dict[str, Any]:
    """Return the network configuration list. file: where the node agent's settings stand."""
    plugin = {
        "type": PLUGIN,
        "capabilities": {"portMappings": True},
        "podCIDR": str(pod_cidr),
        "settings": str(file),
        "lock": str(settings.run_dir / "cni.lock"),
    }
    return {"cniVersion": VERSION, "name": f"wherry-{settings.link_prefix}", "plugins": [plugin]}


def _script() -> str:
    """Return a program that runs this module with the Python and the sources of this process."""
    sources = Path(__file__).parents[1]
    return f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(sources))} exec {shlex.quote(sys.executable)} -m nodeagent.cni\n"


def _write(path: Path, text: str, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.rename(path)


def answer(environ: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Do what a runtime asks; return what to tell it, if anything. Raises OSError, RuntimeError, ValueError."""
    command, version = environ.get("CNI_COMMAND", ""), config.get("cniVersion", VERSION)
    if command == "VERSION":
        return {"cniVersion": version, "supportedVersions": VERSIONS}
    if command not in ("ADD", "DEL", "CHECK"):
        raise ValueError(f"CNI_COMMAND {command!r}: is unknown; use ADD, DEL, CHECK or VERSION")
    if config["type"] == LOOPBACK:
        return _answer_loopback(command, version, environ.get("CNI_NETNS", ""))
    if command == "ADD":
        return _add(environ, config, version)
    if command == "DEL":
        asyncio.run(_with_network(config, lambda network: network.detach(environ["CNI_CONTAINERID"])))
    return None


def _answer_loopback(command: str, version: str, netns: str) -> dict[str, Any] | None:
    if command != "ADD":
        return None
    raise_loopback(netns)
    return {"cniVersion": version}


def _add(environ: Mapping[str, str], config: Mapping[str, Any], version: str) -> dict[str, Any]:
    pod, netns, link = environ["CNI_CONTAINERID"], environ["CNI_NETNS"], environ["CNI_IFNAME"]
    if link != POD_LINK:
        raise ValueError(f"CNI_IFNAME {link!r}: the pod's link is called {POD_LINK}")
    ports = host_ports(config)
    return result(version, netns, asyncio.run(_with_network(config, lambda net: net.attach(pod, netns, ports))))


async def _with_network(config: Mapping[str, Any], work: Callable[[PodNetwork], Awaitable[T]]) -> T:
    """Return what `work` gives, with the node's network to itself."""
    settings = await asyncio.to_thread(lambda: decode_settings(Path(config["settings"]).read_bytes()))
    with _taking_turns(Path(config["lock"])):
        network = PodNetwork(network_settings(settings))
        try:
            await network.set_pod_cidr(config["podCIDR"])
            return await work(network)
        finally:
            await network.close()


def raise_loopback(netns_path: str) -> None:
    """Bring a namespace's loopback link up."""
    with socket_in(netns_path, ROUTE) as sock:
        sock.request([rtnetlink.set_up(_LOOPBACK_INDEX)])


def host_ports(config: Mapping[str, Any]) -> list[HostPort]:
    """Return the host's ports that are to lead to the pod. Runtimes don't agree on capitals (containerd: HostPort)."""
    asked = config.get("runtimeConfig", {}).get("portMappings") or ()
    found = ({name.lower(): value for name, value in port.items()} for port in asked)
    return [_host_port(port) for port in found if port.get("hostport")]


def _host_port(port: Mapping[str, Any]) -> HostPort:
    address = IPv4Address(port["hostip"]) if port.get("hostip") not in (None, "", "0.0.0.0") else None
    return HostPort(port.get("protocol", "tcp").upper(), port["hostport"], port["containerport"], address)


def result(version: str, netns: str, pod: PodAddress) -> dict[str, Any]:
    """Return what the runtime is told of a pod's new link."""
    link = {"name": POD_LINK, "mac": pod.mac, "sandbox": netns}
    address = {"version": "4", "address": f"{pod.ip}/{pod.prefix}", "gateway": str(pod.gateway), "interface": 0}
    route = {"dst": "0.0.0.0/0", "gw": str(pod.gateway)}
    return {"cniVersion": version, "interfaces": [link], "ips": [address], "routes": [route], "dns": {}}


@contextmanager
def _taking_turns(lock: Path) -> Iterator[None]:
    """Hold the node's lock: who has which address is read from the links, and must not change meanwhile."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def main() -> None:
    """Answer one call of a runtime."""
    config = json.load(sys.stdin)
    try:
        told = answer(os.environ, config)
    except (OSError, RuntimeError, ValueError) as error:
        failure = {"cniVersion": config.get("cniVersion", VERSION), "code": _NO_CODE_OF_OURS, "msg": str(error)}
        print(json.dumps(failure))
        sys.exit(1)
    if told is not None:
        print(json.dumps(told))


if __name__ == "__main__":
    main()
