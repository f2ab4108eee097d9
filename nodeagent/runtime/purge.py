"""Take everything of one runtime off the machine, whether that runtime runs or not.

Keeps true: afterwards none of its shims, containers, mounts, cgroups, folders or claims on images is left; nothing of
another cluster is touched. Reads the records; where they are gone, the cgroup tree and the mount table tell.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from nodeagent.runtime import cgroups, state, syscalls
from nodeagent.runtime.images.store import ImageStore
from nodeagent.runtime.settings import RuntimeSettings
from nodeagent.runtime.state import ContainerRecord, SandboxRecord, ShimRecord, StartRecord

END_TIMEOUT_S = 10.0
_PAUSE_S = 0.01


def purge(settings: RuntimeSettings) -> list[str]:
    """Remove it all; return a sentence for each thing removed. Stop the runtime itself first."""
    done: list[str] = []
    groups = cgroups.detect_here()
    records = _records(settings.sandboxes_dir, "sandbox.json", SandboxRecord)
    containers = _records(settings.containers_dir, "container.json", ContainerRecord)
    shims = _records(settings.sandboxes_dir, "shim.json", ShimRecord)
    starts = _records(settings.containers_dir, "pid.json", StartRecord)
    ended = _end({(item.pid, item.start_time) for item in shims} | {(item.pid, item.start_time) for item in starts})
    paths = {item.cgroup for item in containers} | {item.cgroup for item in records if item.owns_cgroup}
    for path in [*sorted(paths), settings.cgroup_parent]:
        ended += _end({(pid, state.start_time_of(pid)) for pid in groups.processes(path)})
        if groups.exists(path) and _remove_group(groups, path):
            done.append(f"cgroup {path}: removed")
    done += [f"{ended} processes: ended"] if ended else []
    done += [f"mount {place}: removed" for place in _unmount_below(settings.state_dir, settings.run_dir)]
    if (settings.image_dir / "users").is_dir():
        ImageStore(settings.image_dir, settings.state_dir).release_all()
    for folder in (settings.state_dir, settings.run_dir):
        if folder.exists():
            state.remove_tree(folder)
            done.append(f"folder {folder}: removed")
    settings.socket_path.unlink(missing_ok=True)
    return done


def _records(folder: Path, name: str, kind: type[state.T]) -> list[state.T]:
    loaded = (state.load(file, kind) for file in folder.glob(f"*/{name}"))
    return [record for record in loaded if record is not None]


def _end(processes: Iterable[tuple[int, int]]) -> int:
    """End the processes that still are who they were, and wait for them; return how many there were."""
    descriptors = []
    for pid, start_time in processes:
        if not pid:
            continue  # A sandbox that was dismantled before it had a shim.
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            descriptors.append(descriptor)
            if state.is_alive(pid, start_time):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    until = time.monotonic() + END_TIMEOUT_S
    for descriptor in descriptors:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(max(0, until - time.monotonic()) * 1000)
        os.close(descriptor)
    return len(descriptors)


def _remove_group(groups: cgroups.Cgroups, path: str) -> bool:
    until = time.monotonic() + END_TIMEOUT_S
    while not groups.remove(path):
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE_S)  # A process that has been killed leaves its group a moment later.
    return True


def _unmount_below(*folders: Path) -> list[str]:
    """Unmount what is mounted below the folders, deepest first."""
    tops = tuple(f"{folder.resolve()}/" for folder in folders)
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [place for place in (line.split()[4] for line in lines) if f"{place}/".startswith(tops)]
    for place in reversed(places):
        syscalls.unmount(place)
    return places
