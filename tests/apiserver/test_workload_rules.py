"""Deployments, ReplicaSets, ReplicationControllers, DaemonSets, StatefulSets, Jobs, CronJobs."""

from typing import Any

import pytest
from msgspec.structs import replace

from apiserver.strategies.schedules import schedule_problem, time_zone_problem
from kube.api.apps_v1 import DaemonSet, Deployment, ReplicaSet, StatefulSet
from kube.api.batch_v1 import CronJob, Job
from kube.api.core_v1 import Affinity, NodeAffinity, PodAffinity, ReplicationController, Toleration
from kube.api.meta_v1 import LabelSelector
from kube.kinds import Resource
from kube.objects import with_metadata
from tests.apiserver.material import context, defaulted, parsed, rules_of, wrong_changes, wrongs

TEMPLATE = "{metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: nginx}]}}"
ONCE = TEMPLATE.replace("spec: {", "spec: {restartPolicy: Never, ")
META = "metadata: {name: web, namespace: default}"
WEB = f"{{{META}, spec: {{selector: {{matchLabels: {{app: web}}}}, template: {TEMPLATE}}}}}"
JOB = f"{{metadata: {{name: sum, namespace: default, uid: u-1}}, spec: {{template: {ONCE}}}}}"


def test_a_deployment_gets_the_defaults_of_kubernetes() -> None:
    spec = defaulted(Deployment, WEB).spec

    assert (spec.replicas, spec.revision_history_limit, spec.progress_deadline_seconds) == (1, 10, 600)
    assert spec.strategy.type == "RollingUpdate"
    assert spec.strategy.rolling_update is not None
    assert (spec.strategy.rolling_update.max_surge, spec.strategy.rolling_update.max_unavailable) == ("25%", "25%")
    assert spec.template.spec.restart_policy == "Always"


def test_a_deployment_of_no_pods_stays_one_of_no_pods() -> None:
    assert defaulted(Deployment, "{spec: {replicas: 0}}").spec.replicas == 0


@pytest.mark.parametrize("cls", [Deployment, ReplicaSet, DaemonSet, StatefulSet])
def test_a_good_workload_has_nothing_wrong(cls: type[Resource]) -> None:
    assert wrongs(parsed(cls, WEB)) == []


@pytest.mark.parametrize("cls", [Deployment, ReplicaSet, DaemonSet, StatefulSet])
def test_a_selector_must_find_the_template(cls: type[Resource]) -> None:
    """A workload that doesn't find its own pods would make new ones for ever."""
    other = WEB.replace("matchLabels: {app: web}", "matchLabels: {app: other}")

    assert wrongs(parsed(cls, other)) == [
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'
    ]


@pytest.mark.parametrize("cls", [Deployment, ReplicaSet, DaemonSet])
def test_a_selector_never_changes(cls: type[Resource]) -> None:
    old = parsed(cls, WEB)
    new = parsed(cls, WEB.replace("app: web", "app: other"))

    assert wrong_changes(new, old) == [
        'spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable'
    ]


def test_a_deployment_without_a_selector_is_refused() -> None:
    found = wrongs(parsed(Deployment, f"{{{META}, spec: {{template: {TEMPLATE}}}}}"))

    assert found == [
        "spec.selector: Required value",
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ]


def test_a_rolling_update_that_can_never_move_is_refused() -> None:
    stuck = WEB.replace(
        "spec: {selector", "spec: {strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}, selector", 1
    )

    assert wrongs(parsed(Deployment, stuck)) == [
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"
    ]


def test_a_deployments_generation_grows_with_its_spec_and_not_with_its_labels() -> None:
    rules = rules_of(Deployment)
    old = with_metadata(defaulted(Deployment, WEB), generation=3)
    labelled = with_metadata(old, labels={"a": "b"})
    scaled = replace(old, spec=replace(old.spec, replicas=7))

    assert rules.prepare_update(labelled, old, context()).metadata.generation == 3
    assert rules.prepare_update(scaled, old, context()).metadata.generation == 4


def test_an_update_cannot_touch_the_status() -> None:
    rules = rules_of(Deployment)
    old = defaulted(Deployment, WEB)
    new = replace(old, status=replace(old.status, ready_replicas=9))

    assert rules.prepare_update(new, old, context()).status == old.status


def test_a_replication_controller_takes_selector_and_labels_from_its_template() -> None:
    made = defaulted(ReplicationController, f"{{{META}, spec: {{template: {TEMPLATE}}}}}")

    assert dict(made.spec.selector) == {"app": "web"}
    assert dict(made.metadata.labels) == {"app": "web"}
    assert wrongs(made) == []


def test_a_stateful_set_keeps_its_service_name() -> None:
    old = parsed(StatefulSet, WEB)
    new = replace(old, spec=replace(old.spec, service_name="other"))

    (found,) = wrong_changes(new, old)

    assert found.startswith("spec: Forbidden: updates to statefulset spec for fields other than 'replicas'")


