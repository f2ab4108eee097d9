"""PATCH: a stored object's JSON, changed as a patch says, and read again as an object. (Not apply: apiserver.applying.)

Source: RFC 6902, RFC 7386; kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, cast

from msgspec.structs import replace

from apiserver.decoding import (
    duplicate_keys,
    first_told,
    keys_in_order,
    may_repeat_keys,
    media_type_of,
    strict_problems,
    tell_forgetting,
)
from apiserver.versions import as_served
from kube.client import PatchType
from kube.codec import DecodeError, decode_plain, encode, from_plain, member_path, to_plain
from kube.errors import (
    ApiError,
    bad_request,
    invalid,
    invalid_object,
    too_large,
    unprocessable,
    unsupported_media_type,
)
from kube.kinds import Kind, Resource
from kube.objects import with_metadata
from kube.patch.json_patch import OPERATIONS_MAX, JsonPatchError, apply_json_patch
from kube.patch.merge_patch import apply_merge_patch
from kube.patch.strategic import StrategicPatchError, apply_strategic_patch

SERVED: Final = (PatchType.JSON, PatchType.MERGE, PatchType.STRATEGIC)
SHOWN_MAX: Final = 10_000
"""How many letters of a patch a refusal quotes."""

_MANAGED_FIELDS: Final = "/metadata/managedFields"
_OPERATION_KEYS: Final = {"op", "path", "from", "value"}
_NOBODY: Final = Kind("", "", "", "")


class Patch:
    """One patch, parsed, that can be applied to any state of an object (again, after a conflict)."""

    def __init__(self, kind: Kind, body: bytes, content_type: str, validation: str) -> None:
        """kind: as which the object is patched. Raises ApiError 400 or 415."""
        self._kind = kind
        self._validation = validation
        self._type = _patch_type(content_type)
        try:
            self._patch = decode_plain(body)
        except DecodeError as error:
            raise bad_request(str(error)) from error
        if self._type is PatchType.JSON and not isinstance(self._patch, list):
            raise bad_request("the patch is no list of operations; a JSON patch is one")
        if self._type is not PatchType.JSON and not isinstance(self._patch, dict):
            raise bad_request("the patch is no object; a merge patch is one")
        if self._type is PatchType.JSON and len(self._patch) > OPERATIONS_MAX:
            told = f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(self._patch)}"
            raise too_large(f"Request entity too large: {told}")
        self._own_problems = self._problems_in(body) if validation != "Ignore" else ()
        self.warnings: tuple[str, ...] = ()

    @property
    def names_a_version(self) -> bool:
        """Say whether the patch itself tells which state it is for, so that a conflict is its sender's."""
        if not isinstance(self._patch, dict):
            return any("/metadata/resourceVersion" in str(operation) for operation in self._patch)
        meta = self._patch.get("metadata")
        return isinstance(meta, dict) and bool(meta.get("resourceVersion"))

    @property
    def _names_managers(self) -> bool:
        """Say whether the patch speaks of the managers' entries; if not, it is spared looking at them."""
        if isinstance(self._patch, list):
            return any(_MANAGED_FIELDS.startswith(path) or path.startswith(_MANAGED_FIELDS) for path in self._paths())
        meta = self._patch.get("metadata") if isinstance(self._patch, dict) else None
        return isinstance(meta, dict) and "managedFields" in meta

    def _paths(self) -> Iterator[str]:
        for operation in self._patch:
            if isinstance(operation, dict):
                yield from (str(operation[key]) for key in ("path", "from") if key in operation)

    def apply(self, stored: Resource) -> Resource:
        """Return the object (in the version that is patched) as patched. Raises ApiError 400 or 422.

        It is without managers' entries where the patch says nothing of them.
        """
        kind = self._kind
        obj = as_served(stored, kind)
        if not self._names_managers:
            obj = with_metadata(obj, managed_fields=())
        fields = self._fields_of(type(obj))
        if fields is None:
            return self._changed(obj)
        try:
            part = self._changed(type(obj)(**{name: getattr(obj, name) for name in fields}))
        except ApiError:
            return self._changed(obj)  # Which is refused too, and shown whole.
        changed: Resource = replace(cast("Any", obj), **{name: getattr(part, name) for name in fields})
        return changed

    def _fields_of(self, cls: type[Resource]) -> list[str] | None:
        """Return the fields at the top of an object that the patch is about, None where it may be about all of it.

        What a merge patch leaves out stays as it is, and needn't be turned to plain JSON and back.
        """
        if self._type is PatchType.JSON:
            return None
        names = _names_on_the_wire(cls)
        return [names[key] for key in self._patch] if self._patch.keys() <= names.keys() else None

    def _changed(self, obj: Resource) -> Resource:
        kind = self._kind
        patched = self._patched(to_plain(obj), type(obj))
        if not isinstance(patched, dict):
            raise bad_request(f"the patch leaves no {kind.kind}; it must leave an object")
        self._check_head(patched)
        self._check_fields(patched)
        tell_forgetting(patched)
        try:
            return from_plain(patched, kind.type)
        except DecodeError as error:
            raise self._refusal(patched, str(error)) from error

    def _check_head(self, patched: dict[str, Any]) -> None:
        """Put apiVersion and kind where the patch has taken them away; a strategic merge patch can't change them."""
        kind = self._kind
        head = {"apiVersion": kind.api_version, "kind": kind.kind}
        if self._type is PatchType.STRATEGIC:
            patched |= head
        for key, wanted in head.items():
            if patched.setdefault(key, wanted) != wanted:
                raise self._refusal(patched, f"a patch can't change {key}")

    def _check_fields(self, patched: dict[str, Any]) -> None:
        if self._validation == "Ignore":
            return
        problems = [*self._own_problems, *sorted(strict_problems(patched, b"", self._kind.type))]
        if problems and self._validation == "Strict":
            raise self._refusal(patched, f"strict decoding error: {', '.join(problems)}")
        self.warnings = tuple(problems)

    def _refusal(self, patched: Any, told: str) -> ApiError:
        """Return what is said where a patch makes no object: with the patch, or what it made of the object."""
        shown = self._patch if self._type is PatchType.STRATEGIC else patched
        return invalid_object(_NOBODY, "", (invalid("patch", encode(shown).decode()[:SHOWN_MAX], told),))

    def _problems_in(self, body: bytes) -> tuple[str, ...]:
        """Return what strict decoding objects to in the patch itself."""
        may_repeat = may_repeat_keys(body, self._patch)
        if self._type is not PatchType.JSON:
            return tuple(f'duplicate field "{path}"' for path in duplicate_keys(body)) if may_repeat else ()
        unknown = {
            member_path(f"[{place}]", key)
            for place, operation in enumerate(self._patch)
            if isinstance(operation, dict)
            for key in operation.keys() - _OPERATION_KEYS
        }
        if not (unknown or may_repeat):
            return ()
        return tuple(
            first_told(
                f'json patch {"duplicate" if is_again else "unknown"} field "{path}"'
                for path, is_again in keys_in_order(body)
                if path in unknown or (is_again and path.count(".") == 1)
            )
        )

    def _patched(self, document: Any, wanted: type) -> Any:
        apply: Callable[[], Any]
        match self._type:
            case PatchType.JSON:
                apply = lambda: apply_json_patch(document, self._patch)  # noqa: E731
            case PatchType.MERGE:
                apply = lambda: apply_merge_patch(document, self._patch)  # noqa: E731
            case _:
                apply = lambda: apply_strategic_patch(document, self._patch, wanted)  # noqa: E731
        try:
            return apply()
        except JsonPatchError as error:
            raise unprocessable(str(error)) from error
        except StrategicPatchError as error:
            raise bad_request(str(error)) from error


@lru_cache(maxsize=512)
def _names_on_the_wire(cls: Any) -> dict[str, str]:
    """Return the fields of a struct by their names in JSON."""
    return dict(zip(cls.__struct_encode_fields__, cls.__struct_fields__, strict=True))


def _patch_type(content_type: str) -> PatchType:
    media_type = media_type_of(content_type)
    for known in SERVED:
        if known.value == media_type:
            return known
    told = ", ".join(known.value for known in (*SERVED, PatchType.APPLY))
    raise unsupported_media_type(
        f"the body of the request was in an unknown format - accepted media types include: {told}"
    )
