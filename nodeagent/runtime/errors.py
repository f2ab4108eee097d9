"""Why a CRI call was refused: the gRPC code, and what was found and would do."""

from enum import Enum


class Reason(Enum):
    """The gRPC status codes that the runtime answers with, by name."""

    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNKNOWN = "UNKNOWN"
    INTERNAL = "INTERNAL"


class RuntimeRefusal(Exception):  # noqa: N818 - a refusal is an answer, not a fault.
    """A call that can't be served, with its gRPC code."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def not_found(what: str, identifier: str) -> RuntimeRefusal:
    """Return the refusal of a call on something that is not here."""
    return RuntimeRefusal(Reason.NOT_FOUND, f"{what} {identifier!r}: not found; list what there is")


def invalid(where: str, found: str) -> RuntimeRefusal:
    """Return the refusal of a request that can never be served."""
    return RuntimeRefusal(Reason.INVALID_ARGUMENT, f"{where}: {found}")


def precondition(where: str, found: str) -> RuntimeRefusal:
    """Return the refusal of a call that another call must precede."""
    return RuntimeRefusal(Reason.FAILED_PRECONDITION, f"{where}: {found}")
