"""PATCH: a stored object's JSON, changed as a patch says, and read again as an object. (Not apply: apiserver.applying.)

Source: RFC 6902, RFC 7386; kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from apiserver.decoding import media_type_of, strict_problems, typed
from apiserver.versions import as_served
from kube.client import PatchType
from kube.codec import DecodeError, decode_plain, to_plain
from kube.errors import bad_request, invalid, invalid_object, unsupported_media_type
from kube.kinds import Kind, Resource
from kube.objects import with_metadata
from kube.patch.json_patch import JsonPatchError, apply_json_patch
from kube.patch.merge_patch import apply_merge_patch
from kube.patch.strategic import StrategicPatchError, apply_strategic_patch

SERVED: Final = (PatchType.JSON, PatchType.MERGE, PatchType.STRATEGIC)
_MANAGED_FIELDS: Final = "/metadata/managedFields"


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
        patched = self._patched(to_plain(obj), type(obj))
        if not isinstance(patched, dict):
            raise bad_request(f"the patch leaves no {kind.kind}; it must leave an object")
        if patched.get("kind") != kind.kind or patched.get("apiVersion") != kind.api_version:
            error = invalid("kind", patched.get("kind"), "a patch can't change apiVersion or kind")
            raise invalid_object(kind, stored.metadata.name, (error,))
        self._check_fields(patched, stored)
        return typed(patched, kind)

    def _check_fields(self, patched: dict[str, Any], stored: Resource) -> None:
        if self._validation == "Ignore":
            return
        problems = strict_problems(patched, b"", self._kind.type)
        if problems and self._validation == "Strict":
            told = f"strict decoding error: {', '.join(problems)}"
            raise invalid_object(self._kind, stored.metadata.name, (invalid("patch", self._patch, told),))
        self.warnings = tuple(problems)

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
            raise invalid_object(self._kind, "", (invalid("patch", self._patch, str(error)),)) from error
        except StrategicPatchError as error:
            raise bad_request(str(error)) from error


def _patch_type(content_type: str) -> PatchType:
    media_type = media_type_of(content_type)
    for known in SERVED:
        if known.value == media_type:
            return known
    told = ", ".join(known.value for known in (*SERVED, PatchType.APPLY))
    raise unsupported_media_type(
        f"the body of the request was in an unknown format - accepted media types include: {told}"
    )
