"""The field numbers of scheduling.k8s.io/v1. See apiserver.protobuf.schema for how to read them.

Source: the generated.proto of scheduling.k8s.io/v1, Kubernetes 1.36.
"""

from collections.abc import Mapping
from typing import Final

MESSAGES: Final[Mapping[str, str]] = {
    "PriorityClass": "metadata:1 value:2 globalDefault:3 description:4 preemptionPolicy:5",
}
