"""The field numbers of coordination.k8s.io/v1. See apiserver.protobuf.schema for how to read them.

Source: the generated.proto of coordination.k8s.io/v1, Kubernetes 1.36.
"""

from collections.abc import Mapping
from typing import Final

MESSAGES: Final[Mapping[str, str]] = {
    "Lease": "metadata:1 spec:2",
    "LeaseSpec": """
        holderIdentity:1 leaseDurationSeconds:2 acquireTime:3:micro renewTime:4:micro leaseTransitions:5
        strategy:6 preferredHolder:7
    """,
}
