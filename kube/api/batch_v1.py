"""The types of batch/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from typing import Annotated

from kube.api.core_v1 import ObjectReference, PodTemplateSpec
from kube.api.meta_v1 import LabelSelector, ListMeta, ObjectMeta
from kube.api.object import ListAtomic, ListSet, Object, always
from kube.api.scalars import Int32, Int64, Time


class PodFailurePolicyOnExitCodesRequirement(Object, frozen=True):
    """A test on the exit codes of a failed pod's containers."""

    container_name: str | None = None
    operator: str = always("")
    values: Annotated[tuple[Int32, ...], ListSet()] = always(())


class PodFailurePolicyOnPodConditionsPattern(Object, frozen=True):
    """A condition type and status to look for on a failed pod."""

    status: str = always("")
    type: str = always("")


class PodFailurePolicyRule(Object, frozen=True):
    """One kind of pod failure and the action a job takes on it."""

    action: str = always("")
    on_exit_codes: PodFailurePolicyOnExitCodesRequirement | None = None
    on_pod_conditions: tuple[PodFailurePolicyOnPodConditionsPattern, ...] = ()


class PodFailurePolicy(Object, frozen=True):
    """Ordered rules for how a job reacts to failed pods."""

    rules: tuple[PodFailurePolicyRule, ...] = always(())


class SuccessPolicyRule(Object, frozen=True):
    """Which indexes, or how many, must succeed for the job to be done."""

    succeeded_count: Int32 | None = None
    succeeded_indexes: str | None = None


class SuccessPolicy(Object, frozen=True):
    """Rules by which a job may be called done early."""

    rules: tuple[SuccessPolicyRule, ...] = always(())


class JobSpec(Object, frozen=True):
    """The pod template, completions, parallelism and retry limits of a job."""

    active_deadline_seconds: Int64 | None = None
    backoff_limit: Int32 | None = None
    backoff_limit_per_index: Int32 | None = None
    completion_mode: str | None = None
    completions: Int32 | None = None
    managed_by: str | None = None
    manual_selector: bool | None = None
    max_failed_indexes: Int32 | None = None
    parallelism: Int32 | None = None
    pod_failure_policy: PodFailurePolicy | None = None
    pod_replacement_policy: str | None = None
    selector: LabelSelector | None = None
    success_policy: SuccessPolicy | None = None
    suspend: bool | None = None
    template: PodTemplateSpec = always(PodTemplateSpec())
    ttl_seconds_after_finished: Int32 | None = None


class JobTemplateSpec(Object, frozen=True):
    """The labels and spec that jobs are stamped out from."""

    metadata: ObjectMeta = always(ObjectMeta())
    spec: JobSpec = always(JobSpec())


class CronJobSpec(Object, frozen=True):
    """The schedule, time zone, overlap rule and job template of a cron job."""

    concurrency_policy: str = ""
    failed_jobs_history_limit: Int32 | None = None
    job_template: JobTemplateSpec = always(JobTemplateSpec())
    schedule: str = always("")
    starting_deadline_seconds: Int64 | None = None
    successful_jobs_history_limit: Int32 | None = None
    suspend: bool | None = None
    time_zone: str | None = None


class CronJobStatus(Object, frozen=True):
    """The jobs now running and when the last one started and succeeded."""

    active: tuple[ObjectReference, ...] = ()
    last_schedule_time: Time | None = None
    last_successful_time: Time | None = None


class CronJob(Object, frozen=True):
    """Starts a job again and again on a cron schedule."""

    api_version: str = always("batch/v1")
    kind: str = always("CronJob")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: CronJobSpec = always(CronJobSpec())
    status: CronJobStatus = always(CronJobStatus())


class CronJobList(Object, frozen=True):
    """A list of cron jobs."""

    api_version: str = always("batch/v1")
    kind: str = always("CronJobList")
    items: tuple[CronJob, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class JobCondition(Object, frozen=True):
    """One observed state of a job, such as Complete or Failed."""

    last_probe_time: Time | None = always(None)
    last_transition_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = always("")
    type: str = always("")


class UncountedTerminatedPods(Object, frozen=True):
    """Finished pods whose results are not yet added to the job's counts."""

    failed: Annotated[tuple[str, ...], ListSet()] = ()
    succeeded: Annotated[tuple[str, ...], ListSet()] = ()


class JobStatus(Object, frozen=True):
    """A job's counts of active, done and failed pods, and its timing."""

    active: Int32 = 0
    completed_indexes: str = ""
    completion_time: Time | None = None
    conditions: Annotated[tuple[JobCondition, ...], ListAtomic(patch="type")] = ()
    failed: Int32 = 0
    failed_indexes: str | None = None
    ready: Int32 | None = None
    start_time: Time | None = None
    succeeded: Int32 = 0
    terminating: Int32 | None = None
    uncounted_terminated_pods: UncountedTerminatedPods | None = None


class Job(Object, frozen=True):
    """Runs pods until enough of them finish successfully."""

    api_version: str = always("batch/v1")
    kind: str = always("Job")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: JobSpec = always(JobSpec())
    status: JobStatus = always(JobStatus())


class JobList(Object, frozen=True):
    """A list of jobs."""

    api_version: str = always("batch/v1")
    kind: str = always("JobList")
    items: tuple[Job, ...] = always(())
    metadata: ListMeta = always(ListMeta())
