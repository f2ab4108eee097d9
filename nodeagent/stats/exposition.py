"""The text form in which Prometheus reads metrics. Plain functions.

Source: prometheus.io/docs/instrumenting/exposition_formats
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure. at_ms: when it was taken, milliseconds since 1970; 0 for now."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """A metric and its figures."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: list[Sample] = field(default_factory=list)


def text(families: Iterable[Family]) -> str:
    """Return the families that have figures, as text."""
    return "".join(line + "\n" for family in families if family.samples for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} {family.kind}"
    for sample in family.samples:
        moment = f" {sample.at_ms}" if sample.at_ms else ""
        yield f"{family.name}{_labels(sample.labels)} {_number(sample.value)}{moment}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{labels[name].translate(_ESCAPES)}"' for name in sorted(labels)) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
