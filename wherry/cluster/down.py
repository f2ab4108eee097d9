"""Stop a cluster: its processes, its pods, its network; with purge, also all that it has stored."""

import os
import shutil
from collections.abc import Callable
from typing import Final

from nodeagent.cri.client import CriError
from nodeagent.network.hosts import remove_hosts
from nodeagent.purge import clear
from nodeagent.settings import AgentSettings
from wherry.cluster.layout import RUN_ROOT, STATE_ROOT, Layout
from wherry.cluster.nodes import found_settings, node_names
from wherry.cluster.processes import records, stop
from wherry.targets import UsageError

GRACE_S: Final = 10.0


def bring_down(layout: Layout, *, purge: bool, leaves_pods: bool, say: Callable[[str], None]) -> None:
    """End everything of the cluster that runs. Without purge, a later `up` finds its objects again.

    leaves_pods: to another runtime than the built-in one. Raises UsageError where there is no such cluster, and where
    its pods can't be removed from such a runtime.
    """
    if os.geteuid() != 0:
        raise UsageError("down: needs root, as `wherry up` did; run `sudo wherry down`")
    if not layout.state.exists() and not layout.run.exists():
        known = ", ".join(other.name for other in Layout.all()) or "none"
        raise UsageError(f'down: there is no cluster called "{layout.name}"; on this machine: {known}')
    agents_first = sorted(records(layout.run), key=lambda record: not record.name.startswith("agent-"))
    for record in agents_first:
        if not stop(layout.run, record, grace_s=GRACE_S):
            say(f"{record.name} (pid {record.pid}) didn't end by itself and was killed")
    for node in node_names(layout):
        _clear(found_settings(layout, node), leaves_pods=leaves_pods)
    remove_hosts(layout.name)
    shutil.rmtree(layout.run, ignore_errors=True)
    if purge:
        shutil.rmtree(layout.state)
        _remove_shared()
    say(f'cluster "{layout.name}" is {"gone" if purge else "down; `wherry up` brings it back with its objects"}')


def _clear(settings: AgentSettings, *, leaves_pods: bool) -> None:
    try:
        clear(settings, leaves_pods=leaves_pods)
    except CriError as error:
        raise UsageError(
            f"down: the cluster's own processes are stopped, but its pods go on: {settings.cri_endpoint} can't remove "
            f"them ({error}); start that runtime and say `wherry down` again, or `wherry up` to keep them; where it is "
            "gone for good, add --leave-pods"
        ) from error


def _remove_shared() -> None:
    """Remove what all clusters of the machine share, the images, when the last of them has gone."""
    if not Layout.all():
        shutil.rmtree(STATE_ROOT, ignore_errors=True)
    if RUN_ROOT.is_dir() and not RUN_ROOT.is_mount() and not any(RUN_ROOT.iterdir()):
        RUN_ROOT.rmdir()
