"""What a client takes, by its Accept header: JSON or YAML, objects as they are or transformed.

Found out once per header text. Source: kubernetes.io/docs/reference/using-api/api-concepts, sections on content
negotiation, tables and metadata; RFC 9110, section 12.5.1.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from kube.errors import ApiError, not_acceptable

JSON: Final = "application/json"
YAML: Final = "application/yaml"
_MEDIA_TYPES: Final = {JSON: JSON, "*/*": JSON, "application/*": JSON, YAML: YAML}
_TRANSFORMED: Final = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_VERSIONS: Final = ("v1", "v1beta1")


@dataclass(frozen=True, slots=True)
class Alternative:
    """One part of an Accept header. group, version, kind: of its "as", all "" where objects are wanted as they are."""

    media_type: str
    weight: float = 1.0
    group: str = ""
    version: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What an answer is to be. transformed: "" or a kind of meta.k8s.io in `version`."""

    media_type: str = JSON
    transformed: str = ""
    version: str = "v1"


@lru_cache(maxsize=256)
def alternatives(header: str) -> tuple[Alternative, ...]:
    """Return the parts of an Accept header, the best first; those that are not wanted at all are left out."""
    found = [_parsed(part) for part in header.split(",") if part.strip()]
    return tuple(sorted((part for part in found if part.weight > 0), key=lambda part: -part.weight))


def _parsed(part: str) -> Alternative:
    media_type, *rest = (piece.strip() for piece in part.split(";"))
    parameters = dict(piece.partition("=")[::2] for piece in rest)
    try:
        weight = float(parameters.get("q", "1"))
    except ValueError:
        weight = 1.0
    return Alternative(media_type, weight, parameters.get("g", ""), parameters.get("v", ""), parameters.get("as", ""))


@lru_cache(maxsize=256)
def accepted(header: str, *, streams: bool = False, has_tables: bool = True) -> Accepted:
    """Return the best that can be given. Raises ApiError 406.

    streams: a watch, which is JSON alone. has_tables: the answer can be a Table; that to a question never is.
    """
    if not header:
        return Accepted()
    for part in alternatives(header):
        media_type = _MEDIA_TYPES.get(part.media_type)
        if media_type is None or (streams and media_type is YAML):
            continue
        if not part.kind:
            return Accepted(media_type)
        if part.kind == "Table" and not has_tables:
            continue
        if part.group == "meta.k8s.io" and part.kind in _TRANSFORMED and part.version in _VERSIONS:
            return Accepted(media_type, part.kind, part.version)
    raise _refusal((f"{JSON};stream=watch",) if streams else (JSON, YAML))


def _refusal(offered: tuple[str, ...]) -> ApiError:
    return not_acceptable(f"only the following media types are accepted: {', '.join(offered)}")


@lru_cache(maxsize=256)
def prefers_yaml(header: str) -> bool:
    """Say whether an answer that isn't a stream is wanted as YAML."""
    served = (_MEDIA_TYPES.get(part.media_type) for part in alternatives(header))
    return next((media_type for media_type in served if media_type is not None), JSON) is YAML
