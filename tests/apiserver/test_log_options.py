"""What may be asked of a log."""

import pytest

from apiserver.log_options import log_options
from kube.errors import ApiError


def asked(text: str) -> dict[str, list[str]]:
    """Return a query as it is read from a URL."""
    return {name: [value] for name, _, value in (part.partition("=") for part in text.split("&"))}


def test_what_makes_sense_is_passed_on_and_nothing_else() -> None:
    found = log_options("web", asked("tailLines=0&limitBytes=1&stream=All&container=main"))

    assert dict(found) == {"tailLines": "0", "limitBytes": "1", "stream": "All"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("limitBytes=0", "limitBytes: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=0", "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z", "at most one of `sinceTime` or `sinceSeconds`"),
        ("stream=Both", 'stream: Unsupported value: "Both"'),
        ("stream=Stdout&tailLines=1", "mutually exclusive"),
    ],
)
def test_what_can_not_be_is_refused_by_the_field(query: str, message: str) -> None:
    with pytest.raises(ApiError, match="PodLogOptions") as refused:
        log_options("web", asked(query))

    assert refused.value.code == 422
    assert message in str(refused.value)


def test_what_is_not_a_number_is_a_bad_request() -> None:
    with pytest.raises(ApiError, match="not a whole number") as refused:
        log_options("web", asked("tailLines=many"))

    assert refused.value.code == 400
