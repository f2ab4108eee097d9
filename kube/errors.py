"""The API's errors: what a Status says, as an exception; and the errors of single fields that make one up.

Source: kubernetes.io/docs/reference/kubernetes-api/common-definitions/status, and the reasons of meta/v1.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kube.api.meta_v1 import Status, StatusCause, StatusDetails
from kube.kinds import Kind


class ApiError(Exception):
    """A request that the API refused. `status` is the whole answer, as it goes over the wire.

    warnings: what the sender of the request is to know beside.
    """

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status
        self.warnings: tuple[str, ...] = ()

    @property
    def code(self) -> int:
        """The HTTP status code."""
        return self.status.code

    @property
    def reason(self) -> str:
        """The machine's word for it: "NotFound", "Conflict"."""
        return self.status.reason


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field. path: "spec.containers[0].name". message: without the path."""

    path: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def required(path: str, detail: str = "") -> FieldError:
    """Say that a field is missing."""
    return FieldError(path, "FieldValueRequired", _joined("Required value", detail))


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """Say that a field's value can't be; detail says what can."""
    return FieldError(path, "FieldValueInvalid", _joined(f"Invalid value: {_shown(value)}", detail))


def not_supported(path: str, value: Any, allowed: Iterable[str]) -> FieldError:
    """Say that a field's value is none of those allowed, which are told in their order if they have one."""
    ordered = allowed if isinstance(allowed, tuple | list) else sorted(allowed)
    choices = ", ".join(f'"{choice}"' for choice in ordered)
    return FieldError(
        path, "FieldValueNotSupported", f"Unsupported value: {_shown(value)}: supported values: {choices}"
    )


def duplicate(path: str, value: Any, detail: str = "") -> FieldError:
    """Say that a value which must be unique stands twice."""
    return FieldError(path, "FieldValueDuplicate", _joined(f"Duplicate value: {_shown(value)}", detail))


def missing_reference(path: str, value: Any, detail: str = "") -> FieldError:
    """Say that what a field names isn't there."""
    return FieldError(path, "FieldValueNotFound", _joined(f"Not found: {_shown(value)}", detail))


def forbidden_field(path: str, detail: str) -> FieldError:
    """Say that a field may not be set, or not be changed, here."""
    return FieldError(path, "FieldValueForbidden", _joined("Forbidden", detail))


