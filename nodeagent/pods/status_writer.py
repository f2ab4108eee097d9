"""Write a pod's status: only what changed, in one request.

Keeps true: the writer never touches a condition of others nor another pod of the same name (the uid is checked).
Writes the status subresource of Pods by strategic merge patch.
"""

from collections.abc import Mapping
from typing import Any, Final

from kube.api.core_v1 import Pod, PodStatus
from kube.client import Client, PatchType
from kube.codec import to_plain
from nodeagent.pods.status import OWN_CONDITIONS

_MERGED_LISTS: Final = ("podIPs", "hostIPs")


def status_patch(old: PodStatus, new: PodStatus) -> dict[str, Any]:
    """Return the strategic merge patch of a status that leads from `old` to `new`; empty where nothing differs."""
    if old == new:
        return {}
    before, after = to_plain(old), to_plain(new)
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        if value == before.get(name):
            continue
        if name != "conditions":
            replaces = name in _MERGED_LISTS and before.get(name)
            patch[name] = [*value, {"$patch": "replace"}] if replaces else value
        elif changed := _changed_conditions(before.get(name, []), value):
            patch[name] = changed
    return patch


def _changed_conditions(before: list[Mapping[str, Any]], after: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    known = {condition["type"]: condition for condition in before}
    changed: list[Mapping[str, Any]] = []
    for condition in after:
        old = known.get(condition["type"])
        if condition["type"] in OWN_CONDITIONS and condition != old:
            gone = {name: None for name in old or {} if name not in condition}
            changed.append({**gone, **condition})
    kept = {condition["type"] for condition in after}
    left = [kind for kind in known if kind in OWN_CONDITIONS and kind not in kept]
    return [*changed, *({"$patch": "delete", "type": kind} for kind in left)]


async def write_status(client: Client, pod: Pod, uid: str, old: PodStatus, new: PodStatus) -> Pod | None:
    """Write what differs; return the pod as stored, None where nothing differed. Raises what the API refuses.

    uid: of the object, which another one of the same name hasn't.
    """
    patch = status_patch(old, new)
    if not patch:
        return None
    meta = pod.metadata
    body = {"metadata": {"uid": uid}, "status": patch}
    return await client.patch(
        Pod, meta.name, body, namespace=meta.namespace, subresource="status", patch_type=PatchType.STRATEGIC
    )
