"""What single fields are for, in our words, as `kubectl explain` shows them.

A field whose type is an object is told of by that type, unless it stands in FIELDS. EVERYWHERE holds for all other
fields of a name.
"""

from collections.abc import Mapping
from typing import Final

from apiserver.schema.words_kinds import KINDS
from apiserver.schema.words_pods import PODS


def _words(table: str) -> Mapping[str, str]:
    """Read lines of a name and what is said of it."""
    return {name: words for name, _, words in (line.strip().partition(": ") for line in table.strip().splitlines())}


EVERYWHERE: Final = _words("""
    annotations: Notes that programs leave on the object; nothing selects by them.
    apiVersion: The group and version of the schema that the object follows.
    chapAuthDiscovery: Whether who asks for targets must prove who it is.
    chapAuthSession: Whether who opens a session must prove who it is.
    conditions: What is and isn't true of the object now, each with since when and why.
    defaultMode: The permissions of files that have none of their own.
    fsType: The file system that it has.
    initiatorName: The name that the node goes by.
    items: The objects of the list.
    kind: What the object is: the name of its type.
    labels: Names and values by which objects are selected.
    lastTransitionTime: When the status last changed.
    lastProbeTime: When it was last looked at.
    lastUpdateTime: When this was last written.
    matchLabels: Labels that must all be there with these values.
    matchExpressions: Tests of labels that must all pass.
    message: What there is to say about it, for people.
    minReadySeconds: How many seconds a new pod must be ready before it counts as available.
    name: What it is called.
    namespace: The namespace that it is in.
    mode: The file's permissions.
    nodeName: The node that it is on.
    observedGeneration: The generation of the spec that this status is about.
    optional: Whether it may be missing.
    parameters: What is handed to the one who acts on it; its meaning is theirs.
    partition: The number of the partition; the whole disk if there is none.
    reason: Why, as one word for programs.
    readOnly: Whether it can't be written to.
    replicas: How many pods there are.
    resourceVersion: The state of the object, as a mark to compare with and to watch from.
    status: True, False or Unknown.
    terminationGracePeriodSeconds: How many seconds its processes have to end by themselves.
    type: Which sort of it this is.
    uid: What tells the object from all others, at any time.
""")

FIELDS: Final = _words(f"{PODS.strip()}\n{KINDS.strip()}")
