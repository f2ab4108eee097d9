"""A body of type application/vnd.kubernetes.protobuf: four bytes, then an envelope that names the kind inside.

Source: kubernetes.io/docs/reference/using-api/api-concepts, section on the Kubernetes protobuf encoding.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from apiserver.protobuf.message import Message, Plain, nested, one
from apiserver.protobuf.schema import message_of
from apiserver.protobuf.values import RAW, TEXT
from apiserver.protobuf.wire import Budget, ProtobufError
from kube.api.authentication_v1 import TokenRequest
from kube.api.autoscaling_v1 import Scale
from kube.api.meta_v1 import DeleteOptions
from kube.api.policy_v1 import Eviction
from kube.kinds import find_kind

MAGIC: Final = b"k8s\0"

TYPE_META: Final = Message(lambda: (one("apiVersion", 1, TEXT), one("kind", 2, TEXT)))
ENVELOPE: Final = Message(
    lambda: (
        nested("typeMeta", 1, TYPE_META),
        one("raw", 2, RAW),
        one("contentEncoding", 3, TEXT),
        one("contentType", 4, TEXT),
    )
)

UNSTORED: Final[Mapping[tuple[str, str], type[msgspec.Struct]]] = {
    ("authentication.k8s.io/v1", "TokenRequest"): TokenRequest,
    ("autoscaling/v1", "Scale"): Scale,
    ("policy/v1", "Eviction"): Eviction,
}
"""What is sent to subresources and is no kind of its own. DeleteOptions belong to every group version."""


def decode(body: bytes) -> Plain:
    """Return the object in a body as JSON would have it, apiVersion and kind first. Raises ProtobufError."""
    if not body.startswith(MAGIC):
        raise ProtobufError(f"the body is not Kubernetes protobuf: it begins with {body[:4]!r}, not with {MAGIC!r}")
    budget = Budget()
    envelope = ENVELOPE.read(body[len(MAGIC) :], budget, {})
    if envelope.get("contentEncoding"):
        raise ProtobufError(f'contentEncoding: "{envelope["contentEncoding"]}" can\'t be read; send it plain')
    if "raw" not in envelope:
        raise ProtobufError("the envelope holds no object; one stands in field 2")
    api_version = envelope.get("typeMeta", {}).get("apiVersion", "")
    kind = envelope.get("typeMeta", {}).get("kind", "")
    message = message_of(_struct_of(api_version, kind))
    return message.read(envelope["raw"], budget, {"apiVersion": api_version, "kind": kind})


def _struct_of(api_version: str, kind: str) -> type[msgspec.Struct]:
    if kind == "DeleteOptions":
        return DeleteOptions
    served = find_kind(api_version, kind)
    found: Any = served.type if served else UNSTORED.get((api_version, kind))
    if found is None:
        raise ProtobufError(f'no kind "{kind}" of version "{api_version}" can be read from protobuf; send it as JSON')
    return found  # type: ignore[no-any-return]
