"""The next step of a Deployment, and what its status says."""

from datetime import timedelta

from msgspec.structs import replace

from controllers.deployment_plan import HASH_LABEL, Step, find_new, plan, surplus_history, template_hash
from controllers.deployment_status import deadline_left_s, put, status_of
from controllers.rollout import DESIRED, MAXIMUM, REVISION, REVISION_HISTORY
from kube.api.apps_v1 import Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet, ReplicaSetCondition
from kube.objects import condition, controller_of, is_controlled_by
from tests import make


def step_of(deployment: Deployment, *owned: ReplicaSet, old_pods_run: bool = False) -> Step:
    return plan(deployment, owned, old_pods_run=old_pods_run)


def sizes(step: Step) -> dict[str, int | None]:
    return {item.metadata.name: item.spec.replicas for item in step.update}


def test_the_first_replicaset_gets_all_pods_and_revision_one() -> None:
    wanted = make.deployment(
        replicas=3, annotations={"team": "blue", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    )

    created = step_of(wanted).create

    assert created is not None
    assert created.spec.replicas == 3
    digest = created.metadata.labels[HASH_LABEL]
    assert created.metadata.name == f"web-{digest}"
    assert created.spec.selector is not None
    assert created.spec.selector.match_labels == {"app": "web", HASH_LABEL: digest}
    assert created.spec.template.metadata.labels == {"app": "web", HASH_LABEL: digest}
    assert created.metadata.annotations == {"team": "blue", REVISION: "1", DESIRED: "3", MAXIMUM: "4"}
    assert is_controlled_by(created, "uid-web")
    owner = controller_of(created)
    assert owner is not None
    assert owner.kind == "Deployment"


def test_a_changed_template_makes_a_second_replicaset_within_the_surge() -> None:
    old = make.replicaset("old", replicas=3, ready=3, annotations={REVISION: "4", DESIRED: "3"})

    step = step_of(make.deployment(replicas=3, image="example/web:2"), old)

    assert step.create is not None
    assert step.create.spec.replicas == 1
    assert step.revision == step.create.metadata.annotations[REVISION] == "5"
    assert step.update == ()


def test_a_template_that_differs_only_in_its_hash_label_is_the_same() -> None:
    created = step_of(make.deployment()).create
    assert created is not None

    assert find_new(make.deployment(), [created]) is created


def test_a_name_that_was_taken_gives_another_one() -> None:
    template = make.template()

    assert template_hash(template, 0) == template_hash(template, 0)
    assert template_hash(template, 0) != template_hash(template, 1)


def test_going_back_reuses_the_old_replicaset_under_a_new_revision() -> None:
    first = make.replicaset("first", replicas=0, annotations={REVISION: "1"}, age_s=20)
    second = make.replicaset(
        "second", replicas=3, ready=3, image="example/web:2", annotations={REVISION: "2"}, age_s=10
    )

    step = step_of(make.deployment(replicas=3), first, second)

    assert step.create is None
    assert step.revision == "3"
    (changed,) = step.update
    assert changed.metadata.name == "first"
    assert (changed.metadata.annotations[REVISION], changed.metadata.annotations[REVISION_HISTORY]) == ("3", "1")
    assert changed.spec.replicas == 1


def test_recreate_empties_the_old_then_waits_for_its_pods_then_creates() -> None:
    wanted = make.deployment(strategy="Recreate", image="example/web:2")
    running = make.replicaset("old", replicas=3, ready=3)
    empty = make.replicaset("old", replicas=0)

    assert sizes(step_of(wanted, running, old_pods_run=True)) == {"old": 0}
    waiting = step_of(wanted, empty, old_pods_run=True)
    assert (waiting.create, waiting.update) == (None, ())
    after = step_of(wanted, empty).create
    assert after is not None
    assert after.spec.replicas == 3


def test_a_paused_deployment_creates_nothing_but_scales() -> None:
    old = make.replicaset("old", replicas=3, annotations={DESIRED: "3", MAXIMUM: "4"})
    wanted = make.deployment(replicas=5, image="example/web:2", paused=True)

    step = step_of(wanted, old)

    assert step.create is None
    assert sizes(step) == {"old": 5}


def test_the_minimum_ready_time_is_passed_on() -> None:
    created = step_of(make.deployment()).create
    assert created is not None

    (changed,) = step_of(make.deployment(min_ready_seconds=7), created).update

    assert changed.spec.min_ready_seconds == 7


def test_a_deployment_that_is_as_it_should_be_changes_nothing() -> None:
    created = step_of(make.deployment()).create
    assert created is not None

    assert step_of(make.deployment(), created).update == ()


def test_history_keeps_the_newest_and_whatever_still_has_pods() -> None:
    wanted = make.deployment(revision_history_limit=1)
    old = [
        make.replicaset("one", replicas=0, annotations={REVISION: "1"}),
        make.replicaset("two", replicas=0, running=1, annotations={REVISION: "2"}),
        make.replicaset("three", replicas=0, annotations={REVISION: "3"}),
    ]

    assert [item.metadata.name for item in surplus_history(wanted, old)] == ["one"]


def told(deployment: Deployment, step: Step, kind: str) -> DeploymentCondition:
    found = condition(status_of(deployment, step, make.NOW).conditions, kind)
    assert found is not None
    return found


def test_availability_counts_what_may_be_missing() -> None:
    wanted = make.deployment(replicas=4, unavailable=1)

    enough = told(wanted, Step(make.replicaset(replicas=4, ready=3), ()), "Available")
    short = told(wanted, Step(make.replicaset(replicas=4, ready=2), ()), "Available")

    assert (enough.status, enough.reason) == ("True", "MinimumReplicasAvailable")
    assert (short.status, short.reason) == ("False", "MinimumReplicasUnavailable")


def test_a_finished_rollout_says_so_by_name() -> None:
    found = told(make.deployment(replicas=2), Step(make.replicaset("web-1", replicas=2, ready=2), ()), "Progressing")

    assert (found.status, found.reason) == ("True", "NewReplicaSetAvailable")
    assert found.message == 'ReplicaSet "web-1" has successfully progressed.'


def progressing(reason: str, age_s: float, **status: int) -> Deployment:
    entry = DeploymentCondition(
        type="Progressing",
        status="True",
        reason=reason,
        last_update_time=make.ago(age_s),
        last_transition_time=make.ago(age_s),
    )
    return replace(make.deployment(replicas=3, deadline_s=60), status=DeploymentStatus(conditions=(entry,), **status))


def test_progress_renews_the_deadline_and_standing_still_uses_it_up() -> None:
    step = Step(make.replicaset("new", replicas=3, ready=1), ())

    moved = told(progressing("ReplicaSetUpdated", 50), step, "Progressing")
    stuck = told(
        progressing("ReplicaSetUpdated", 61, updated_replicas=3, ready_replicas=1, available_replicas=1, replicas=3),
        step,
        "Progressing",
    )

    assert (moved.reason, moved.last_update_time) == ("ReplicaSetUpdated", make.ago(0))
    assert (stuck.status, stuck.reason) == ("False", "ProgressDeadlineExceeded")


def test_the_time_left_is_known_so_that_nobody_has_to_poll() -> None:
    wanted = progressing("ReplicaSetUpdated", 20)

    assert deadline_left_s(wanted, wanted.status, make.NOW) == 40
    assert deadline_left_s(wanted, wanted.status, make.NOW + timedelta(seconds=100)) == 0


def test_without_a_deadline_nothing_is_said_of_progress() -> None:
    wanted = make.deployment(deadline_s=None)

    status = status_of(wanted, Step(make.replicaset(replicas=3), ()), make.NOW)

    assert condition(status.conditions, "Progressing") is None


def test_a_condition_that_says_the_same_again_is_not_written_again() -> None:
    entry = DeploymentCondition(
        type="Available", status="True", reason="R", message="m", last_transition_time=make.ago(9)
    )

    assert put((entry,), replace(entry, message="other"), make.NOW) == (entry,)
    changed = put((entry,), replace(entry, status="False"), make.NOW)[0]
    assert changed.last_transition_time == make.ago(0)


def test_pods_that_could_not_be_created_show_in_the_deployment() -> None:
    failed = make.replicaset(replicas=3)
    entry = ReplicaSetCondition(type="ReplicaFailure", status="True", reason="FailedCreate", message="quota")
    failed = replace(failed, status=replace(failed.status, conditions=(entry,)))

    found = told(make.deployment(), Step(failed, ()), "ReplicaFailure")

    assert (found.status, found.reason, found.message) == ("True", "FailedCreate", "quota")
