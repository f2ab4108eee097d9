"""Workloads as rows: ReplicationControllers, ReplicaSets, Deployments, DaemonSets, StatefulSets, Jobs, CronJobs.

Source: what `kubectl get` has always shown.
"""

from datetime import datetime
from typing import Any, Final

from kube.api.apps_v1 import ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet
from kube.api.autoscaling_v1 import Scale
from kube.api.batch_v1 import CronJob, Job
from kube.api.core_v1 import PodTemplateSpec, ReplicationController
from kube.objects import condition_is_true, controller_of
from kube.times import human_duration, seconds_between

from .column import (
    AGE,
    INVALID,
    NAME,
    NONE,
    Printer,
    age,
    containers,
    flags,
    labels,
    numbers,
    selector,
    since,
    text,
    wide,
)

_WIDE: Final = wide("Containers", "Images", "Selector")


def replication_controller_cells(obj: ReplicationController, now: datetime) -> list[Any]:
    """Return the cells of a ReplicationController."""
    pod = (obj.spec.template or PodTemplateSpec()).spec
    counts = [obj.spec.replicas or 0, obj.status.replicas, obj.status.ready_replicas]
    return [obj.metadata.name, *counts, age(obj, now), *containers(pod), labels(obj.spec.selector)]


def replica_set_cells(obj: ReplicaSet, now: datetime) -> list[Any]:
    """Return the cells of a ReplicaSet."""
    counts = [obj.spec.replicas or 0, obj.status.replicas, obj.status.ready_replicas]
    tail = [*containers(obj.spec.template.spec), selector(obj.spec.selector)]
    return [obj.metadata.name, *counts, age(obj, now), *tail]


def scale_cells(obj: Scale, now: datetime) -> list[Any]:
    """Return the cells of a Scale."""
    return [obj.metadata.name, obj.spec.replicas, obj.status.replicas, age(obj, now)]


def deployment_cells(obj: Deployment, now: datetime) -> list[Any]:
    """Return the cells of a Deployment."""
    status = obj.status
    return [
        obj.metadata.name,
        f"{status.ready_replicas}/{obj.spec.replicas or 0}",
        status.updated_replicas,
        status.available_replicas,
        age(obj, now),
        *containers(obj.spec.template.spec),
        selector(obj.spec.selector),
    ]


def daemon_set_cells(obj: DaemonSet, now: datetime) -> list[Any]:
    """Return the cells of a DaemonSet."""
    status = obj.status
    return [
        obj.metadata.name,
        status.desired_number_scheduled,
        status.current_number_scheduled,
        status.number_ready,
        status.updated_number_scheduled,
        status.number_available,
        labels(obj.spec.template.spec.node_selector),
        age(obj, now),
        *containers(obj.spec.template.spec),
        selector(obj.spec.selector),
    ]


def stateful_set_cells(obj: StatefulSet, now: datetime) -> list[Any]:
    """Return the cells of a StatefulSet."""
    ready = f"{obj.status.ready_replicas}/{obj.spec.replicas or 0}"
    return [obj.metadata.name, ready, age(obj, now), *containers(obj.spec.template.spec)]


def controller_revision_cells(obj: ControllerRevision, now: datetime) -> list[Any]:
    """Return the cells of a ControllerRevision."""
    owner = controller_of(obj)
    group = owner.api_version.partition("/")[0] if owner is not None and "/" in owner.api_version else ""
    told = f"{owner.kind.lower()}{'.' if group else ''}{group}/{owner.name}" if owner is not None else NONE
    return [obj.metadata.name, told, obj.revision, age(obj, now)]


def job_cells(obj: Job, now: datetime) -> list[Any]:
    """Return the cells of a Job."""
    tail = [*containers(obj.spec.template.spec), selector(obj.spec.selector)]
    return [obj.metadata.name, _job_word(obj), _completions(obj), _duration(obj, now), age(obj, now), *tail]


def _job_word(job: Job) -> str:
    conditions = job.status.conditions
    for word in ("Complete", "Failed"):
        if condition_is_true(conditions, word):
            return word
    if job.metadata.deletion_timestamp is not None:
        return "Terminating"
    for word in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if condition_is_true(conditions, word):
            return word
    return "Running"


def _completions(job: Job) -> str:
    if job.spec.completions is not None:
        return f"{job.status.succeeded}/{job.spec.completions}"
    parallelism = job.spec.parallelism or 0
    return f"{job.status.succeeded}/1 of {parallelism}" if parallelism > 1 else f"{job.status.succeeded}/1"


def _duration(job: Job, now: datetime) -> str:
    if job.status.start_time is None:
        return ""
    try:
        return human_duration(seconds_between(job.status.start_time, job.status.completion_time or now))
    except ValueError:
        return INVALID


def cron_job_cells(obj: CronJob, now: datetime) -> list[Any]:
    """Return the cells of a CronJob."""
    spec, job = obj.spec, obj.spec.job_template.spec
    last = obj.status.last_schedule_time
    return [
        obj.metadata.name,
        spec.schedule,
        spec.time_zone or NONE,
        str(bool(spec.suspend)),
        len(obj.status.active),
        since(last, now) if last else NONE,
        age(obj, now),
        *containers(job.template.spec),
        selector(job.selector),
    ]


_REPLICATED: Final = (NAME, *numbers("Desired", "Current", "Ready"), AGE, *_WIDE)
REPLICATION_CONTROLLER: Final = Printer(_REPLICATED, replication_controller_cells)
REPLICA_SET: Final = Printer(_REPLICATED, replica_set_cells)
DEPLOYMENT: Final = Printer((NAME, *text("Ready", "Up-to-date", "Available"), AGE, *_WIDE), deployment_cells)
DAEMON_SET: Final = Printer(
    (
        NAME,
        *numbers("Desired", "Current", "Ready", "Up-to-date", "Available"),
        *text("Node Selector"),
        AGE,
        *_WIDE,
    ),
    daemon_set_cells,
)
STATEFUL_SET: Final = Printer((NAME, *text("Ready"), AGE, *wide("Containers", "Images")), stateful_set_cells)
CONTROLLER_REVISION: Final = Printer((NAME, *text("Controller", "Revision"), AGE), controller_revision_cells)
JOB: Final = Printer((NAME, *text("Status", "Completions", "Duration"), AGE, *_WIDE), job_cells)
CRON_JOB: Final = Printer(
    (NAME, *text("Schedule", "Timezone"), *flags("Suspend"), *numbers("Active"), *text("Last Schedule"), AGE, *_WIDE),
    cron_job_cells,
)
SCALE: Final = Printer((NAME, *numbers("Desired", "Available"), AGE), scale_cells)
