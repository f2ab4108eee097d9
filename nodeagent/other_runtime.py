"""Prepare a node for a runtime that isn't the built-in one: its network, and where the runtime finds it.

The built-in runtime sets the network up in its own process; here the node agent does, and the runtime's calls reach it
through the CNI plugin. Source: docs/decisions/0005-other-runtimes-by-cni.md.
"""

import asyncio
import json
import logging
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

from nodeagent import cni
from nodeagent.cri.client import Cri, CriError
from nodeagent.network.network import PodNetwork
from nodeagent.network_settings import network_settings
from nodeagent.settings import AgentSettings

USUAL_CONF_DIR: Final = "/etc/cni/net.d"
USUAL_BIN_DIR: Final = "/opt/cni/bin"
RETRY_S: Final = 1.0

_log = logging.getLogger(__name__)


async def connect_runtime(settings: AgentSettings, cri: Cri, pod_cidr: IPv4Network) -> None:
    """Set the node's network up and hand it to the runtime; keeps on trying until both have worked."""
    while True:
        try:
            conf_dir, bin_dir = cni_dirs(await cri.info())
            await _set_up_network(settings, pod_cidr)
            await asyncio.to_thread(cni.install, settings, pod_cidr, conf_dir, bin_dir)
        except (CriError, OSError) as error:
            _log.warning("network: the runtime can't have it yet, trying again: %s", error)
            await asyncio.sleep(RETRY_S)
        else:
            _log.info("network: the runtime has it from %s", cni.configuration_file(settings, conf_dir))
            return


async def leave_runtime(settings: AgentSettings) -> list[str]:
    """Remove the node's pods from its runtime, and its network's configuration; return a sentence for each thing.

    Raises CriError where the runtime gives no answer, or can't remove one: then they may still run.
    """
    cri = Cri(settings.endpoint)
    try:
        await cri.version()  # Which is waited for less long than what takes its time.
        pods = await cri.pods()
        for sandbox in (sandbox for pod in pods.values() for sandbox in pod.sandboxes):
            await cri.stop_sandbox(sandbox.id)
            await cri.remove_sandbox(sandbox.id)
        conf_dir, _ = cni_dirs(await cri.info())
        cni.configuration_file(settings, conf_dir).unlink(missing_ok=True)
    finally:
        await cri.close()
    return [f"pod {uid}: removed from {settings.cri_endpoint}" for uid in pods]


async def _set_up_network(settings: AgentSettings, pod_cidr: IPv4Network) -> None:
    network = PodNetwork(network_settings(settings))
    try:
        await network.setup()
        await network.set_pod_cidr(pod_cidr)
    finally:
        await network.close()


def cni_dirs(info: dict[str, str]) -> tuple[Path, Path]:
    """Return where a runtime looks for CNI configurations and plugins, as it says itself; else where most look.

    info: what its Status says when asked for more, JSON by key. containerd's is read: config.cni.{confDir,binDir}.
    """
    told = _config(info).get("cni") or {}
    return Path(told.get("confDir") or USUAL_CONF_DIR), Path(told.get("binDir") or USUAL_BIN_DIR)


def sandbox_image(info: dict[str, str]) -> str:
    """Return the image that a runtime makes its sandboxes from, "" where it doesn't say; no container names it."""
    return str(_config(info).get("sandboxImage") or "")


def _config(info: dict[str, str]) -> dict[str, Any]:
    try:
        told = json.loads(info.get("config", "{}"))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
