"""The rules of Jobs and CronJobs: work that ends.

A Job's selector and the labels of its pods are made from its uid, unless the author takes that on.
Source: kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1
"""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context, Strategy
from kube import names
from kube.api.batch_v1 import CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec, PodFailurePolicy
from kube.api.core_v1 import Affinity, Container, PodSpec, PodTemplateSpec
from kube.api.meta_v1 import LabelSelector
from kube.errors import FieldError, immutable, invalid, not_supported, required
from kube.objects import with_defaults, with_metadata
from kube.selectors import label_selector_from_object

from .checks import Errors, label_selector, not_negative, one_of, one_of_if_given
from .filling import where_none
from .job_policies import failure_policy_errors, indexed_errors, managed_by_errors, success_policy_errors
from .job_status import job_status_errors
from .pod_defaults import default_template
from .pod_spec import template_errors, unselected_error
from .schedules import schedule_problem, time_zone_problem

CRON_JOB_NAME_MAX: Final = 52
_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
_NAME_LABEL: Final = "batch.kubernetes.io/job-name"
_FIXED: Final = {
    "selector": "selector",
    "completion_mode": "completionMode",
    "pod_failure_policy": "podFailurePolicy",
    "backoff_limit_per_index": "backoffLimitPerIndex",
    "managed_by": "managedBy",
    "success_policy": "successPolicy",
}


class JobStrategy(Strategy[Job]):
    """Jobs."""

    default_propagation = "Orphan"
    deletion_warning = (
        "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them "
        "or set propagationPolicy=Orphan to suppress this warning"
    )
    field_names = ("status.successful",)

    def default(self, obj: Job) -> Job:
        spec = default_job_spec(obj.spec)
        return with_own_labels(obj if spec is obj.spec else replace(obj, spec=spec))

    def prepare_create(self, obj: Job, context: Context) -> Job:
        obj = super().prepare_create(obj, context)
        return with_own_labels(obj if obj.spec.manual_selector else with_generated_selector(obj))

    def validate(self, obj: Job) -> list[FieldError]:
        return [*_hostname_errors(obj), *_generated_errors(obj), *job_errors(obj.spec, "spec")]

    def validate_status_update(self, new: Job, old: Job) -> list[FieldError]:
        return list(job_status_errors(new.status))

    def validate_update(self, new: Job, old: Job) -> list[FieldError]:
        return [*self.validate(new), *_change_errors(new, old)]

    def refuse_field(self, field: str) -> str:
        return f'field label "{field}" not supported for Job'

    def selectable_fields(self, obj: Job) -> Mapping[str, str]:
        return {**super().selectable_fields(obj), "status.successful": str(obj.status.succeeded)}


def with_own_labels(job: Job) -> Job:
    """Return the Job with labels: those of its pods, unless it has some."""
    labels = job.spec.template.metadata.labels
    return with_metadata(job, labels=labels) if labels and not job.metadata.labels else job


def default_job_spec(spec: JobSpec) -> JobSpec:
    """Return a Job's spec with its defaults."""
    if spec.completions is None and spec.parallelism is None:
        spec = replace(spec, completions=1, parallelism=1)
    limit = 2**31 - 1 if spec.backoff_limit_per_index is not None else 6
    replacement = "Failed" if spec.pod_failure_policy is not None else "TerminatingOrFailed"
    spec = where_none(
        spec,
        parallelism=1,
        backoff_limit=limit,
        completion_mode="NonIndexed",
        suspend=False,
        pod_replacement_policy=replacement,
        manual_selector=False,
    )
    if spec.pod_failure_policy is not None:
        spec = replace(spec, pod_failure_policy=_default_failure_policy(spec.pod_failure_policy))
    template = default_template(spec.template)
    return spec if template is spec.template else replace(spec, template=template)


def _default_failure_policy(policy: PodFailurePolicy) -> PodFailurePolicy:
    """Return the policy with conditions that say which status they mean: that of being so."""
    rules = tuple(
        replace(
            rule,
            on_pod_conditions=tuple(with_defaults(pattern, status="True") for pattern in rule.on_pod_conditions),
        )
        for rule in policy.rules
    )
    return replace(policy, rules=rules)


