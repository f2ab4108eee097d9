"""The field numbers of events.k8s.io/v1. See apiserver.protobuf.schema for how to read them.

Source: the generated.proto of events.k8s.io/v1, Kubernetes 1.36.
"""

from collections.abc import Mapping
from typing import Final

MESSAGES: Final[Mapping[str, str]] = {
    "Event": """
        metadata:1 eventTime:2:micro series:3 reportingController:4 reportingInstance:5 action:6 reason:7
        regarding:8 related:9 note:10 type:11 deprecatedSource:12 deprecatedFirstTimestamp:13
        deprecatedLastTimestamp:14 deprecatedCount:15
    """,
    "EventSeries": "count:1 lastObservedTime:2:micro",
}
