"""Stop a cluster: its processes, its pods, its network; with purge, also all that it has stored."""

import os
import shutil
from collections.abc import Callable
from typing import Final

from nodeagent.network.hosts import remove_hosts
from nodeagent.purge import clear
from wherry.cluster.layout import RUN_ROOT, STATE_ROOT, Layout
from wherry.cluster.nodes import agent_settings, node_names
from wherry.cluster.processes import records, stop
from wherry.cluster.shape import load_shape
from wherry.targets import UsageError

GRACE_S: Final = 10.0


def bring_down(layout: Layout, *, purge: bool, say: Callable[[str], None]) -> None:
    """End everything of the cluster that runs. Without purge, a later `up` finds its objects again.

    Raises UsageError where there is no such cluster.
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
    shape = load_shape(layout)
    for node in node_names(layout):
        clear(agent_settings(layout, node, cri_endpoint=shape.cri if shape is not None else ""))
    remove_hosts(layout.name)
    shutil.rmtree(layout.run, ignore_errors=True)
    if purge:
        shutil.rmtree(layout.state)
        _remove_shared()
    say(f'cluster "{layout.name}" is {"gone" if purge else "down; `wherry up` brings it back with its objects"}')


def _remove_shared() -> None:
    """Remove what all clusters of the machine share, the images, when the last of them has gone."""
    if not Layout.all():
        shutil.rmtree(STATE_ROOT, ignore_errors=True)
    if RUN_ROOT.is_dir() and not RUN_ROOT.is_mount() and not any(RUN_ROOT.iterdir()):
        RUN_ROOT.rmdir()