def too_long(path: str, limit: int) -> FieldError:
    """Say that a text has more than `limit` bytes."""
    return FieldError(path, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")


def too_many(path: str, found: int, limit: int) -> FieldError:
    """Say that a list has more than `limit` items."""
    return FieldError(path, "FieldValueTooMany", f"Too many: {found}: must have at most {limit} items")


def immutable(path: str, value: Any) -> FieldError:
    """Say that a field can't be changed once it is set."""
    return invalid(path, value, "field is immutable")


def bad_request(message: str) -> ApiError:
    """400: the request itself makes no sense."""
    return _failure(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> ApiError:
    """401: nobody we know."""
    return _failure(401, "Unauthorized", message)


def forbidden(kind: Kind | None, name: str, message: str, causes: Sequence[StatusCause] = ()) -> ApiError:
    """403: somebody we know, who may not."""
    return _failure(403, "Forbidden", message, _details(kind, name, causes))


def not_found(kind: Kind, name: str) -> ApiError:
    """404: no object of that name."""
    return _failure(404, "NotFound", f'{kind.resource} "{name}" not found', _details(kind, name))


def no_such_path() -> ApiError:
    """404: nothing is served there."""
    return _failure(404, "NotFound", "the server could not find the requested resource", StatusDetails())


def method_not_allowed(message: str = "the server does not allow this method on the requested resource") -> ApiError:
    """405: served, but not with this verb."""
    return _failure(405, "MethodNotAllowed", message, StatusDetails())


def not_acceptable(message: str) -> ApiError:
    """406: no form that the client takes."""
    return _failure(406, "NotAcceptable", message)


def already_exists(kind: Kind, name: str, *, being_deleted: bool = False) -> ApiError:
    """409: the name is taken."""
    prefix = "object is being deleted: " if being_deleted else ""
    message = f'{prefix}{kind.resource} "{name}" already exists'
    return _failure(409, "AlreadyExists", message, _details(kind, name))


def no_name_left(kind: Kind, name: str, retry_after_s: int = 1) -> ApiError:
    """409: every name that was generated is taken; another try may find one."""
    message = (
        f'{kind.resource} "{name}" already exists, the server was not able to generate a unique name for the object'
    )
    details = StatusDetails(name=name, group=kind.group, kind=kind.plural, retry_after_seconds=retry_after_s)
    return _failure(409, "AlreadyExists", message, details)


def conflict(kind: Kind, name: str, detail: str) -> ApiError:
    """409: the object is not as the request supposes."""
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {detail}'
    return _failure(409, "Conflict", message, _details(kind, name))


def stale(kind: Kind, name: str) -> ApiError:
    """409: somebody wrote in between."""
    detail = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(kind, name, detail)


def apply_conflict(message: str, causes: Sequence[StatusCause]) -> ApiError:
    """409: others manage fields that an application would change."""
    return _failure(409, "Conflict", message, StatusDetails(causes=tuple(causes)))


def expired(message: str, continue_token: str = "") -> ApiError:
    """410: that revision is gone; list again."""
    status = _failure(410, "Expired", message).status
    if not continue_token:
        return ApiError(status)
    from msgspec.structs import replace  # noqa: PLC0415 - only this rare answer needs it.

    return ApiError(replace(status, metadata=replace(status.metadata, continue_=continue_token)))


def too_large(message: str) -> ApiError:
    """413: more bytes than the server reads."""
    return _failure(413, "RequestEntityTooLarge", message)


def unsupported_media_type(message: str) -> ApiError:
    """415: a body in a form that the server doesn't read."""
    return _failure(415, "UnsupportedMediaType", message)


def invalid_object(kind: Kind, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422: every field that is wrong, each as a cause."""
    told = [str(error) for error in errors]
    message = f'{_qualified(kind)} "{name}" is invalid: {told[0] if len(told) == 1 else "[" + ", ".join(told) + "]"}'
    causes = tuple(StatusCause(field=error.path, message=error.message, reason=error.reason) for error in errors)
    details = StatusDetails(name=name, group=kind.group, kind=kind.kind, causes=causes)
    return _failure(422, "Invalid", message, details)


def unprocessable(detail: str) -> ApiError:
    """422: a patch that can't be carried out on the object."""
    message = f"the server rejected our request due to an error in our request: {detail}"
    return _failure(422, "Invalid", message, StatusDetails())


def too_many_requests(message: str, retry_after_s: int, causes: Sequence[StatusCause] = ()) -> ApiError:
    """429: not now."""
    details = StatusDetails(retry_after_seconds=retry_after_s, causes=tuple(causes))
    return _failure(429, "TooManyRequests", message, details)


def internal(message: str) -> ApiError:
    """500: our fault."""
    return _failure(500, "InternalError", f"Internal error occurred: {message}")


def unavailable(message: str, retry_after_s: int = 1) -> ApiError:
    """503: what the server itself depends on is away. retry_after_s: 0 where waiting is not known to help."""
    details = StatusDetails(retry_after_seconds=retry_after_s) if retry_after_s else None
    return _failure(503, "ServiceUnavailable", message, details)


def timed_out(message: str, retry_after_s: int = 1, causes: Sequence[StatusCause] = ()) -> ApiError:
    """504: it took too long; try again."""
    details = StatusDetails(retry_after_seconds=retry_after_s, causes=tuple(causes))
    return _failure(504, "Timeout", message, details)


def future_revision(asked: int, current: int) -> ApiError:
    """504: a resourceVersion that the server hasn't reached."""
    cause = StatusCause(reason="ResourceVersionTooLarge", message="Too large resource version")
    return timed_out(f"Timeout: Too large resource version: {asked}, current: {current}", causes=(cause,))


_SHOWN_MAX: Final = 10_000


def _shown(value: Any) -> str:
    """Write a value as Kubernetes shows it in a message: text quoted, the rest as JSON."""
    if value is None:
        return "null"
    if isinstance(value, str | int | float | bool):
        return json.dumps(value, ensure_ascii=False)
    from kube.codec import encode  # noqa: PLC0415 - the codec raises these errors, so it can't be imported above.

    return encode(value).decode()[:_SHOWN_MAX]


def _joined(sentence: str, detail: str) -> str:
    return f"{sentence}: {detail}" if detail else sentence


def _qualified(kind: Kind) -> str:
    return f"{kind.kind}.{kind.group}" if kind.group else kind.kind


def _details(kind: Kind | None, name: str, causes: Sequence[StatusCause] = ()) -> StatusDetails:
    if kind is None:
        return StatusDetails(name=name, causes=tuple(causes))
    return StatusDetails(name=name, group=kind.group, kind=kind.plural, causes=tuple(causes))


def _failure(code: int, reason: str, message: str, details: StatusDetails | None = None) -> ApiError:
    return ApiError(Status(status="Failure", message=message, reason=reason, details=details, code=code))
