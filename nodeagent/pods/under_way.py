"""The operations under way on one pod.

Keeps true: at most one for each key; one that takes another's place ends it first; what went wrong is remembered, so
that it waits for its next try; whenever one is over the pod's worker is woken.
Source: docs/pod-lifecycle.md.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from kube.runner import attempt
from nodeagent.pods.failures import OperationFailed
from nodeagent.pods.room import PodRoom
from nodeagent.pods.setbacks import Setbacks
from nodeagent.pods.sight import Sight
from nodeagent.pods.view import Action, Cancel, CreateSandbox, PrepareVolumes, StartContainer, key_of_action

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Operation:
    action: Action
    task: asyncio.Task[None]


class UnderWay:
    """What is being done to one pod. carry_out: does it, and returns the id of what runs by it, "" for nothing."""

    def __init__(
        self,
        room: PodRoom,
        story: str,
        carry_out: Callable[[Action], Awaitable[str]],
        *,
        setbacks: Setbacks,
        sight: Sight,
        wake: Callable[[], None],
    ) -> None:
        self._room = room
        self._story = story
        self._carry_out = carry_out
        self._setbacks = setbacks
        self._sight = sight
        self._wake = wake
        self._operations: dict[str, _Operation] = {}

    @property
    def actions(self) -> Mapping[str, Action]:
        """What is under way, by key."""
        return {key: operation.action for key, operation in self._operations.items()}

    @property
    def is_starting(self) -> bool:
        """Whether a sandbox or a container is being started."""
        return any(isinstance(action, StartContainer | CreateSandbox) for action in self.actions.values())

    def begin(self, action: Action) -> None:
        """Begin an operation in place of that of the same key; a Cancel only ends that one."""
        key = key_of_action(action)
        current = self._operations.pop(key, None)
        if current is not None:
            current.task.cancel()
        if isinstance(action, Cancel):
            self._sight.forget()
            self._wake()
            return

        async def job() -> None:
            await self._operate(key, action)

        self._operations[key] = _Operation(action, self._room.runner.start(f"{self._story}: {key}", job))

    def give_up(self) -> None:
        """End all operations: their worker is over."""
        for operation in list(self._operations.values()):
            operation.task.cancel()

    async def _operate(self, key: str, action: Action) -> None:
        failure: OperationFailed | None = None
        made = ""

        async def job() -> None:
            nonlocal failure, made
            try:
                made = await self._carry_out(action)
            except OperationFailed as error:
                failure = error

        try:
            unexpected = await attempt(f"{self._story}: {type(action).__name__} {key}", job)
            if unexpected is not None:
                failure = OperationFailed("InternalError", str(unexpected))
            self._note(key, failure)
            if made:
                await self._sight.await_event(made)
        finally:
            current = self._operations.get(key)
            if current is not None and current.action is action:
                del self._operations[key]
            if not isinstance(action, PrepareVolumes):
                self._sight.note_done(made)
            self._wake()

    def _note(self, key: str, failure: OperationFailed | None) -> None:
        if failure is None:
            self._setbacks.forget(key)
            return
        delay = self._setbacks.note(key, failure.reason, str(failure), self._room.clock.now())
        _log.info("%s: %s: %s: %s; next try in %gs", self._story, key, failure.reason, failure, delay.total_seconds())
