"""PATCH with application/apply-patch+yaml: a configuration, checked, that can be applied to any state of an object.

kubectl's own applications of old left what they applied in an annotation: what kubectl finds there it may take from
whoever manages it, and it keeps the annotation up to date.
Source: kubernetes.io/docs/reference/using-api/server-side-apply, and there: migration from client-side apply.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec

from apiserver.decoding import doubled_keys_told, duplicate_keys, typed
from apiserver.managing import applier
from apiserver.options import WriteOptions
from apiserver.scale import SCALE
from apiserver.strategies import strategy_of
from apiserver.strategies.metadata import ANNOTATIONS_MAX_BYTES
from apiserver.strategy import Strategy
from apiserver.strictness import strange_fields
from apiserver.versions import as_served, in_version, stored_kind
from kube.api.meta_v1 import ObjectMeta, StatusCause
from kube.codec import DecodeError, decode_plain, encode, from_plain
from kube.errors import ApiError, apply_conflict, bad_request
from kube.fields.layout import layout_of_object
from kube.fields.plain import fields_of
from kube.fields.sets import EMPTY, FieldSet, difference
from kube.fields.tracking import compare
from kube.kinds import Kind, Resource
from kube.objects import with_metadata
from kube.patch.apply import Application, Applied, ApplyConflicts, ConfigurationError, apply
from kube.times import to_time
from kube.yaml import YamlError, load_all

KUBECTL: Final = "kubectl"
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_ALWAYS: Final = ("apiVersion", "kind", "metadata")
_META_NAMES: Final = dict(zip(ObjectMeta.__struct_fields__, ObjectMeta.__struct_encode_fields__, strict=True))


@dataclass(frozen=True, slots=True)
class Configuration:
    """What one request applies. kind: as which; plain: the configuration; warnings: what its sender should know."""

    kind: Kind
    plain: Mapping[str, Any]
    how: Application
    warnings: tuple[str, ...] = ()

    @property
    def names_a_version(self) -> bool:
        """Say whether the configuration is for one state of the object, so that a conflict is its sender's."""
        return bool(self.plain["metadata"].get("resourceVersion"))

    def as_parent(self, kind: Kind) -> "Configuration":
        """Return the application of a scale as one to the object of `kind` that it scales."""
        meta = {key: value for key, value in self.plain["metadata"].items() if key in ("resourceVersion", "uid")}
        spec = {"replicas": (self.plain.get("spec") or {}).get("replicas") or 0}
        plain = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, "spec": spec}
        return Configuration(kind, plain, replace(self.how, api_version=kind.api_version), self.warnings)

    def applied_to_nothing(self, now: datetime) -> Resource:
        """Return the new object that the configuration makes, with its status for kinds that begin with one.

        Nobody manages that. Raises ApiError 400.
        """
        obj = self._applied(self.kind.type(), now)
        strategy: Strategy[Any] = strategy_of(stored_kind(self.kind))
        made: Resource = strategy.with_status_of(obj, typed(dict(self.plain), self.kind))
        return made

    def applied(self, stored: Resource, now: datetime) -> Resource:
        """Return the object that `stored` becomes, in the version of the configuration. Raises ApiError 400 or 409."""
        return self._applied(as_served(stored, self.kind), now)

    def _applied(self, live: Resource, now: datetime) -> Resource:
        config = self._applicable()
        try:
            found = self._tried(live, config, to_time(now))
        except ApplyConflicts as error:
            raise _conflict(self._as_seen_here(error)) from error
        except (ConfigurationError, DecodeError) as error:
            raise bad_request(_untypable(self.kind, self.plain, str(error))) from error
        obj = with_metadata(found.obj, managed_fields=found.entries)
        if self.how.manager.name == KUBECTL and obj.metadata.annotations.get(LAST_APPLIED):
            obj = _with_last_applied(obj, self.plain)
        return obj

    def _as_seen_here(self, error: ApplyConflicts) -> ApplyConflicts:
        """Return conflicts by the managers' names here: who looks at a scale knows nothing of what it scales."""
        if self.how.manager.subresource != "scale":
            return error
        seen = {
            manager._replace(api_version=SCALE.api_version) if manager.api_version else manager: fields
            for manager, fields in error.conflicts.items()
        }
        return ApplyConflicts(seen)

    def _tried(self, live: Resource, config: Mapping[str, Any], now: str) -> Applied:
        try:
            return apply(live, config, self.how, now)
        except ApplyConflicts as error:
            allowed = _last_applied_fields(live) if self.how.manager.name == KUBECTL else EMPTY
            left = {manager: difference(fields, allowed) for manager, fields in error.conflicts.items()}
            still = {manager: fields for manager, fields in left.items() if fields}
            if still or not allowed:
                raise ApplyConflicts(still or error.conflicts) from error
        return apply(live, config, replace(self.how, force=True), now)

    def _applicable(self) -> Mapping[str, Any]:
        """Return the part of the configuration that goes through this door."""
        strategy = strategy_of(stored_kind(self.kind))
        if self.how.manager.subresource == "status":
            ignored = {_META_NAMES[field] for field in strategy.status_ignores}
            meta = {key: value for key, value in self.plain["metadata"].items() if key not in ignored}
            shown = {key: value for key, value in self.plain.items() if key in (*_ALWAYS, "status")}
            return {**shown, "metadata": meta}
        if strategy.has_status:
            return {key: value for key, value in self.plain.items() if key != "status"}
        return self.plain


