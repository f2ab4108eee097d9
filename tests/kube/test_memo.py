"""Work done once for values that come again."""

from kube.api.core_v1 import Container, PodSpec
from kube.memo import CONTENT_MAX_BYTES, TEXT_MAX, by_content, by_identity, by_text


def spec(name: str = "web", image: str = "web:1") -> PodSpec:
    return PodSpec(containers=(Container(name=name, image=image),))


def test_the_very_same_value_is_looked_at_once_and_an_equal_one_again() -> None:
    seen: list[PodSpec] = []
    one, equal = spec(), spec()

    @by_identity(8)
    def images(value: PodSpec) -> list[str]:
        seen.append(value)
        return [container.image for container in value.containers]

    assert images(one) is images(one)
    assert images(equal) == images(one)
    assert len(seen) == 2


def test_equal_values_give_one_result_where_content_counts() -> None:
    @by_content(8)
    def kept(value: PodSpec) -> PodSpec:
        return value

    first = spec()

    assert kept(first) is kept(spec()) is first
    assert kept(spec(image="web:2")) is not first


def test_what_else_a_function_is_given_is_told_apart() -> None:
    @by_identity(8)
    def named(value: PodSpec, path: str) -> str:
        return f"{path}.{value.containers[0].name}"

    one = spec()

    assert (named(one, "spec"), named(one, "template.spec")) == ("spec.web", "template.spec.web")


def test_only_the_last_values_are_remembered() -> None:
    """However many templates a cluster has, the memory for this is bounded."""
    seen: list[str] = []

    @by_content(2)
    def name(value: PodSpec) -> str:
        seen.append(value.containers[0].name)
        return seen[-1]

    for asked in ("a", "b", "c", "c", "a"):
        assert name(spec(asked)) == asked

    assert seen == ["a", "b", "c", "a"]


def test_an_id_that_is_used_again_is_not_taken_for_the_old_value() -> None:
    @by_identity(2)
    def image(value: PodSpec) -> str:
        return value.containers[0].image

    for number in range(100):
        assert image(spec(image=f"web:{number}")) == f"web:{number}"


def test_what_is_large_is_not_kept() -> None:
    seen: list[PodSpec] = []

    @by_content(8)
    def note(value: PodSpec) -> int:
        seen.append(value)
        return len(seen)

    large = spec(image="x" * CONTENT_MAX_BYTES)

    assert (note(large), note(large)) == (1, 2)


def test_texts_of_any_length_are_looked_at_and_only_short_ones_remembered() -> None:
    """Else a stranger could fill the memory with them."""
    seen: list[int] = []

    @by_text(8)
    def length(unit: str, text: str) -> str:
        seen.append(len(text))
        return f"{len(text)} {unit}"

    long = TEXT_MAX + 1
    told = [length("letters", "x" * count) for count in (TEXT_MAX, TEXT_MAX, long, long)]

    assert told == [f"{TEXT_MAX} letters"] * 2 + [f"{long} letters"] * 2
    assert seen == [TEXT_MAX, long, long]
