"""`wherry agent`: a node on this machine, until it is told to end."""

import argparse
import ctypes
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import uvloop

from kube.config import Access
from kube.http_client import HttpClient
from kube.log import set_up_logging
from nodeagent.agent import run_agent
from nodeagent.machine import address_towards
from nodeagent.pressure.thresholds import parse_thresholds
from nodeagent.settings import AgentSettings
from nodeagent.shutdown.periods import parse_periods
from wherry.cluster.layout import DEFAULT_CLUSTER, Layout
from wherry.cluster.nodes import DEVELOPMENT, agent_settings, credentials_of, cri_endpoint, machine_name
from wherry.context import Context
from wherry.targets import UsageError

CLONE_NEWNET: Final = 0x40000000
CLONE_NEWUTS: Final = 0x04000000
TOKEN_TIMEOUT_S: Final = 60.0
TOKEN_LOOK_S: Final = 0.01


def _pairs(text: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(",") if part]
    if not all(name and sign for name, sign, _ in parts):
        raise ValueError("write NAME=VALUE,NAME=VALUE")
    return {name: value for name, _, value in parts}


def _words(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _range(text: str) -> str:
    return str(IPv4Network(text))


def _overlay(text: str) -> str:
    if text not in ("routes", "vxlan"):
        raise ValueError("choose routes or vxlan")
    return text


@dataclass(frozen=True)
class Flag:
    """A setting that the command line may change. name: where it isn't the field's."""

    help: str
    convert: Callable[[str], Any] = str
    name: str = ""


FLAGS: Final = {
    "node_address": Flag("its address (the one towards the server)"),
    "port": Flag("of its own HTTPS server (10250)", int),
    "cri_endpoint": Flag("another runtime: unix:///run/containerd/containerd.sock", cri_endpoint, "--cri"),
    "static_pod_dir": Flag("a folder of manifests to run without the API (STATE/static-pods)", Path),
    "allowed_unsafe_sysctls": Flag("kernel parameters that pods may set: net.core.somaxconn,kernel.msg*", _words),
    "runtime_handlers": Flag("OCI runtimes for RuntimeClasses: runc=/usr/sbin/runc,... (those on PATH)", _pairs),
    "overlay": Flag("routes (nodes share a network) or vxlan", _overlay),
    "cluster_cidr": Flag("the range of pod addresses (10.244.0.0/16)", _range),
    "service_cidr": Flag("the range of Services (10.96.0.0/16)", _range),
    "cluster_domain": Flag("the end of cluster names (cluster.local)"),
    "labels": Flag("for the node: a=b,c=d", _pairs),
    "taints": Flag("for the node: key=value:NoSchedule,...", _words),
    "capacity": Flag("offer this instead of what there is: cpu=4,memory=8Gi", _pairs),
    "image_high_percent": Flag("of used disk, from where unused images are removed (85)", float),
    "image_low_percent": Flag("of used disk, down to where that goes (80)", float),
    "kube_reserved": Flag("keep this from pods for the node agent and runtime: cpu=500m,memory=1Gi", _pairs),
    "system_reserved": Flag("keep this from pods for the machine itself: cpu=500m,memory=1Gi", _pairs),
    "eviction_hard": Flag("pods leave at once with less than: memory.available=100Mi,nodefs.available=5%%", _pairs),
    "eviction_soft": Flag("pods leave after a while with less than: memory.available=10%%", _pairs),
    "eviction_soft_grace_period": Flag("after how long: memory.available=90s", _pairs),
    "eviction_max_pod_grace_s": Flag("what pods that leave so get to end in (0 s)", int),
    "eviction_minimum_reclaim": Flag("how much more to win back: memory.available=200Mi", _pairs),
    "eviction_pressure_transition_s": Flag("how long pressure is told after it was seen last (300)", float),
    "shutdown_grace_s": Flag("what pods have to end in when the machine is switched off (0: it isn't heeded)", int),
    "shutdown_grace_critical_s": Flag("how much of it, at the end, is for critical pods (0)", int),
    "shutdown_grace_by_priority": Flag("instead, seconds for each priority: 0=60,1000=30,2000000000=10", _pairs),
    "insecure_registries": Flag("host:port,... to speak to without TLS", _words),
    "registry_mirrors": Flag("docker.io=HOST[:PORT][/PREFIX],... to ask before the registry itself", _words),
}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--server", required=True, help="the API server: https://HOST:6443")
    parser.add_argument("--token", default="", help="from `wherry token create`; needed to join, not to come back")
    parser.add_argument("--node-name", default="", help="what to call the node (the machine's name)")
    parser.add_argument("--token-file", type=Path, help="a file with the token; waited for where it isn't there yet")
    parser.add_argument("--netns", default="", help="run in this network namespace, as a machine of its own")
    parser.add_argument("--development", action="store_true", help="as `wherry up` does: host image, short pauses")
    for field, flag in FLAGS.items():
        parser.add_argument(_name(field), dest=field, help=flag.help)


def run(context: Context) -> int:
    """Join the cluster if need be, and run the node."""
    args = context.args
    if os.geteuid() != 0:
        raise UsageError("agent: needs root, since pods are made of namespaces and mounts")
    if args.netns:
        enter_host(args.netns, args.node_name or machine_name())
    layout = Layout(args.cluster or DEFAULT_CLUSTER)
    settings = _settings(layout, args)
    credentials = credentials_of(layout, settings.node_name)
    if not credentials.are_complete:
        from wherry.joining import join  # noqa: PLC0415 - a node that comes back makes no keys.

        token = args.token or _token_of(args.token_file)
        join(args.server, token, settings.node_name, [settings.node_address], credentials)
    uvloop.run(_serve(settings, credentials.access(args.server)))
    return 0


def _token_of(file: Path | None) -> str:
    """Return the token in a file, once it is there. Raises UsageError."""
    if file is None:
        raise UsageError("--token: is not set; make one on the server's machine with `wherry token create`")
    until = time.monotonic() + TOKEN_TIMEOUT_S
    while not file.exists():
        if time.monotonic() > until:
            raise UsageError(f"--token-file {file}: is not there after {TOKEN_TIMEOUT_S:g} s")
        time.sleep(TOKEN_LOOK_S)
    return file.read_text().strip()


def _settings(layout: Layout, args: argparse.Namespace) -> AgentSettings:
    node = args.node_name or machine_name()
    changes: dict[str, Any] = dict(DEVELOPMENT) if args.development else {}
    for field, flag in FLAGS.items():
        text = getattr(args, field)
        if text is not None:
            changes[field] = _read(_name(field), text, flag.convert)
    changes.setdefault("node_address", address_towards(urlsplit(args.server).hostname or ""))
    settings = agent_settings(layout, node, **changes)
    try:
        parse_periods(settings), parse_thresholds(settings)
    except ValueError as error:
        raise UsageError(f"agent: {error}") from error
    return settings


def _name(field: str) -> str:
    return FLAGS[field].name or "--" + field.replace("_", "-")


def _read(flag: str, text: str, convert: Callable[[str], Any]) -> Any:
    try:
        return convert(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text}: {error}") from error


def enter_host(path: str, name: str) -> None:
    """Make this process one of a host of its own: in a network namespace, and under a name, which its pods then see.

    Must come before any thread is started. Raises UsageError.
    """
    try:
        with Path(path).open("rb") as namespace:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0 or libc.unshare(CLONE_NEWUTS) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        socket.sethostname(name)
    except OSError as error:
        raise UsageError(f"--netns {path}: can't be entered ({error})") from error


async def _serve(settings: AgentSettings, access: Access) -> None:
    set_up_logging()
    async with HttpClient(access, user_agent="kubelet") as client:
        await run_agent(settings, client)