def test_a_stateful_sets_containers_may_mount_its_claims() -> None:
    text = WEB.replace("image: nginx", "image: nginx, volumeMounts: [{name: data, mountPath: /d}]")
    claim = "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"
    claims = f"volumeClaimTemplates: [{{metadata: {{name: data}}, {claim}}}], selector"

    assert wrongs(parsed(StatefulSet, text.replace("selector", claims, 1))) == []


def test_a_job_selects_its_pods_by_its_own_uid() -> None:
    """Two Jobs of one name, one after the other, must not count each other's pods."""
    rules = rules_of(Job)

    made = rules.prepare_create(defaulted(Job, JOB), context())

    assert made.spec.selector == LabelSelector(match_labels={"batch.kubernetes.io/controller-uid": "u-1"})
    assert made.spec.template.metadata.labels["batch.kubernetes.io/job-name"] == "sum"
    assert (made.spec.completions, made.spec.parallelism, made.spec.backoff_limit) == (1, 1, 6)
    assert wrongs(made) == []


def test_a_jobs_pods_must_be_able_to_end() -> None:
    found = wrongs(rules_of(Job).prepare_create(defaulted(Job, JOB.replace("Never", "Always")), context()))

    assert found == ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"']


def test_a_jobs_template_never_changes() -> None:
    old = rules_of(Job).prepare_create(defaulted(Job, JOB), context())
    template = old.spec.template
    main = replace(template.spec.containers[0], image="other")
    spec = replace(template.spec, containers=(main,))
    new = replace(old, spec=replace(old.spec, template=replace(template, spec=spec)))

    (found,) = wrong_changes(new, old)

    assert found.startswith("spec.template: Invalid value: ")
    assert found.endswith("field is immutable")


def test_jobs_and_replication_controllers_leave_their_pods_when_nothing_is_said() -> None:
    assert rules_of(Job).default_propagation == "Orphan"
    assert rules_of(ReplicationController).default_propagation == "Orphan"
    assert rules_of(Deployment).default_propagation == "Background"


def test_a_cron_job_whose_jobs_would_have_too_long_names_is_refused() -> None:
    assert rules_of(CronJob).check_name("a" * 52) == []
    assert rules_of(CronJob).check_name("a" * 53) == ["must be no more than 52 characters"]


@pytest.mark.parametrize("schedule", ["*/5 * * * *", "0 0 1 jan mon", "@hourly", "@every 1h30m", "0-30/10 1,2 * * ?"])
def test_a_schedule_of_cron_is_accepted(schedule: str) -> None:
    assert schedule_problem(schedule) == ""


@pytest.mark.parametrize(
    ("schedule", "part"),
    [
        ("* * * *", "expected exactly 5 fields, found 4"),
        ("61 * * * *", "minute: beginning of range (61) is not in 0-59"),
        ("*/0 * * * *", "step of range should be a positive number"),
        ("@often", "unrecognized descriptor"),
        ("x * * * *", "failed to parse int from x"),
        ("30-10 * * * *", "beginning of range (30) beyond end of range (10)"),
    ],
)
def test_a_schedule_that_never_comes_is_refused_by_its_part(schedule: str, part: str) -> None:
    text = f"{{{META}, spec: {{schedule: '{schedule}', jobTemplate: {{spec: {{template: {ONCE}}}}}}}}}"

    (found,) = wrongs(parsed(CronJob, text))

    assert found.startswith("spec.schedule: Invalid value: ")
    assert part in found


def test_a_time_zone_has_a_name_of_the_tz_database() -> None:
    assert time_zone_problem("Etc/UTC") == ""
    assert time_zone_problem("Middle/Earth") == "unknown time zone Middle/Earth"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"node_selector": {"disk": "ssd"}}, []),
        ({"tolerations": (Toleration(key="a"),)}, []),
        ({"affinity": Affinity(node_affinity=NodeAffinity())}, []),
        ({"affinity": Affinity(pod_affinity=PodAffinity())}, ["spec.template.spec: Invalid value"]),
        ({"hostname": "web"}, ["spec.template.spec: Invalid value"]),
    ],
)
def test_a_suspended_job_that_never_ran_may_be_told_where_to_run(changes: dict[str, Any], told: list[str]) -> None:
    job = defaulted(Job, f"{{{META}, spec: {{suspend: true, template: {ONCE}}}}}")
    template = replace(job.spec.template, spec=replace(job.spec.template.spec, **changes))
    moved = replace(job, spec=replace(job.spec, template=template))
    awake = replace(job, spec=replace(job.spec, suspend=False))

    assert [error.partition(": {")[0] for error in wrong_changes(moved, job) if "immutable" in error] == told
    assert any(error.startswith("spec.template: ") for error in wrong_changes(moved, awake))
