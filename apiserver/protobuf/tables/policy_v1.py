"""The field numbers of policy/v1. See apiserver.protobuf.schema for how to read them.

Source: the generated.proto of policy/v1, Kubernetes 1.36.
"""

from collections.abc import Mapping
from typing import Final

MESSAGES: Final[Mapping[str, str]] = {
    "Eviction": "metadata:1 deleteOptions:2",
    "PodDisruptionBudget": "metadata:1 spec:2 status:3",
    "PodDisruptionBudgetSpec": "minAvailable:1 selector:2 maxUnavailable:3 unhealthyPodEvictionPolicy:4",
    "PodDisruptionBudgetStatus": """
        observedGeneration:1 disruptedPods:2 disruptionsAllowed:3 currentHealthy:4 desiredHealthy:5
        expectedPods:6 conditions:7
    """,
}