def with_generated_selector(job: Job) -> Job:
    """Return the Job with a selector that only its own pods meet, and with the labels by which they do."""
    template = job.spec.template
    labels = {
        **template.metadata.labels,
        "controller-uid": job.metadata.uid,
        _UID_LABEL: job.metadata.uid,
        "job-name": job.metadata.name,
        _NAME_LABEL: job.metadata.name,
    }
    template = replace(template, metadata=replace(template.metadata, labels=labels))
    selector = job.spec.selector or LabelSelector()
    selector = replace(selector, match_labels={**selector.match_labels, _UID_LABEL: job.metadata.uid})
    if job.metadata.labels and job.metadata.labels is job.spec.template.metadata.labels:
        job = with_metadata(job, labels=labels)  # Those that default() took from the template are the template's still.
    return replace(job, spec=replace(job.spec, selector=selector, template=template))


def job_errors(spec: JobSpec, path: str, *, has_selector: bool = True) -> Errors:
    """Check a Job's spec, its own or the one that a CronJob stamps Jobs out from."""
    for field, value in (
        ("parallelism", spec.parallelism),
        ("completions", spec.completions),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index),
        ("maxFailedIndexes", spec.max_failed_indexes),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished),
    ):
        yield from not_negative(f"{path}.{field}", value)
    yield from one_of_if_given(f"{path}.completionMode", spec.completion_mode, ("NonIndexed", "Indexed"))
    yield from indexed_errors(spec, path)
    if spec.managed_by is not None:
        yield from managed_by_errors(spec.managed_by, f"{path}.managedBy")
    if spec.pod_failure_policy is not None:
        yield from failure_policy_errors(spec, spec.pod_failure_policy, f"{path}.podFailurePolicy")
    if spec.success_policy is not None:
        yield from success_policy_errors(spec, spec.success_policy, f"{path}.successPolicy")
    yield from _replacement_errors(spec, f"{path}.podReplacementPolicy")
    if has_selector:
        yield from _selector_errors(spec, path)
    yield from template_errors(spec.template, f"{path}.template")
    yield from _restart_errors(spec.template, f"{path}.template.spec.restartPolicy")


def _replacement_errors(spec: JobSpec, path: str) -> Errors:
    policies = ("Failed",) if spec.pod_failure_policy is not None else ("Failed", "TerminatingOrFailed")
    yield from one_of_if_given(path, spec.pod_replacement_policy, policies)


def _selector_errors(spec: JobSpec, path: str) -> Errors:
    if spec.selector is None:
        yield required(f"{path}.selector")
    else:
        wrong = list(label_selector(f"{path}.selector", spec.selector))
        yield from wrong
        if wrong or label_selector_from_object(spec.selector).matches(spec.template.metadata.labels):
            return
    yield from unselected_error(spec.template.metadata.labels, f"{path}.template")


def _hostname_errors(job: Job) -> Errors:
    """Check that the pods of every index of a Job can have the host name that they are to have."""
    spec = job.spec
    if spec.completion_mode == "Indexed" and spec.completions:
        longest = f"{job.metadata.name}-{spec.completions - 1}"
        if names.check_dns_label(longest):
            detail = f"will not able to create pod with invalid DNS label: {longest}"
            yield invalid("metadata.name", job.metadata.name, detail)


def _generated_errors(job: Job) -> Errors:
    """Check that the selector of a Job, if it wasn't to be its author's own, is that which is made from its uid."""
    spec, uid, name = job.spec, job.metadata.uid, job.metadata.name
    if spec.manual_selector or spec.selector is None:
        return
    wanted = {_UID_LABEL: uid, _NAME_LABEL: name, "controller-uid": uid, "job-name": name}
    labels = spec.template.metadata.labels
    for key, value in wanted.items():
        here = f"spec.template.metadata.labels[{key}]"
        if key not in labels:
            yield required(here, f"must be '{value}'")
        elif labels[key] != value:
            yield invalid(here, labels, f"must be '{value}'")
    if list(label_selector("", spec.selector)):
        return  # Told already.
    if not label_selector_from_object(spec.selector).matches(wanted):
        yield invalid("spec.selector", spec.selector, "`selector` not auto-generated")


def _restart_errors(template: PodTemplateSpec, path: str) -> Errors:
    policy = template.spec.restart_policy
    if policy == "Always":
        yield required(path, 'valid values: "OnFailure", "Never"')
    else:
        yield from one_of(path, policy, ("OnFailure", "Never"))


