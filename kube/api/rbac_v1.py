"""The types of rbac.authorization.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from kube.api.meta_v1 import LabelSelector, ListMeta, ObjectMeta
from kube.api.object import Object, always, atomic, renamed


class AggregationRule(Object, frozen=True):
    """Selects cluster roles whose rules are merged into this one."""

    cluster_role_selectors: tuple[LabelSelector, ...] = ()


class PolicyRule(Object, frozen=True, rename=renamed(non_resource_urls="nonResourceURLs")):
    """Verbs allowed on certain resources or URL paths."""

    api_groups: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = always(())


class ClusterRole(Object, frozen=True):
    """A set of permissions that can apply to the whole cluster."""

    api_version: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("ClusterRole")
    aggregation_rule: AggregationRule | None = None
    metadata: ObjectMeta = always(ObjectMeta())
    rules: tuple[PolicyRule, ...] = always(())


@atomic
class RoleRef(Object, frozen=True):
    """The role that a binding grants."""

    api_group: str = always("")
    kind: str = always("")
    name: str = always("")


@atomic
class Subject(Object, frozen=True):
    """A user, group or service account that a binding grants a role to."""

    api_group: str = ""
    kind: str = always("")
    name: str = always("")
    namespace: str = ""


class ClusterRoleBinding(Object, frozen=True):
    """Grants a cluster role to subjects throughout the cluster."""

    api_version: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("ClusterRoleBinding")
    metadata: ObjectMeta = always(ObjectMeta())
    role_ref: RoleRef = always(RoleRef())
    subjects: tuple[Subject, ...] = ()


class ClusterRoleBindingList(Object, frozen=True):
    """A list of cluster role bindings."""

    api_version: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("ClusterRoleBindingList")
    items: tuple[ClusterRoleBinding, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ClusterRoleList(Object, frozen=True):
    """A list of cluster roles."""

    api_version: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("ClusterRoleList")
    items: tuple[ClusterRole, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class Role(Object, frozen=True):
    """A set of permissions within one namespace."""

    api_version: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("Role")
    metadata: ObjectMeta = always(ObjectMeta())
    rules: tuple[PolicyRule, ...] = always(())


class RoleBinding(Object, frozen=True):
    """Grants a role to subjects within one namespace."""

    api_version: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("RoleBinding")
    metadata: ObjectMeta = always(ObjectMeta())
    role_ref: RoleRef = always(RoleRef())
    subjects: tuple[Subject, ...] = ()


class RoleBindingList(Object, frozen=True):
    """A list of role bindings."""

    api_version: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("RoleBindingList")
    items: tuple[RoleBinding, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class RoleList(Object, frozen=True):
    """A list of roles."""

    api_version: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("RoleList")
    items: tuple[Role, ...] = always(())
    metadata: ListMeta = always(ListMeta())
