"""What failed waits for its next try, each time longer."""

from datetime import timedelta

from nodeagent.pods.setbacks import Setbacks
from nodeagent.pods.view import VOLUMES, BackoffLimits
from tests.nodeagent.make import NOW, after

LIMITS = BackoffLimits(10, 300)


def test_each_failure_in_a_row_waits_twice_as_long_up_to_the_limit() -> None:
    held = Setbacks(LIMITS)

    pulls = [held.note("main", "ErrImagePull", "no", NOW).total_seconds() for _ in range(7)]
    starts = [held.note("other", "RunContainerError", "no", NOW).total_seconds() for _ in range(3)]

    assert pulls == [10, 20, 40, 80, 160, 300, 300]
    assert starts == [1, 2, 4]


def test_what_works_forgets_the_past() -> None:
    held = Setbacks(LIMITS)
    held.note("main", "ErrImagePull", "no", NOW)

    held.forget("main")

    assert held.failures == {}
    assert held.note("main", "ErrImagePull", "no", NOW) == timedelta(seconds=10)


def test_a_changed_object_hurries_only_what_waits_for_one() -> None:
    held = Setbacks(LIMITS)
    for key, reason in (("a", "CreateContainerConfigError"), (VOLUMES, "FailedMount"), ("b", "ErrImagePull")):
        held.note(key, reason, "no", NOW)

    held.hurry(after(0.5))

    assert [held.failures[key].retry_at for key in ("a", VOLUMES, "b")] == [after(0.5), after(0.5), after(10)]


def test_a_pull_that_waits_is_called_by_its_second_name() -> None:
    held = Setbacks(LIMITS)
    held.note("main", "ErrImagePull", "no such image", NOW)

    assert [key for key, _ in held.pulls(busy=())] == ["main"]
    assert list(held.pulls(busy={"main"})) == []
    held.rename_pull("main", "x:1")

    assert held.failures["main"].reason == "ImagePullBackOff"
    assert held.failures["main"].message == 'Back-off pulling image "x:1": ErrImagePull: no such image'
    assert held.failures["main"].retry_at == after(10)
    assert list(held.pulls(busy=())) == []
