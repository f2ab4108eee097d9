"""Which options of a request for a pod's log make sense together.

Source: kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1 (read log of the specified Pod).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kube.errors import FieldError, bad_request, forbidden_field, invalid, invalid_object, not_supported
from kube.kinds import Kind

LOG_OPTIONS: Final = (
    "follow",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "timestamps",
    "tailLines",
    "limitBytes",
    "stream",
)
STREAMS: Final = ("All", "Stderr", "Stdout")
_KIND: Final = Kind("", "v1", "PodLogOptions", "pods/log")
_LEAST: Final = {
    "tailLines": (0, "must be greater than or equal to 0"),
    "limitBytes": (1, "must be greater than 0"),
    "sinceSeconds": (1, "must be greater than 0"),
}


def log_options(pod: str, query: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return the options to pass on to the node. Raises ApiError 400 for what isn't a number, 422 for what can't be."""
    options = {name: query[name][0] for name in LOG_OPTIONS if query.get(name)}
    errors = list(_errors(options))
    if errors:
        raise invalid_object(_KIND, pod, errors)
    return list(options.items())


def _errors(options: Mapping[str, str]) -> Iterator[FieldError]:
    for name, (least, detail) in _LEAST.items():
        if options.get(name) and _number(name, options[name]) < least:
            yield invalid(name, int(options[name]), detail)
    if options.get("sinceSeconds") and options.get("sinceTime"):
        yield forbidden_field("", "at most one of `sinceTime` or `sinceSeconds` may be specified")
    stream = options.get("stream", "All")
    if stream not in STREAMS:
        yield not_supported("stream", stream, STREAMS)
    if stream != "All" and options.get("tailLines"):
        yield forbidden_field("", "`tailLines` and specific `stream` are mutually exclusive for now")


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise bad_request(f'{name}: "{text}" is not a whole number') from error
