"""The types of authentication.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from collections.abc import Mapping

from kube.api.meta_v1 import ObjectMeta
from kube.api.object import Object, always
from kube.api.scalars import Int64, Time


class BoundObjectReference(Object, frozen=True):
    """The object whose lifetime a token is tied to."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""


class UserInfo(Object, frozen=True):
    """A user's name, id, groups and extra attributes."""

    extra: Mapping[str, tuple[str, ...]] = {}
    groups: tuple[str, ...] = ()
    uid: str = ""
    username: str = ""


class SelfSubjectReviewStatus(Object, frozen=True):
    """The user details the server sees for the caller."""

    user_info: UserInfo = always(UserInfo())


class SelfSubjectReview(Object, frozen=True):
    """Asks the server who the caller is taken to be."""

    api_version: str = always("authentication.k8s.io/v1")
    kind: str = always("SelfSubjectReview")
    metadata: ObjectMeta = always(ObjectMeta())
    status: SelfSubjectReviewStatus = always(SelfSubjectReviewStatus())


class TokenRequestSpec(Object, frozen=True):
    """The audiences, lifetime and bound object wanted for a token."""

    audiences: tuple[str, ...] = always(())
    bound_object_ref: BoundObjectReference | None = None
    expiration_seconds: Int64 | None = None


class TokenRequestStatus(Object, frozen=True):
    """The token issued and when it runs out."""

    expiration_timestamp: Time | None = always(None)
    token: str = always("")


class TokenRequest(Object, frozen=True):
    """Asks for a fresh token for a service account."""

    api_version: str = always("authentication.k8s.io/v1")
    kind: str = always("TokenRequest")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: TokenRequestSpec = always(TokenRequestSpec())
    status: TokenRequestStatus = always(TokenRequestStatus())


class TokenReviewSpec(Object, frozen=True):
    """The token to check and the audiences it should be meant for."""

    audiences: tuple[str, ...] = ()
    token: str = ""


class TokenReviewStatus(Object, frozen=True):
    """Whether the token was good, the user behind it, or the error."""

    audiences: tuple[str, ...] = ()
    authenticated: bool = False
    error: str = ""
    user: UserInfo = always(UserInfo())


class TokenReview(Object, frozen=True):
    """Asks whether a bearer token is valid and whose it is."""

    api_version: str = always("authentication.k8s.io/v1")
    kind: str = always("TokenReview")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: TokenReviewSpec = always(TokenReviewSpec())
    status: TokenReviewStatus = always(TokenReviewStatus())
