"""Ask the nodes what they and their pods use, when somebody wants to know: the kinds of metrics.k8s.io.

Keeps true: nobody measures while nobody asks; who asks often shares the answers; a silent node holds up the others
for no longer than ANSWER_S. Reads the nodes' Summaries; keeps the last two of each node and stores nothing.
Source: docs/decisions/0006-usage-is-measured-when-asked.md; github.com/kubernetes-sigs/metrics-server.
"""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import aiohttp

from apiserver.item import Item
from apiserver.reading import CachedObjects
from apiserver.relay.agents import Agents, agent_of, read_at_most
from apiserver.usage import Summary, node_metrics, pod_metrics
from kube.api.core_v1 import Node
from kube.api.metrics_v1beta1 import NodeMetrics, PodMetrics
from kube.clock import Clock
from kube.codec import DecodeError, decode, encode
from kube.errors import ApiError
from kube.kinds import Kind, kind_of
from kube.objects import key_of

ROUND_S: Final = 10.0
"""How long an answer holds."""
WINDOW_MAX_S: Final = 120.0
"""How old the earlier of two readings may be; else a new pair is taken."""
FIRST_WINDOW_S: Final = 1.0
ANSWER_S: Final = 5.0
SUMMARY_MAX_BYTES: Final = 16 * 1024 * 1024

MEASURED: Final = (kind_of(NodeMetrics), kind_of(PodMetrics))

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Round:
    """What the nodes told at one time, by name. at_s: on this process's own clock."""

    at_s: float
    told: dict[str, Summary]


class Measuring:
    """Measures the nodes of a cluster."""

    def __init__(self, objects: CachedObjects, agents: Agents, clock: Clock) -> None:
        """objects: where nodes and pods are found."""
        self._objects = objects
        self._agents = agents
        self._clock = clock
        self._before: Round | None = None
        self._after: Round | None = None
        self._lock = asyncio.Lock()

    async def items(self, kind: Kind) -> list[Item]:
        """Return what all nodes, or all pods, use, in the order of their names."""
        async with self._lock:
            before, after = await self._readings()
        found = self._of_nodes(before, after) if kind.kind == "NodeMetrics" else self._of_pods(before, after)
        items = [Item(kind, each.metadata.namespace, each.metadata.name, 0, encode(each), each) for each in found]
        return sorted(items, key=lambda item: (item.namespace, item.name))

    def _of_nodes(self, before: Round, after: Round) -> Iterator[NodeMetrics]:
        for node in self._objects.all(Node):
            name = node.metadata.name
            if name in before.told and name in after.told:
                found = node_metrics(node, before.told[name], after.told[name])
                if found is not None:
                    yield found

    def _of_pods(self, before: Round, after: Round) -> Iterator[PodMetrics]:
        for name in before.told.keys() & after.told.keys():
            pods = {key_of(pod): pod for pod in self._objects.pods_on(name)}
            yield from pod_metrics(pods, before.told[name], after.told[name])

    async def _readings(self) -> tuple[Round, Round]:
        """Return two rounds, the later of which is fresh."""
        now_s = self._clock.monotonic_s()
        if self._before is not None and self._after is not None and now_s - self._after.at_s < ROUND_S:
            return self._before, self._after
        before = self._after
        if before is None or now_s - before.at_s > WINDOW_MAX_S:
            before = await self._round()
            await self._clock.sleep(FIRST_WINDOW_S)
        self._before, self._after = before, await self._round()
        return self._before, self._after

    async def _round(self) -> Round:
        names = [node.metadata.name for node in self._objects.all(Node)]
        told = await asyncio.gather(*map(self._ask, names))
        at_s = self._clock.monotonic_s()
        return Round(at_s, {name: found for name, found in zip(names, told, strict=True) if found is not None})

    async def _ask(self, name: str) -> Summary | None:
        """Return what a node tells, None where it tells nothing of use."""
        try:
            agent = agent_of(self._objects, name)
            url = agent.url(["stats", "summary"], [("only_cpu_and_memory", "true")])
            timeout = aiohttp.ClientTimeout(total=ANSWER_S)
            async with self._agents.session().get(url, server_hostname=name, timeout=timeout) as answer:
                answer.raise_for_status()
                return decode(await read_at_most(answer, SUMMARY_MAX_BYTES), Summary)
        except (ApiError, aiohttp.ClientError, TimeoutError, DecodeError) as error:
            _log.info("node %s: tells nothing of what it uses: %s", name, error or type(error).__name__)
            return None
