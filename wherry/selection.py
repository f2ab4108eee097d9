"""Which pods belong to a workload or a Service, by the selector that it carries."""

from typing import Final

from kube.kinds import find_kind
from wherry.connection import Connection, Json
from wherry.targets import UsageError

REVISION: Final = "deployment.kubernetes.io/revision"


def selector_of(obj: Json) -> str:
    """Return an object's pod selector in the text form of the API. Raises UsageError where its kind has none."""
    selector = obj.get("spec", {}).get("selector")
    if not selector:
        raise UsageError(f"{obj['kind']} {obj['metadata']['name']}: selects no pods")
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    return ",".join(terms + [_expression(item) for item in selector.get("matchExpressions") or []])


def _expression(item: Json) -> str:
    values = ",".join(item.get("values") or [])
    forms = {
        "In": f"{item['key']} in ({values})",
        "NotIn": f"{item['key']} notin ({values})",
        "Exists": item["key"],
        "DoesNotExist": f"!{item['key']}",
    }
    return str(forms[item["operator"]])


def pods_of(connection: Connection, obj: Json) -> list[Json]:
    """Return the pods that an object selects in its namespace."""
    pods = find_kind("v1", "Pod")
    assert pods is not None
    query = {"labelSelector": selector_of(obj)}
    found: list[Json] = connection.get(pods.path(obj["metadata"]["namespace"]), query)["items"]
    return found


def own_pods(connection: Connection, obj: Json) -> list[Json]:
    """Return the pods that a workload has made in its present form: a Deployment's are those of its newest revision.

    Empty as long as a change to the object has not been seen by its controller.
    """
    about = obj["metadata"]
    if obj.get("status", {}).get("observedGeneration", 0) < about.get("generation", 0):
        return []
    owners = {about["uid"]}
    if obj["kind"] == "Deployment":
        present = revision_of(obj)
        owners = {one["metadata"]["uid"] for one in replicasets_of(connection, obj) if revision_of(one) == present}
    return [pod for pod in pods_of(connection, obj) if _is_owned(pod, owners)]


def replicasets_of(connection: Connection, deployment: Json) -> list[Json]:
    """Return the Deployment's own ReplicaSets, oldest revision first."""
    kind = find_kind("apps/v1", "ReplicaSet")
    assert kind is not None
    query = {"labelSelector": selector_of(deployment)}
    found = connection.get(kind.path(deployment["metadata"]["namespace"]), query)["items"]
    return sorted((one for one in found if _is_owned(one, {deployment["metadata"]["uid"]})), key=revision_of)


def revision_of(obj: Json) -> int:
    """Return which revision a Deployment is at or a ReplicaSet holds, 0 where none is told."""
    return int(obj["metadata"].get("annotations", {}).get(REVISION, "0"))


def _is_owned(obj: Json, owners: set[str]) -> bool:
    return any(owner["uid"] in owners for owner in obj["metadata"].get("ownerReferences") or [])
