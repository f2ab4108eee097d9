"""The field numbers of metrics.k8s.io/v1beta1. See apiserver.protobuf.schema for how to read them.

Source: the generated.proto of metrics.k8s.io/v1beta1.
"""

from collections.abc import Mapping
from typing import Final

MESSAGES: Final[Mapping[str, str]] = {
    "ContainerMetrics": "name:1 usage:2",
    "NodeMetrics": "metadata:1 timestamp:2 window:3 usage:4",
    "PodMetrics": "metadata:1 timestamp:2 window:3 containers:4",
}
