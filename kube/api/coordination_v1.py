"""The types of coordination.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from kube.api.meta_v1 import ListMeta, ObjectMeta
from kube.api.object import Object, always
from kube.api.scalars import Int32, MicroTime


class LeaseSpec(Object, frozen=True):
    """Who holds a lease, for how long, and when it was last renewed."""

    acquire_time: MicroTime | None = None
    holder_identity: str | None = None
    lease_duration_seconds: Int32 | None = None
    lease_transitions: Int32 | None = None
    preferred_holder: str | None = None
    renew_time: MicroTime | None = None
    strategy: str | None = None


class Lease(Object, frozen=True):
    """A lock with a holder and a renewal time, used for leadership and heartbeats."""

    api_version: str = always("coordination.k8s.io/v1")
    kind: str = always("Lease")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: LeaseSpec = always(LeaseSpec())


class LeaseList(Object, frozen=True):
    """A list of leases."""

    api_version: str = always("coordination.k8s.io/v1")
    kind: str = always("LeaseList")
    items: tuple[Lease, ...] = always(())
    metadata: ListMeta = always(ListMeta())
