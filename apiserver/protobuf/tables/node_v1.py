"""The field numbers of node.k8s.io/v1. See apiserver.protobuf.schema for how to read them.

Source: the generated.proto of node.k8s.io/v1, Kubernetes 1.36.
"""

from collections.abc import Mapping
from typing import Final

MESSAGES: Final[Mapping[str, str]] = {
    "Overhead": "podFixed:1",
    "RuntimeClass": "metadata:1 handler:2 overhead:3 scheduling:4",
    "Scheduling": "nodeSelector:1 tolerations:2",
}
