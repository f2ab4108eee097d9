"""What nodes told of themselves at two moments, turned into what they and their pods use. Plain functions.

Keeps true: CPU is a mean over the time between two readings of one clock, never a guess; a pod of which one container
can't be told yet is left out as a whole, as half of it would mislead an autoscaler.
Source: the kubelet's stats/v1alpha1 Summary; metrics-server, whose answers these are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from kube.api.core_v1 import Node, Pod
from kube.api.meta_v1 import ObjectMeta
from kube.api.metrics_v1beta1 import ContainerMetrics, NodeMetrics, PodMetrics
from kube.objects import ObjectKey
from kube.quantity import Quantity
from kube.times import parse_time, to_duration, to_time

SPAN_MIN: Final = timedelta(milliseconds=500)
"""Of a shorter time nothing is told: the clocks of the kernel are too coarse for it."""


class _Cpu(msgspec.Struct, frozen=True, rename="camel"):
    time: str = ""
    usage_core_nano_seconds: int = 0


class _Memory(msgspec.Struct, frozen=True, rename="camel"):
    working_set_bytes: int = 0


class _Node(msgspec.Struct, frozen=True, rename="camel"):
    cpu: _Cpu = _Cpu()
    memory: _Memory = _Memory()


class _Container(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    start_time: str = ""
    cpu: _Cpu = _Cpu()
    memory: _Memory = _Memory()


class _PodRef(msgspec.Struct, frozen=True):
    name: str
    namespace: str
    uid: str


class _Pod(msgspec.Struct, frozen=True, rename="camel"):
    pod_ref: _PodRef
    containers: tuple[_Container, ...] = ()


class Summary(msgspec.Struct, frozen=True):
    """What a node tells of itself and its pods, as far as it matters here."""

    node: _Node
    pods: tuple[_Pod, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reading:
    """CPU time up to a moment."""

    at: datetime
    cpu_ns: int


@dataclass(frozen=True, slots=True)
class _Rate:
    """Cores in use, over a time that ended at a moment."""

    cores: Decimal
    span: timedelta
    at: datetime


def _reading(moment: str, cpu_ns: int) -> _Reading | None:
    """Return a reading, None where a node doesn't say of when it is."""
    try:
        return _Reading(parse_time(moment), cpu_ns)
    except ValueError:
        return None


def _now(cpu: _Cpu) -> _Reading | None:
    return _reading(cpu.time, cpu.usage_core_nano_seconds)


def _rate(before: _Reading | None, after: _Reading | None) -> _Rate | None:
    """Return how much was used between two readings, None where they don't tell: a container was started anew."""
    if before is None or after is None:
        return None
    span = after.at - before.at
    if span < SPAN_MIN or after.cpu_ns < before.cpu_ns:
        return None
    nanos = Decimal(after.cpu_ns - before.cpu_ns) / Decimal(str(span.total_seconds()))
    return _Rate(Decimal(int(nanos)).scaleb(-9), span, after.at)


def node_metrics(node: Node, before: Summary, after: Summary) -> NodeMetrics | None:
    """Return what a node uses, None where it can't be told yet."""
    rate = _rate(_now(before.node.cpu), _now(after.node.cpu))
    if rate is None:
        return None
    return NodeMetrics(
        metadata=_metadata(node.metadata, rate.at),
        timestamp=to_time(rate.at),
        window=to_duration(rate.span),
        usage=_usage(rate.cores, after.node.memory),
    )


def pod_metrics(pods: Mapping[ObjectKey, Pod], before: Summary, after: Summary) -> Iterator[PodMetrics]:
    """Yield what those pods use of which it can be told. pods: those of the node, by namespace and name."""
    earlier = {(told.pod_ref.uid, item.name): item for told in before.pods for item in told.containers}
    for told in after.pods:
        pod = pods.get(ObjectKey(told.pod_ref.namespace, told.pod_ref.name))
        if pod is None or not told.containers:
            continue
        rates = [_container_rate(earlier.get((told.pod_ref.uid, item.name)), item) for item in told.containers]
        known = [rate for rate in rates if rate is not None]
        if len(known) == len(rates):
            yield _pod_metrics(pod, told, known)


def _container_rate(before: _Container | None, after: _Container) -> _Rate | None:
    """Return what a container uses; one that wasn't there before is measured from its start."""
    if before is not None and before.start_time == after.start_time:
        return _rate(_now(before.cpu), _now(after.cpu))
    return _rate(_reading(after.start_time, 0), _now(after.cpu))


def _pod_metrics(pod: Pod, told: _Pod, rates: list[_Rate]) -> PodMetrics:
    shortest = min(rates, key=lambda rate: rate.span)
    return PodMetrics(
        metadata=_metadata(pod.metadata, shortest.at),
        timestamp=to_time(shortest.at),
        window=to_duration(shortest.span),
        containers=tuple(
            ContainerMetrics(name=item.name, usage=_usage(rate.cores, item.memory))
            for item, rate in zip(told.containers, rates, strict=True)
        ),
    )


def _metadata(meta: ObjectMeta, at: datetime) -> ObjectMeta:
    """Return the metadata of figures: the name and labels of what they are about."""
    return ObjectMeta(name=meta.name, namespace=meta.namespace, labels=meta.labels, creation_timestamp=to_time(at))


def _usage(cores: Decimal, memory: _Memory) -> Mapping[str, Quantity]:
    return {"cpu": Quantity(cores), "memory": Quantity(f"{memory.working_set_bytes // 1024}Ki")}
