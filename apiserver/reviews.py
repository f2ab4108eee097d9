"""Questions that are posted and answered, and never stored: who am I, may I, is this token good; and tokens themselves.

Source: kubernetes.io/docs/reference/kubernetes-api/authentication-resources, .../authorization-resources
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from apiserver.authentication import Authenticator
from apiserver.authorization import KNOWN_PATHS, PUBLIC_PATHS, SELF_REVIEWS, Attributes, Authorizer, permits
from apiserver.identity import AUTHENTICATED, User
from apiserver.strategy import Reader
from apiserver.tokens import AUDIENCES, Bound, Claims, TokenError, TokenKeeper, new_token_id
from kube.api import authentication_v1, authorization_v1
from kube.api.core_v1 import Node, Pod, Secret, ServiceAccount
from kube.errors import FieldError, bad_request, forbidden, invalid, invalid_object, not_found
from kube.kinds import Kind, Resource, kind_of
from kube.objects import with_metadata
from kube.times import to_time

TOKEN_SECONDS: Final = 3600
TOKEN_SECONDS_MIN: Final = 600
TOKEN_SECONDS_MAX: Final = 1 << 32
_TOKEN_REQUEST: Final = Kind("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests")


def user_info(user: User) -> authentication_v1.UserInfo:
    """Return a user in the API's form."""
    return authentication_v1.UserInfo(username=user.name, uid=user.uid, groups=user.groups, extra=user.extra)


_SELF_REVIEW_RULES: Final = tuple(
    authorization_v1.ResourceRule(verbs=("create",), api_groups=(group,), resources=(resource,))
    for group, resource in sorted(SELF_REVIEWS)
)


