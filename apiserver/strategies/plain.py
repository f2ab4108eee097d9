"""What several kinds have in common in how they are written and deleted.

Source: kubernetes.io/docs/reference/kubernetes-api, the operations of each kind.
"""

from typing import TypeVar

from apiserver.strategy import Strategy
from kube.kinds import Resource

from .generations import Ungenerated

T = TypeVar("T", bound=Resource)


class WrittenWithCare(Strategy[T]):
    """A kind that is only ever replaced by those who say which state of it they have seen."""

    allow_unconditional_update = False


class StorageOfNodes(Ungenerated[T]):
    """What drivers tell of their volumes: written with care too, and shown once more when it is deleted."""

    returns_deleted = True
    allow_unconditional_update = False