def _change_errors(new: Job, old: Job) -> Errors:
    for field, wire in _FIXED.items():
        if getattr(new.spec, field) != getattr(old.spec, field):
            yield immutable(f"spec.{wire}", getattr(new.spec, field))
    if new.spec.template != old.spec.template:
        yield from _template_change_errors(new.spec.template, old)
    if new.spec.completions != old.spec.completions:
        if old.spec.completion_mode != "Indexed":
            yield immutable("spec.completions", new.spec.completions)
        elif new.spec.completions != new.spec.parallelism:
            detail = "can only be modified in tandem with spec.parallelism"
            yield invalid("spec.completions", new.spec.completions, detail)


def _template_change_errors(new: PodTemplateSpec, old: Job) -> Errors:
    """Check that a Job's template stays; a suspended one that never ran may be told where to, and on how much."""
    before = old.spec.template
    if not old.spec.suspend or old.status.start_time is not None:
        yield immutable("spec.template", new)
    elif _placed_as(new.spec, before.spec) != before.spec:
        yield immutable("spec.template.spec", new.spec)


def _placed_as(new: PodSpec, old: PodSpec) -> PodSpec:
    """Return `new` with everything that may change as in `old`: what still differs then may not."""
    affinity, node_affinity = new.affinity or Affinity(), old.affinity.node_affinity if old.affinity else None
    affinity = replace(affinity, node_affinity=node_affinity)
    return replace(
        new,
        affinity=old.affinity if affinity == (old.affinity or Affinity()) else affinity,
        node_selector=old.node_selector,
        tolerations=old.tolerations,
        scheduling_gates=old.scheduling_gates,
        containers=_sized_as(new.containers, old.containers),
        init_containers=_sized_as(new.init_containers, old.init_containers),
    )


def _sized_as(new: tuple[Container, ...], old: tuple[Container, ...]) -> tuple[Container, ...]:
    if len(new) != len(old):
        return new
    return tuple([replace(mine, resources=theirs.resources) for mine, theirs in zip(new, old, strict=True)])


class CronJobStrategy(Strategy[CronJob]):
    """CronJobs."""

    def check_name(self, name: str) -> list[str]:
        problems = super().check_name(name)
        return problems or (
            [] if len(name) <= CRON_JOB_NAME_MAX else [f"must be no more than {CRON_JOB_NAME_MAX} characters"]
        )

    def default(self, obj: CronJob) -> CronJob:
        spec = with_defaults(obj.spec, concurrency_policy="Allow")
        spec = where_none(spec, suspend=False, successful_jobs_history_limit=3, failed_jobs_history_limit=1)
        template = _default_job_template(spec.job_template)
        if template is not spec.job_template:
            spec = replace(spec, job_template=template)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def validate(self, obj: CronJob) -> list[FieldError]:
        return list(_cron_errors(obj.spec))


def _default_job_template(template: JobTemplateSpec) -> JobTemplateSpec:
    spec = template.spec
    pods = default_template(spec.template)
    spec = spec if pods is spec.template else replace(spec, template=pods)
    return template if spec is template.spec else replace(template, spec=spec)


def _cron_errors(spec: CronJobSpec) -> Errors:
    if not spec.schedule:
        yield required("spec.schedule")
    elif problem := schedule_problem(spec.schedule):
        yield invalid("spec.schedule", spec.schedule, problem)
    if spec.time_zone is not None and (problem := time_zone_problem(spec.time_zone)):
        yield invalid("spec.timeZone", spec.time_zone, problem)
    if spec.time_zone is not None and "TZ" in spec.schedule:
        detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        yield invalid("spec.timeZone", spec.time_zone, detail)
    yield from not_negative("spec.startingDeadlineSeconds", spec.starting_deadline_seconds)
    yield from not_negative("spec.successfulJobsHistoryLimit", spec.successful_jobs_history_limit)
    yield from not_negative("spec.failedJobsHistoryLimit", spec.failed_jobs_history_limit)
    yield from one_of("spec.concurrencyPolicy", spec.concurrency_policy, ("Allow", "Forbid", "Replace"))
    job = spec.job_template.spec
    if job.selector is not None:
        yield invalid("spec.jobTemplate.spec.selector", job.selector, "`selector` will be auto-generated")
    if job.manual_selector:
        yield not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false"))
    yield from job_errors(job, "spec.jobTemplate.spec", has_selector=False)
