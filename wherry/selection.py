"""Which pods belong to a workload or a Service, by the selector that it carries."""

from kube.kinds import find_kind
from wherry.connection import Connection, Json
from wherry.targets import UsageError


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
