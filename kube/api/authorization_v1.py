"""The types of authorization.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from collections.abc import Mapping

from kube.api.meta_v1 import FieldSelectorRequirement, LabelSelectorRequirement, ObjectMeta
from kube.api.object import Object, always, renamed


class FieldSelectorAttributes(Object, frozen=True):
    """The field selector of a request, as seen by an authorizer."""

    raw_selector: str = ""
    requirements: tuple[FieldSelectorRequirement, ...] = ()


class LabelSelectorAttributes(Object, frozen=True):
    """The label selector of a request, as seen by an authorizer."""

    raw_selector: str = ""
    requirements: tuple[LabelSelectorRequirement, ...] = ()


class NonResourceAttributes(Object, frozen=True):
    """The path and verb of a request that is not about an object."""

    path: str = ""
    verb: str = ""


class ResourceAttributes(Object, frozen=True):
    """The verb, resource, name and namespace of a request being judged."""

    field_selector: FieldSelectorAttributes | None = None
    group: str = ""
    label_selector: LabelSelectorAttributes | None = None
    name: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    verb: str = ""
    version: str = ""


class SubjectAccessReviewSpec(Object, frozen=True):
    """The user and groups in question and the action being asked about."""

    extra: Mapping[str, tuple[str, ...]] = {}
    groups: tuple[str, ...] = ()
    non_resource_attributes: NonResourceAttributes | None = None
    resource_attributes: ResourceAttributes | None = None
    uid: str = ""
    user: str = ""


class SubjectAccessReviewStatus(Object, frozen=True):
    """The verdict on an access question, and why."""

    allowed: bool = always(False)
    denied: bool = False
    evaluation_error: str = ""
    reason: str = ""


class LocalSubjectAccessReview(Object, frozen=True):
    """Asks whether a user may do something within one namespace."""

    api_version: str = always("authorization.k8s.io/v1")
    kind: str = always("LocalSubjectAccessReview")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: SubjectAccessReviewSpec = always(SubjectAccessReviewSpec())
    status: SubjectAccessReviewStatus = always(SubjectAccessReviewStatus())


class NonResourceRule(Object, frozen=True, rename=renamed(non_resource_urls="nonResourceURLs")):
    """Verbs allowed on plain URL paths."""

    non_resource_urls: tuple[str, ...] = ()
    verbs: tuple[str, ...] = always(())


class ResourceRule(Object, frozen=True):
    """Verbs allowed on certain resources, perhaps only by name."""

    api_groups: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = always(())


class SelfSubjectAccessReviewSpec(Object, frozen=True):
    """The action the caller is asking about."""

    non_resource_attributes: NonResourceAttributes | None = None
    resource_attributes: ResourceAttributes | None = None


class SelfSubjectAccessReview(Object, frozen=True):
    """Asks whether the caller may do something."""

    api_version: str = always("authorization.k8s.io/v1")
    kind: str = always("SelfSubjectAccessReview")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: SelfSubjectAccessReviewSpec = always(SelfSubjectAccessReviewSpec())
    status: SubjectAccessReviewStatus = always(SubjectAccessReviewStatus())


class SelfSubjectRulesReviewSpec(Object, frozen=True):
    """The namespace whose permissions the caller wants to see."""

    namespace: str = ""


class SubjectRulesReviewStatus(Object, frozen=True):
    """The rules found for a user, and whether they are complete."""

    evaluation_error: str = ""
    incomplete: bool = always(False)
    non_resource_rules: tuple[NonResourceRule, ...] = always(())
    resource_rules: tuple[ResourceRule, ...] = always(())


class SelfSubjectRulesReview(Object, frozen=True):
    """Asks what the caller may do in a namespace."""

    api_version: str = always("authorization.k8s.io/v1")
    kind: str = always("SelfSubjectRulesReview")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: SelfSubjectRulesReviewSpec = always(SelfSubjectRulesReviewSpec())
    status: SubjectRulesReviewStatus = always(SubjectRulesReviewStatus())


class SubjectAccessReview(Object, frozen=True):
    """Asks whether a given user may do something."""

    api_version: str = always("authorization.k8s.io/v1")
    kind: str = always("SubjectAccessReview")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: SubjectAccessReviewSpec = always(SubjectAccessReviewSpec())
    status: SubjectAccessReviewStatus = always(SubjectAccessReviewStatus())
