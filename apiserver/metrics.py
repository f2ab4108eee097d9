"""Counters of what the server did, in the text form that Prometheus reads.

Source: prometheus.io/docs/instrumenting/exposition_formats; the names are kube-apiserver's.
"""

import resource
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

BUCKETS_S: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0)

RequestLabels = tuple[str, str, str, int]


class Metrics:
    """What is counted."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._requests: Counter[RequestLabels] = Counter()
        self._durations: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()
        self._watches: Counter[str] = Counter()

    def count(self, verb: str, group: str, resource_name: str, code: int, seconds: float) -> None:
        """Note a request that has been answered."""
        self._requests[verb, group, resource_name, code] += 1
        buckets = self._durations.get(verb)
        if buckets is None:
            buckets = self._durations[verb] = [0] * (len(BUCKETS_S) + 1)
        buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self._seconds[verb] += seconds  # type: ignore[assignment]

    @contextmanager
    def watching(self, resource_name: str) -> Iterator[None]:
        """Count a watch for as long as the block."""
        self._watches[resource_name] += 1
        try:
            yield
        finally:
            self._watches[resource_name] -= 1

    def text(self, objects: Mapping[str, int], revision: int) -> str:
        """Return everything as text. objects: how many there are of each resource."""
        return "\n".join(self._lines(objects, revision)) + "\n"

    def _lines(self, objects: Mapping[str, int], revision: int) -> Iterator[str]:
        yield "# TYPE apiserver_request_total counter"
        for (verb, group, name, code), count in sorted(self._requests.items()):
            labels = (("code", str(code)), ("group", group), ("resource", name), ("verb", verb))
            yield f"apiserver_request_total{_labels(labels)} {count}"
        yield "# TYPE apiserver_request_duration_seconds histogram"
        for verb, buckets in sorted(self._durations.items()):
            yield from _histogram("apiserver_request_duration_seconds", verb, buckets, self._seconds[verb])
        yield "# TYPE apiserver_longrunning_requests gauge"
        for name, count in sorted(self._watches.items()):
            yield f"apiserver_longrunning_requests{_labels((('resource', name), ('verb', 'WATCH')))} {count}"
        yield "# TYPE apiserver_storage_objects gauge"
        for name, count in sorted(objects.items()):
            yield f"apiserver_storage_objects{_labels((('resource', name),))} {count}"
        yield "# TYPE wherry_cache_revision gauge"
        yield f"wherry_cache_revision {revision}"
        usage = resource.getrusage(resource.RUSAGE_SELF)
        yield "# TYPE process_cpu_seconds_total counter"
        yield f"process_cpu_seconds_total {usage.ru_utime + usage.ru_stime:.3f}"
        yield "# TYPE process_resident_memory_bytes gauge"
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        yield f"process_resident_memory_bytes {pages * resource.getpagesize()}"


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}"


def _histogram(name: str, verb: str, buckets: list[int], seconds: float) -> Iterator[str]:
    total = 0
    for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), buckets, strict=True):
        total += count
        yield f"{name}_bucket{_labels((('verb', verb), ('le', bound)))} {total}"
    yield f"{name}_sum{_labels((('verb', verb),))} {seconds:.6f}"
    yield f"{name}_count{_labels((('verb', verb),))} {total}"
