"""Remember what didn't work for one pod and when it is tried again, and tell people who wait for it.

Keeps true: each failure of one thing in a row waits twice as long as the one before, up to the node's limit. What is
kept here may be lost at any moment: that costs a delay less, never a double run.
Source: docs/pod-lifecycle.md, section on back-off.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from kube.api.core_v1 import Pod
from nodeagent.pods.containers import find_container
from nodeagent.pods.room import PodRoom
from nodeagent.pods.view import VOLUMES, Backoff, BackoffLimits, Failure

FIRST_RETRY_S: Final = 1.0
PULL_TOLD: Final = timedelta(seconds=1)
"""How long ErrImagePull is shown before it is called ImagePullBackOff."""
PULL_FAILED: Final = "ErrImagePull"
_WAITS_FOR_OBJECTS: Final = "CreateContainerConfigError"


class Setbacks:
    """The failures and the back-off of one pod, by the key of what failed."""

    def __init__(self, limits: BackoffLimits) -> None:
        self.backoff: dict[str, Backoff] = {}
        self._limits = limits
        self._failures: dict[str, Failure] = {}
        self._times: dict[str, int] = {}

    @property
    def failures(self) -> Mapping[str, Failure]:
        """Why what was tried last didn't work; what worked since is not here."""
        return self._failures

    def forget(self, key: str) -> None:
        """Hear that something worked."""
        self._failures.pop(key, None)
        self._times.pop(key, None)

    def note(self, key: str, reason: str, message: str, now: datetime) -> timedelta:
        """Hear that something failed; return how long it waits for its next try."""
        times = self._times[key] = self._times.get(key, -1) + 1
        most_s, usual_s = self._limits.most_s, self._limits.first_s
        first_s = usual_s if reason == PULL_FAILED else min(FIRST_RETRY_S, usual_s)
        delay = timedelta(seconds=min(first_s * 2 ** min(times, 20), most_s))
        self._failures[key] = Failure(reason, message, now + delay, now)
        return delay

    def hurry(self, now: datetime) -> None:
        """Let what waits for objects of the API be tried again at once: one of them has changed."""
        for key, failure in self._failures.items():
            if key == VOLUMES or failure.reason == _WAITS_FOR_OBJECTS:
                self._failures[key] = replace(failure, retry_at=now)

    def pulls(self, busy: Container[str]) -> Iterator[tuple[str, Failure]]:
        """Yield the failed pulls that wait for their next try under their first name."""
        for key, failure in list(self._failures.items()):
            if failure.reason == PULL_FAILED and key not in busy:
                yield key, failure

    def rename_pull(self, key: str, image: str) -> None:
        """Call a failed pull that goes on waiting by its second name."""
        failure = self._failures[key]
        told = f'Back-off pulling image "{image}": {PULL_FAILED}: {failure.message}'
        self._failures[key] = replace(failure, reason="ImagePullBackOff", message=told)


def tell_restart_waits(room: PodRoom, pod: Pod, name: str) -> None:
    """Tell people that a container which keeps ending is started anew after a pause alone."""
    meta = pod.metadata
    told = f"container {name} in pod {meta.name}_{meta.namespace}({meta.uid})"
    room.tell(pod, "Warning", "BackOff", f"Back-off restarting failed {told}", name)


def rename_pull_failures(
    room: PodRoom, pod: Pod, setbacks: Setbacks, busy: Container[str], now: datetime
) -> datetime | None:
    """Call a failed pull that waits for its next try by its second name, a moment after it was told.

    Return when the next one is due.
    """
    moments = []
    for key, failure in setbacks.pulls(busy):
        rename_at = min(failure.retry_at, failure.failed_at + PULL_TOLD)
        if rename_at > now:
            moments.append(rename_at)
        elif failure.retry_at > now:
            container = find_container(pod, key)
            image = container.image if container is not None else ""
            setbacks.rename_pull(key, image)
            room.tell(pod, "Normal", "BackOff", f'Back-off pulling image "{image}"', key)
            room.tell(pod, "Warning", "Failed", "Error: ImagePullBackOff", key)
    return min(moments, default=None)
