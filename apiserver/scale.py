"""The scale of a workload: its replicas and selector in the same form for all kinds.

Source: kubernetes.io/docs/reference/using-api/api-concepts; the types of autoscaling/v1.
"""

from typing import Any, Final

from msgspec.structs import replace

from kube.api.autoscaling_v1 import Scale, ScaleSpec, ScaleStatus
from kube.api.meta_v1 import LabelSelector, ObjectMeta
from kube.errors import invalid, invalid_object
from kube.kinds import Kind, Resource
from kube.selectors import label_selector_from_map, label_selector_from_object

SCALE: Final = Kind("autoscaling", "v1", "Scale", "scales")


def scale_of(obj: Resource) -> Scale:
    """Return the scale of a Deployment, ReplicaSet, StatefulSet or ReplicationController."""
    spec: Any = obj.spec  # type: ignore[attr-defined]
    status: Any = obj.status  # type: ignore[attr-defined]
    meta = obj.metadata
    selector = spec.selector
    if selector is None or isinstance(selector, LabelSelector):
        text = str(label_selector_from_object(selector))
    else:
        text = str(label_selector_from_map(selector))
    return Scale(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resource_version=meta.resource_version,
            creation_timestamp=meta.creation_timestamp,
        ),
        spec=ScaleSpec(replicas=spec.replicas or 0),
        status=ScaleStatus(replicas=status.replicas, selector=text),
    )


def with_scale(obj: Resource, scale: Scale) -> Resource:
    """Return the object with the replicas that `scale` asks for; a version in it becomes the object's condition.

    Raises ApiError 422 for a number below zero.
    """
    wanted = scale.spec.replicas
    if wanted < 0:
        error = invalid("spec.replicas", wanted, "must be greater than or equal to 0")
        raise invalid_object(SCALE, obj.metadata.name, (error,))
    spec: Any = obj.spec  # type: ignore[attr-defined]
    version = scale.metadata.resource_version or obj.metadata.resource_version
    uid = scale.metadata.uid or obj.metadata.uid
    changed: Resource = replace(  # type: ignore[type-var]
        obj,
        metadata=replace(obj.metadata, resource_version=version, uid=uid),
        spec=replace(spec, replicas=wanted),
    )
    return changed
