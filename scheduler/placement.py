"""Choose a node for a pod, or say why there is none.

For each shape of pod, what the nodes scored is remembered in a heap with the position in the snapshot's log up to
which it holds; the next pod of that shape looks again only at nodes that changed since, which is mostly the one that
the pod before it went to. So a choice is the best of all nodes, and costs little whether there are ten or ten thousand.
"""

import heapq
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from scheduler.filters import Filter, objections
from scheduler.relations import Surroundings, surroundings
from scheduler.scores import score
from scheduler.shape import Shape
from scheduler.snapshot import NodeInfo, Snapshot

SHAPES_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no node will do. filters: who objected. message: every reason, counted, in Kubernetes' words."""

    filters: frozenset[Filter]
    message: str


@dataclass(eq=False)
class _Ranking:
    """What the nodes are worth to one shape. heap: (-score, name, generation); entries of old generations are void."""

    position: int
    generations: dict[str, int] = field(default_factory=dict)
    refused: dict[str, tuple[Filter, tuple[str, ...]]] = field(default_factory=dict)
    heap: list[tuple[float, str, int]] = field(default_factory=list)


class Placement:
    """Chooses nodes out of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._rankings: OrderedDict[Shape, _Ranking] = OrderedDict()

    def choose(self, shape: Shape) -> str | Refusal:
        """Return the name of the best node for a pod of this shape, or the refusal."""
        if shape.unsupported:
            return Refusal(frozenset({Filter.UNSUPPORTED}), "; ".join(shape.unsupported))
        if len(self._snapshot) == 0:
            return Refusal(frozenset({Filter.NAME}), "no nodes available to schedule pods")
        if shape.volumes.objection:
            told = f"0/{len(self._snapshot)} nodes are available: {shape.volumes.objection}."
            return Refusal(frozenset({Filter.VOLUMES}), told)
        ranking = self._up_to_date(shape)
        around = surroundings(shape, self._snapshot)
        if around is not None:
            return self._choose_among(ranking, around)
        best = _best(ranking)
        return best[1] if best else _refusal(len(self._snapshot), ranking.refused)

    def _choose_among(self, ranking: _Ranking, around: Surroundings) -> str | Refusal:
        """Return the best node to which the pods around have no objection."""
        passed_over: list[tuple[float, str, int]] = []
        refused = dict(ranking.refused)
        chosen = ""
        while not chosen and (best := _best(ranking)):
            info = self._snapshot.node(best[1])
            against = around.objection(info) if info else None
            if against is None:
                chosen = best[1]
            else:
                refused[best[1]] = against
                passed_over.append(heapq.heappop(ranking.heap))
        for entry in passed_over:
            heapq.heappush(ranking.heap, entry)
        return chosen or _refusal(len(self._snapshot), refused)

    def _up_to_date(self, shape: Shape) -> _Ranking:
        ranking = self._rankings.get(shape)
        changed = self._snapshot.changed_since(ranking.position) if ranking else None
        if ranking is None or changed is None or len(ranking.heap) > 4 * len(self._snapshot) + 64:
            ranking = self._rankings[shape] = _Ranking(self._snapshot.position)
            for info in self._snapshot:
                _rank(ranking, shape, info)
            if len(self._rankings) > SHAPES_MAX:
                self._rankings.popitem(last=False)
            return ranking
        self._rankings.move_to_end(shape)
        for name in changed:
            found = self._snapshot.node(name)
            if found is None:
                ranking.generations.pop(name, None)
                ranking.refused.pop(name, None)
            else:
                _rank(ranking, shape, found)
        ranking.position = self._snapshot.position
        return ranking


def _best(ranking: _Ranking) -> tuple[float, str, int] | None:
    """Return the best entry that still holds, after dropping those before it that don't; None where there is none."""
    while ranking.heap:
        _, name, generation = ranking.heap[0]
        if ranking.generations.get(name) == generation and name not in ranking.refused:
            return ranking.heap[0]
        heapq.heappop(ranking.heap)
    return None


def _rank(ranking: _Ranking, shape: Shape, info: NodeInfo) -> None:
    ranking.generations[info.name] = info.generation
    against = objections(shape, info)
    if against is not None:
        ranking.refused[info.name] = against
        return
    ranking.refused.pop(info.name, None)
    heapq.heappush(ranking.heap, (-score(shape, info), info.name, info.generation))


def _refusal(nodes: int, refused: Mapping[str, tuple[Filter, tuple[str, ...]]]) -> Refusal:
    counts = Counter(reason for _, reasons in refused.values() for reason in reasons)
    told = sorted(f"{count} {reason}" for reason, count in counts.items())
    filters = frozenset(who for who, _ in refused.values())
    return Refusal(filters, f"0/{nodes} nodes are available: {', '.join(told)}.")
