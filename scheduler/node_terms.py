"""Which nodes a selector term means: tests on labels, and on the node's name.

Source: kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node.
"""

from collections.abc import Mapping

from kube.api.core_v1 import NodeSelectorRequirement, NodeSelectorTerm


def matches_term(term: NodeSelectorTerm, labels: Mapping[str, str], name: str) -> bool:
    """Say whether a node with these labels and this name passes all tests of `term`; an empty term matches none."""
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {"metadata.name": name}
    return all(_passes(test, labels) for test in term.match_expressions) and all(
        _passes(test, fields) for test in term.match_fields
    )


def _passes(test: NodeSelectorRequirement, values: Mapping[str, str]) -> bool:
    found = values.get(test.key)
    match test.operator:
        case "In":
            return found in test.values
        case "NotIn":
            return found not in test.values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt" | "Lt":
            return found is not None and len(test.values) == 1 and compares(found, test.operator, test.values[0])
    return False


def compares(left: str, operator: str, right: str) -> bool:
    """Say whether `left` is greater (Gt) or less (Lt) than `right`, both read as whole numbers."""
    try:
        return int(left) > int(right) if operator == "Gt" else int(left) < int(right)
    except ValueError:
        return False
