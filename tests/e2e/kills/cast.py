"""The pods of a test: made, deleted, and compared with what they should have become."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nodeagent.cri.client import CriError
from tests.e2e.kills import faults
from tests.e2e.kills.shapes import SHAPES, Shape, pod
from tests.e2e.kills.traces import Traces
from wherry.connection import Connection

NAMESPACE: Final = "kills"
PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"
GRACES: Final = (None, None, None, 1, 0)


@dataclass(frozen=True)
class Member:
    """A pod that was made. grace_s: with which it was deleted, None for its own."""

    name: str
    shape: Shape
    grace_s: int | None = None


class Cast:
    """All pods that a test has made. alive, gone: those that should be there, and those that were deleted."""

    def __init__(self, api: Connection, stories: Path, chance: random.Random) -> None:
        self.alive: list[Member] = []
        self.gone: list[Member] = []
        self._api = api
        self._stories = stories
        self._chance = chance
        self._next: list[str] = []
        self._made = 0
        self._standing: dict[Path, Member] = {}

    def enter(self) -> None:
        """Make a pod; each shape has its turn before one comes again."""
        if not self._next:
            self._next = self._chance.sample(sorted(SHAPES), len(SHAPES))
        kind = self._next.pop()
        self._made += 1
        member = Member(f"{kind}-{self._made}", SHAPES[kind])
        self._api.send("POST", PODS, pod(member.name, member.shape, str(self._stories)))
        self.alive.append(member)

    def stand_by(self, file: Path, node: str) -> None:
        """Have a node run a pod from a file."""
        manifest = pod("stands-by", SHAPES["stays"], str(self._stories))
        manifest["metadata"]["namespace"] = NAMESPACE
        file.with_suffix(".new").write_text(json.dumps(manifest))
        file.with_suffix(".new").rename(file)
        self._standing = {file: Member(f"stands-by-{node}", SHAPES["stays"])}

    def stand_down(self) -> None:
        """Take the files of those pods away."""
        for file, member in self._standing.items():
            file.unlink()
            self.gone.append(member)
        self._standing = {}

    def leave(self) -> None:
        """Delete one of the pods, with its own grace, a short one, or at once."""
        member = self.alive.pop(self._chance.randrange(len(self.alive)))
        grace_s = self._chance.choice(GRACES)
        options = {} if grace_s is None else {"gracePeriodSeconds": grace_s}
        self._api.send("DELETE", f"{PODS}/{member.name}", {"apiVersion": "v1", "kind": "DeleteOptions", **options})
        self.gone.append(Member(member.name, member.shape, grace_s))

    def faults(self, look: Callable[[], Traces]) -> list[str]:
        """Return in what the world isn't as it should be. look: at the machine, once the API is as it should be."""
        pods = self._api.get(PODS)["items"]
        found = {item["metadata"]["name"]: item for item in pods}
        alive = [*self.alive, *self._standing.values()]
        wanted = {member.name for member in alive}
        told = [f"pod {name}: is still there" for name in found.keys() - wanted]
        told += [f"pod {name}: is not there" for name in wanted - found.keys()]
        for member in alive:
            seen = [*faults.of_story(self._story(member), member.shape)]
            if member.name in found:
                seen += faults.of_status(found[member.name], member.shape)
            told += [f"pod {member.name}: {fault}" for fault in seen]
        for member in self.gone:
            cut = faults.of_cut_story(self._story(member), member.shape, had_time=member.grace_s is None)
            told += [f"pod {member.name}, deleted: {fault}" for fault in cut]
        try:
            return told or [*faults.of_traces(pods, look())]
        except CriError as error:
            return [f"the runtime: {error}"]

    def _story(self, member: Member) -> list[str]:
        file = self._stories / member.name
        return file.read_text().splitlines() if file.exists() else []
