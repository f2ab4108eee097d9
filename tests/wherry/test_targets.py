"""What a person may call an object."""

import pytest

from wherry.targets import Target, UsageError, kind_named, parse_one, parse_targets, title


def test_a_plural_a_singular_and_a_short_name_mean_the_same_kind() -> None:
    assert parse_targets(["deployments"]) == parse_targets(["deployment"]) == parse_targets(["deploy"])


def test_names_after_a_type_are_objects_of_that_type() -> None:
    targets = parse_targets(["svc", "web", "backend"])

    assert [target.title for target in targets] == ["service/web", "service/backend"]


def test_several_types_with_one_name_are_that_object_of_each_type() -> None:
    assert [target.title for target in parse_targets(["rs,deploy", "web"])] == [
        "replicaset.apps/web",
        "deployment.apps/web",
    ]


def test_objects_with_a_slash_may_be_of_different_kinds() -> None:
    assert [target.title for target in parse_targets(["deploy/web", "svc/web"])] == [
        "deployment.apps/web",
        "service/web",
    ]


def test_all_means_the_kinds_of_that_category() -> None:
    plurals = {target.kind.plural for target in parse_targets(["all"])}

    assert {"pods", "services", "deployments", "replicasets", "replicationcontrollers"} <= plurals
    assert "configmaps" not in plurals


def test_an_unknown_type_is_answered_with_the_nearest_ones() -> None:
    with pytest.raises(UsageError, match=r'resource type "podz"; is it one of .*pods'):
        parse_targets(["podz"])


@pytest.mark.parametrize("word", ["pod/", "/web", "pod/a/b"])
def test_a_slash_needs_a_type_before_and_a_name_after_it(word: str) -> None:
    with pytest.raises(UsageError, match="TYPE/NAME"):
        parse_targets([word])


def test_a_lone_name_is_of_the_default_kind_where_there_is_one() -> None:
    assert parse_one(["web-0"], default_kind="pod") == Target(kind_named("pods"), "web-0")


def test_a_type_without_a_name_is_not_one_object() -> None:
    with pytest.raises(UsageError, match="name one object"):
        parse_one(["pods"])


def test_titles_carry_the_group_except_for_the_core() -> None:
    assert title(kind_named("deploy"), "web") == "deployment.apps/web"
    assert title(kind_named("pod"), "web") == "pod/web"