class Reviews:
    """Answers reviews and issues tokens."""

    def __init__(
        self, objects: Reader, authenticator: Authenticator, authorizers: Sequence[Authorizer], keeper: TokenKeeper
    ) -> None:
        """keeper: signs the tokens."""
        self._objects = objects
        self._authenticator = authenticator
        self._authorizers = authorizers
        self._keeper = keeper
        self._answers: Mapping[str, Callable[[Any, User, datetime], Any]] = {
            "SelfSubjectReview": self._who,
            "TokenReview": self._token,
            "SubjectAccessReview": self._access,
            "LocalSubjectAccessReview": self._access,
            "SelfSubjectAccessReview": self._self_access,
            "SelfSubjectRulesReview": self._rules,
        }

    def answers(self, kind: Kind) -> bool:
        """Say whether a kind is a question that is answered here."""
        return kind.kind in self._answers and kind.group in ("authentication.k8s.io", "authorization.k8s.io")

    def answer(self, kind: Kind, namespace: str, question: Resource, user: User, now: datetime) -> Resource:
        """Return the question with its status. namespace: in which it is asked, "" for none. Raises ApiError."""
        if question.metadata.namespace not in ("", namespace):
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        answered: Resource = self._answers[kind.kind](with_metadata(question, namespace=namespace), user, now)
        return answered

    def _who(self, review: authentication_v1.SelfSubjectReview, user: User, now: datetime) -> Any:
        status = authentication_v1.SelfSubjectReviewStatus(user_info=user_info(user))
        return replace(review, metadata=replace(review.metadata, creation_timestamp=to_time(now)), status=status)

    def _token(self, review: authentication_v1.TokenReview, _user: User, now: datetime) -> Any:
        if not review.spec.token:
            raise bad_request("token is required for TokenReview in authentication")
        wanted = review.spec.audiences or AUDIENCES
        try:
            user, meant = self._authenticator.holder_of(review.spec.token, now, wanted)
        except TokenError as error:
            status = authentication_v1.TokenReviewStatus(error=str(error))
        else:
            status = authentication_v1.TokenReviewStatus(authenticated=True, audiences=meant, user=user_info(user))
        return replace(review, status=status)

    def _access(self, review: Any, _user: User, _now: datetime) -> Any:
        spec = review.spec
        if errors := _access_errors(review):
            asked: type[Resource] = type(review)
            raise invalid_object(kind_of(asked), "", errors)
        subject = User(spec.user, tuple(spec.groups), spec.uid, spec.extra)
        return replace(review, status=self._judge(spec, subject))

    def _self_access(self, review: Any, user: User, _now: datetime) -> Any:
        return replace(review, status=self._judge(review.spec, user))

    def _judge(self, spec: Any, subject: User) -> authorization_v1.SubjectAccessReviewStatus:
        resource, path = spec.resource_attributes, spec.non_resource_attributes
        if (resource is None) == (path is None):
            raise bad_request("spec: exactly one of nonResourceAttributes or resourceAttributes must be specified")
        if resource is not None:
            selector = resource.field_selector.raw_selector if resource.field_selector else ""
            asked = Attributes(
                subject,
                resource.verb,
                resource.group,
                resource.resource,
                resource.subresource,
                resource.namespace,
                resource.name,
                selector,
            )
        else:
            asked = Attributes(subject, path.verb, path=path.path)
        return authorization_v1.SubjectAccessReviewStatus(allowed=permits(self._authorizers, asked))

    def _rules(self, review: authorization_v1.SelfSubjectRulesReview, user: User, _now: datetime) -> Any:
        """Tell what can be told as a list: all or what everybody may, the rules for nodes being no such list."""
        everything = permits(self._authorizers, Attributes(user, "*", "*", "*"))
        star, known = ("*",), AUTHENTICATED in user.groups
        resources = [*_SELF_REVIEW_RULES] if known else []
        others = [authorization_v1.NonResourceRule(verbs=("get",), non_resource_urls=_paths(known=known))]
        if everything:
            resources.insert(0, authorization_v1.ResourceRule(verbs=star, api_groups=star, resources=star))
            others.insert(0, authorization_v1.NonResourceRule(verbs=star, non_resource_urls=star))
        status = authorization_v1.SubjectRulesReviewStatus(
            incomplete=bool(user.node_name), resource_rules=tuple(resources), non_resource_rules=tuple(others)
        )
        return replace(review, status=status)

    async def issue(
        self, user: User, namespace: str, name: str, request: authentication_v1.TokenRequest, now: datetime
    ) -> authentication_v1.TokenRequest:
        """Return the request with a fresh token for a service account. Raises ApiError 403, 404 or 422."""
        if user.node_name:
            await self._check_of_node(user.node_name, namespace, name, request.spec.bound_object_ref)
        account = await self._objects.fetch(ServiceAccount, name, namespace)
        if account is None:
            raise not_found(kind_of(ServiceAccount), name)
        if request.metadata.name not in ("", name):
            wrong = invalid("metadata.name", request.metadata.name, "must match the service account name if specified")
            raise invalid_object(_TOKEN_REQUEST, name, (wrong,))
        seconds = TOKEN_SECONDS if request.spec.expiration_seconds is None else request.spec.expiration_seconds
        if errors := _lifetime_errors(seconds):
            raise invalid_object(_TOKEN_REQUEST, request.metadata.name, errors)
        audiences = request.spec.audiences or AUDIENCES
        bound_kind, bound, node = await self._bound(namespace, name, request.spec.bound_object_ref)
        issued = int(now.timestamp())
        claims = Claims(
            namespace=namespace,
            account=Bound(name, account.metadata.uid),
            audiences=tuple(audiences),
            issued_s=issued,
            expires_s=issued + seconds,
            bound_kind=bound_kind,
            bound=bound,
            node=node,
            token_id=new_token_id(),
        )
        ends = to_time(datetime.fromtimestamp(issued, UTC) + timedelta(seconds=seconds))
        return replace(
            request,
            metadata=replace(request.metadata, name=name, namespace=namespace, creation_timestamp=to_time(now)),
            spec=replace(request.spec, audiences=tuple(audiences), expiration_seconds=seconds),
            status=authentication_v1.TokenRequestStatus(expiration_timestamp=ends, token=self._keeper.sign(claims)),
        )

    async def _check_of_node(
        self, node: str, namespace: str, account: str, reference: authentication_v1.BoundObjectReference | None
    ) -> None:
        """Return if a token is to be bound to a pod on `node`: its agent gets no others. Raises ApiError 403."""
        pod = None
        if reference is not None and reference.kind == "Pod" and reference.uid:
            pod = await self._objects.fetch(Pod, reference.name, namespace)
        if pod is None or pod.spec.node_name != node:
            told = f'node "{node}" may ask for tokens that are bound to a pod on it, by name and uid, and no others'
            raise forbidden(kind_of(ServiceAccount), account, f'serviceaccounts "{account}" is forbidden: {told}')

    async def _bound(
        self, namespace: str, account: str, reference: authentication_v1.BoundObjectReference | None
    ) -> tuple[str, Bound, Bound]:
        """Return the kind and identity of the object that a token is to be bound to, and its node. Raises ApiError."""
        if reference is None:
            return "", Bound(), Bound()
        node = Bound()
        found: Resource | None
        match reference.kind, reference.api_version:
            case "Pod", "v1":
                pod = await self._objects.fetch(Pod, reference.name, namespace)
                if pod is not None and pod.spec.service_account_name != account:
                    told = (
                        f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount'
                    )
                    raise bad_request(told)
                host = self._objects.get(Node, pod.spec.node_name) if pod and pod.spec.node_name else None
                node = Bound(host.metadata.name, host.metadata.uid) if host else Bound()
                found = pod
            case "Secret", "v1":
                found = await self._objects.fetch(Secret, reference.name, namespace)
            case "Node", "v1":
                found = await self._objects.fetch(Node, reference.name)
            case _:
                raise bad_request(f"cannot bind token to object of type {reference.api_version}, Kind={reference.kind}")
        if found is None:
            raise not_found(kind_of({"Pod": Pod, "Secret": Secret}.get(reference.kind, Node)), reference.name)
        if reference.uid and reference.uid != found.metadata.uid:
            raise bad_request(
                f"the UID in the bound object reference ({reference.uid}) does not match the UID in record"
            )
        return reference.kind, Bound(found.metadata.name, found.metadata.uid), node


def _access_errors(review: Any) -> list[FieldError]:
    """Return what is wrong with a question about somebody: it is about nobody, or about more than its namespace."""
    spec, namespace = review.spec, review.metadata.namespace
    errors = []
    if not spec.user and not spec.groups:
        errors.append(invalid("spec.user", spec.user, "at least one of user or group must be specified"))
    if namespace and spec.resource_attributes is not None and spec.resource_attributes.namespace != namespace:
        asked = spec.resource_attributes.namespace
        errors.append(invalid("spec.resourceAttributes.namespace", asked, "must match metadata.namespace"))
    if namespace and spec.non_resource_attributes is not None:
        path = spec.non_resource_attributes.path
        errors.append(invalid("spec.nonResourceAttributes", path, "disallowed on this kind of request"))
    return errors


def _paths(*, known: bool) -> tuple[str, ...]:
    """Return the paths that anybody, or anybody known, may read, with what is below them."""
    return tuple(form for path in (KNOWN_PATHS if known else PUBLIC_PATHS) for form in (path, f"{path}/*"))


def _lifetime_errors(seconds: int) -> list[FieldError]:
    field = "spec.expirationSeconds"
    if seconds < TOKEN_SECONDS_MIN:
        return [invalid(field, seconds, "may not specify a duration less than 10 minutes")]
    if seconds > TOKEN_SECONDS_MAX:
        return [invalid(field, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []
