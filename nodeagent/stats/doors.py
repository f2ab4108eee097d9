"""Answer what is asked of the node's figures over HTTP: the Summary, and metrics.

Source: the kubelet's /stats/summary, /metrics, /metrics/resource, /metrics/cadvisor.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from itertools import chain

from aiohttp import web

from kube.clock import Clock
from kube.codec import encode
from nodeagent.cri.client import UNKNOWN_CALL, Cri, CriError
from nodeagent.cri.values import PodRecord
from nodeagent.pods.user_ranges import UserRanges
from nodeagent.stats import metrics
from nodeagent.stats.exposition import CONTENT_TYPE, Family, text
from nodeagent.stats.meter import Meter
from nodeagent.stats.summary import summary

_TRUE = ("1", "true", "t", "True")


class StatsDoors:
    """The doors of one node's figures.

    records, evictions, users: what the agent has, how many pods it has evicted, and those with users of their own.
    """

    def __init__(
        self,
        node: str,
        meter: Meter,
        cri: Cri,
        clock: Clock,
        *,
        records: Callable[[], Iterable[PodRecord]],
        evictions: Mapping[str, int],
        users: UserRanges,
    ) -> None:
        self._node = node
        self._meter = meter
        self._cri = cri
        self._clock = clock
        self._records = records
        self._evictions = evictions
        self._users = users

    async def summary(self, query: Mapping[str, str]) -> web.Response:
        """Answer with the Summary."""
        brief = query.get("only_cpu_and_memory") in _TRUE
        node, pods = await self._meter.node(), await self._meter.pods(with_storage=not brief)
        told = summary(self._node, node, pods, self._clock.now(), brief=brief)
        return web.Response(body=encode(told), content_type="application/json")

    async def metrics(self, which: str) -> web.Response | None:
        """Answer with metrics; None where there are none of that name. which: what follows /metrics, "" for nothing."""
        match which:
            case "":
                return _answer(metrics.agent_metrics(self._node, self._records(), self._evictions, self._users))
            case "resource":
                node, pods = await self._meter.node(), await self._meter.pods()
                return _answer(metrics.resource_metrics(node, pods, self._clock.now()))
            case "cadvisor":
                return _answer(await self._cadvisor())
        return None

    async def _cadvisor(self) -> Iterable[Family]:
        """Return what is known of containers: what is measured here, and what only the runtime can measure."""
        node, pods = await self._meter.node(), await self._meter.pods()
        own = {family.name: family for family in metrics.derived_metrics(pods)}
        try:
            told = metrics.container_metrics(*await self._cri.pod_metrics())
            others = [family for family in told if family.name not in own]
        except CriError as error:
            if error.code != UNKNOWN_CALL:
                raise
            others = []
        cores = len(os.sched_getaffinity(0))
        return chain(own.values(), others, metrics.machine_metrics(node, cores))


def _answer(families: Iterable[Family]) -> web.Response:
    return web.Response(body=text(families).encode(), headers={"Content-Type": CONTENT_TYPE})