def read_configuration(
    kind: Kind, body: bytes, options: WriteOptions, *, name: str, subresource: str = ""
) -> Configuration:
    """Return the configuration that the body of a request holds. name: the object's, as the path has it.

    Raises ApiError 400.
    """
    doubled: list[str] = []
    plain = _plain(body, doubled)
    _check_head(plain, kind, name)
    strange = [f".{path}: field not declared in schema" for path in strange_fields(plain, kind.type)]
    if strange:
        raise bad_request(_untypable(kind, plain, str(ConfigurationError(strange))))
    typed(plain, kind)
    how = Application(applier(options.field_manager, subresource), kind.api_version, in_version, force=options.force)
    if doubled and options.field_validation == "Strict":
        told = f"error converting YAML to JSON: {doubled_keys_told(doubled)}"
        raise bad_request(f"error strict decoding YAML: {told}")
    return Configuration(kind, plain, how, () if options.field_validation == "Ignore" else tuple(doubled))


def _plain(body: bytes, doubled: list[str]) -> dict[str, Any]:
    """Return a configuration as plain JSON; JSON is read as such, which is quicker, unless keys stand in it twice."""
    try:
        found = _json(body)
        if found is None or (len(encode(found)) != len(body.strip()) and duplicate_keys(body)):
            documents: Sequence[Any] = load_all(body.decode(), doubled=doubled)
            found = documents[0] if documents else None
    except (DecodeError, YamlError, UnicodeDecodeError) as error:
        raise bad_request(f"error decoding YAML: {error}") from error
    if found is None:
        found = {}
    if not isinstance(found, dict):
        raise bad_request("error decoding YAML: the configuration is no object")
    return found


def _json(body: bytes) -> Any:
    """Return an object written as JSON, None for what is not, though it looks so: YAML takes a comma at the end."""
    if not body.lstrip().startswith(b"{"):
        return None
    try:
        return decode_plain(body)
    except DecodeError:
        return None


def _check_head(plain: dict[str, Any], kind: Kind, name: str) -> None:
    """Return if the configuration is one of `kind` for the object that the path names. Raises ApiError 400."""
    version, found = plain.get("apiVersion"), plain.get("kind")
    if version != kind.api_version or found != kind.kind:
        raise bad_request(f"invalid object type: {_full_version(version)}, Kind={found or ''}")
    meta = plain.get("metadata")
    if meta is None:
        meta = plain["metadata"] = {}
    if not isinstance(meta, dict):
        raise bad_request("metadata: is no object")
    if meta.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    if meta.get("name") not in (None, "", name):
        raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")


def _full_version(api_version: Any) -> str:
    """Return an apiVersion with its slash, which the core group's has not: "/v1"."""
    text = api_version if isinstance(api_version, str) else ""
    return text if "/" in text else f"/{text}"


def _untypable(kind: Kind, plain: Mapping[str, Any], told: str) -> str:
    meta = plain["metadata"]
    version = _full_version(kind.api_version)
    whose = f"{meta.get('namespace') or ''}/{meta.get('name') or ''}; {version}, Kind={kind.kind}"
    return f"failed to create typed patch object ({whose}): {told}"


def _conflict(error: ApplyConflicts) -> ApiError:
    causes = [
        StatusCause(reason="FieldManagerConflict", message=f"conflict with {manager}", field=path)
        for manager, path in error.causes()
    ]
    return apply_conflict(str(error), causes)


def _last_applied_fields(live: Resource) -> FieldSet:
    """Return the fields that a client-side apply set and that are as it left them."""
    text = live.metadata.annotations.get(LAST_APPLIED, "")
    try:
        config = decode_plain(text) if text else None
        if not isinstance(config, dict) or config.get("apiVersion") != live.api_version:
            return EMPTY
        obj: Resource = from_plain(config, type(live))
    except DecodeError:
        return EMPTY
    fields, wrong = fields_of(config, layout_of_object(type(live)))
    found = compare(obj, live)
    return EMPTY if wrong else difference(difference(fields, found.changed), found.removed)


def _with_last_applied(obj: Resource, config: Mapping[str, Any]) -> Resource:
    """Return the object with the annotation of client-side apply as such an apply of `config` would leave it."""
    meta = {**config["metadata"]}
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key != LAST_APPLIED}
    if annotations or "annotations" in meta:
        meta["annotations"] = annotations
    text = msgspec.json.encode({**config, "metadata": meta}, order="sorted").decode() + "\n"
    kept = {key: value for key, value in obj.metadata.annotations.items() if key != LAST_APPLIED}
    size = sum(len(key.encode()) + len(value.encode()) for key, value in {**kept, LAST_APPLIED: text}.items())
    return with_metadata(obj, annotations=kept if size > ANNOTATIONS_MAX_BYTES else {**kept, LAST_APPLIED: text})
