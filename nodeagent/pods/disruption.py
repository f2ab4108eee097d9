"""Say in a pod's status that it ends for the sake of others: a Job doesn't count that as its pod's failure.

Writes the condition DisruptionTarget. Source: kubernetes.io/docs/concepts/workloads/pods/disruptions.
"""

import logging

from kube.api.core_v1 import Pod, PodCondition
from kube.client import ConnectionLost, PatchType
from kube.codec import to_plain
from kube.errors import ApiError
from kube.times import to_time
from nodeagent.pods.room import PodRoom

_log = logging.getLogger(__name__)


async def mark_disrupted(room: PodRoom, pod: Pod, message: str) -> None:
    """Write why a pod has to leave; what the API refuses is logged, as the pod leaves all the same."""
    meta, uid = pod.metadata, room.uid_in_api(pod)
    if not uid:
        return
    target = PodCondition(
        type="DisruptionTarget",
        status="True",
        reason="TerminationByKubelet",
        message=message,
        last_transition_time=to_time(room.clock.now()),
        observed_generation=meta.generation,
    )
    body = {"metadata": {"uid": uid}, "status": {"conditions": [to_plain(target)]}}
    try:
        await room.client.patch(
            Pod, meta.name, body, namespace=meta.namespace, subresource="status", patch_type=PatchType.STRATEGIC
        )
    except (ApiError, ConnectionLost) as error:
        _log.warning("pod %s/%s: can't be marked as disrupted: %s", meta.namespace, meta.name, error)
