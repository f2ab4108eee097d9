"""What a worker knows of a pod's containers beyond the runtime's record: last words, resources, how often they ran.

Keeps true: whatever is noted may be lost at any moment: it is found again in the runtime or in what the API was told.
Reads termination messages. Source: docs/pod-lifecycle.md.
"""

from kube.api.core_v1 import ContainerStatus, PodStatus, ResourceRequirements
from kube.codec import decode
from nodeagent.cri.values import RESOURCES, ContainerRecord, ContainerState, PodRecord, SandboxRecord
from nodeagent.pods.messages import termination_message


class Notes:
    """The notes on one pod.

    messages: what ended containers have left to say, by id. resources: what sandboxes and containers were given, by id.
    counts: the highest restart count that each container has run with, by name.
    """

    def __init__(self, runtime: str) -> None:
        self._runtime = runtime
        self.messages: dict[str, str] = {}
        self.resources: dict[str, ResourceRequirements] = {}
        self.counts: dict[str, int] = {}

    def take(self, record: PodRecord, told: PodStatus) -> None:
        """Note what is new in a pod's record, and forget what went. told: the status that was told last."""
        for container in record.containers:
            if container.state is not ContainerState.CREATED:
                self.counts[container.name] = max(container.restart_count, self.counts.get(container.name, 0))
            if container.has_ended and container.id not in self.messages:
                self.messages[container.id] = termination_message(container)
            if container.id not in self.resources and container.resources:
                self.resources[container.id] = self._resources_of(container, told)
        sandbox = record.sandbox
        if sandbox is not None and sandbox.id not in self.resources:
            self.resources[sandbox.id] = _whole_of(sandbox, told)
        known = {one.id for one in record.sandboxes} | {container.id for container in record.containers}
        for gone in self.resources.keys() - known:
            del self.resources[gone]
        for gone in self.messages.keys() - known:
            del self.messages[gone]

    def told_of(self, record: ContainerRecord, told: PodStatus) -> ContainerStatus | None:
        """Return what was told of this very container, None where nothing was."""
        own_id = f"{self._runtime}://{record.id}"
        statuses = (*told.container_statuses, *told.init_container_statuses)
        return next((one for one in statuses if one.container_id == own_id and one.name == record.name), None)

    def _resources_of(self, record: ContainerRecord, told: PodStatus) -> ResourceRequirements:
        """Return what a container was given: by the last resize that was told of, else when it was made."""
        before = self.told_of(record, told)
        if before is not None and before.resources is not None and before.state.running is not None:
            return before.resources
        return decode(record.resources, ResourceRequirements)


def _whole_of(sandbox: SandboxRecord, told: PodStatus) -> ResourceRequirements:
    """Return what the pod as a whole was given before anything was noted."""
    if told.resources is not None and told.phase == "Running":
        return told.resources
    text = sandbox.annotations.get(RESOURCES, "")
    return decode(text, ResourceRequirements) if text else ResourceRequirements()
