"""Kinds whose spec and status don't tell whether they count generations."""

from typing import TypeVar

from apiserver.strategy import Strategy
from kube.kinds import Kind, Resource

T = TypeVar("T", bound=Resource)


class Ungenerated(Strategy[T]):
    """A kind with a spec and a status whose spec's changes are not counted: nothing waits to observe them."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.has_generation = False


class Generated(Strategy[T]):
    """A kind without a status whose spec's changes are counted all the same."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.has_generation = True
