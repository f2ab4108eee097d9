"""Remove all that a node has made on its machine: pods, network, rules, mounts, files.

Works when nothing of the node runs any more, and needs no state: links, tables and cgroups are found by name.
"""

import asyncio
import shutil
from ipaddress import IPv4Network
from pathlib import Path

from nodeagent.network.network import PodNetwork
from nodeagent.network_settings import network_settings
from nodeagent.other_runtime import leave_runtime
from nodeagent.pods import pod_cgroups
from nodeagent.pods.mounts import mounts_below, unmount
from nodeagent.proxy import proxy
from nodeagent.proxy.rules import NodeView
from nodeagent.runtime.purge import purge as purge_runtime
from nodeagent.runtime_process import runtime_settings
from nodeagent.settings import AgentSettings


def clear(settings: AgentSettings, *, leaves_pods: bool = False) -> list[str]:
    """Remove a node's pods with their network, rules, mounts and files; return a sentence for each thing removed.

    What the node needs to come back (its certificates) stays, and so do images. End the agent itself first.
    leaves_pods: to another runtime than the built-in one, which isn't asked. Raises CriError where such a runtime can't
    remove them; then all that they need is still there.
    """
    if not settings.cri_endpoint:
        done = purge_runtime(runtime_settings(settings))
    else:
        done = [] if leaves_pods else asyncio.run(leave_runtime(settings))
        pod_cgroups.remove(settings.cgroup_parent)
    cidr = IPv4Network(settings.cluster_cidr)
    proxy.remove(proxy.ProxySettings(settings.link_prefix, cidr, NodeView(settings.node_name)))
    asyncio.run(_remove_network(settings))
    done.append(f"network {settings.link_prefix}: links, routes and rules removed")
    state = settings.state_dir
    for folder in (settings.run_dir, state / "pods", state / "logs", state / "runtime"):
        done += _remove(folder)
    return done


def purge(settings: AgentSettings) -> list[str]:
    """Remove all that `clear` removes, and what the node keeps besides."""
    return [*clear(settings), *_remove(settings.state_dir)]


def _remove(folder: Path) -> list[str]:
    done = []
    for point in mounts_below(folder):
        unmount(point)
        done.append(f"mount {point}: removed")
    if folder.exists() and not mounts_below(folder):
        shutil.rmtree(folder)
        done.append(f"{folder}: removed")
    return done


async def _remove_network(settings: AgentSettings) -> None:
    network = PodNetwork(network_settings(settings))
    try:
        await network.teardown()
    finally:
        await network.close()
