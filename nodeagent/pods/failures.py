"""What the operations on a pod raise when they do not work."""


class OperationFailed(Exception):  # noqa: N818 - a fact, not a fault.
    """An operation did not work. reason: as a status or an Event has it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
