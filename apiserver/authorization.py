"""May this user do that?

Authorizers are asked in turn; the first that allows it settles it, and if none does it is refused. What stands here:
masters and the cluster's own components may do everything; a node's agent what it needs for its own node and the pods
on it; everybody known may ask what is served and who they are; anybody may ask how the server is.
Source: kubernetes.io/docs/reference/access-authn-authz/authorization, .../node
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from apiserver.authentication import BOOTSTRAPPERS
from apiserver.identity import AUTHENTICATED, MASTERS, User
from kube.api.core_v1 import EnvFromSource, EnvVar, PersistentVolume, Pod, Volume
from kube.errors import ApiError, forbidden
from kube.kinds import Kind, Resource
from kube.selectors import SelectorError, parse_field_selector
from kube.volumes import NODE_LABEL

T = TypeVar("T", bound=Resource)


class Attributes(msgspec.Struct, frozen=True):
    """What a request is about, as far as permission goes. path: of a request that is for no resource."""

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    path: str = ""


class Authorizer(Protocol):
    """One way to be allowed something."""

    def allows(self, asked: Attributes) -> bool:
        """Say whether this way allows what is asked; no says nothing about the others."""


class NodeObjects(Protocol):
    """What the rules for nodes look at."""

    def pods_on(self, node: str) -> Iterable[Pod]:
        """Return the pods bound to a node."""

    def get(self, cls: type[T], name: str, namespace: str = "") -> T | None:
        """Return an object."""


COMPONENTS: Final = frozenset(
    {
        "system:apiserver",
        "system:kube-controller-manager",
        "system:kube-scheduler",
    }
)
PUBLIC_PATHS: Final = ("/healthz", "/livez", "/readyz", "/version", "/cacerts")
KNOWN_PATHS: Final = (
    *PUBLIC_PATHS,
    "/api",
    "/apis",
    "/openapi",
    "/.well-known/openid-configuration",
    "/openid/v1/jwks",
)
SELF_REVIEWS: Final = frozenset(
    {
        ("authentication.k8s.io", "selfsubjectreviews"),
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
    }
)


class EverythingForComponents:
    """Masters and components may do everything."""

    def allows(self, asked: Attributes) -> bool:
        """Say whether the user is one of them."""
        return MASTERS in asked.user.groups or asked.user.name in COMPONENTS


class LittleForAll:
    """Anybody may see health and version; anybody known what is served, and who they are."""

    def allows(self, asked: Attributes) -> bool:
        """Say whether this is something that all may."""
        if asked.path:
            known = AUTHENTICATED in asked.user.groups
            return asked.verb == "get" and _is_below(asked.path, KNOWN_PATHS if known else PUBLIC_PATHS)
        if AUTHENTICATED not in asked.user.groups:
            return False
        return asked.verb == "create" and (asked.group, asked.resource) in SELF_REVIEWS


class JoiningNodes:
    """Who holds a bootstrap token may ask for a node's certificate."""

    def allows(self, asked: Attributes) -> bool:
        """Say whether this is part of joining."""
        is_request = (asked.group, asked.resource) == ("certificates.k8s.io", "certificatesigningrequests")
        return BOOTSTRAPPERS in asked.user.groups and is_request and _requests("", asked)


_READ: Final = frozenset({"get", "list", "watch"})
_WRITE: Final = frozenset({"create", "update", "patch"})
_NODE_READS: Final = frozenset(
    {
        ("", "namespaces"),
        ("", "nodes"),
        ("", "services"),
        ("", "persistentvolumes"),
        ("", "persistentvolumeclaims"),
        ("discovery.k8s.io", "endpointslices"),
        ("node.k8s.io", "runtimeclasses"),
        ("storage.k8s.io", "csidrivers"),
        ("storage.k8s.io", "volumeattachments"),
        ("scheduling.k8s.io", "priorityclasses"),
        ("networking.k8s.io", "networkpolicies"),
    }
)
_NODE_CREATES: Final = frozenset(
    {
        ("authentication.k8s.io", "tokenreviews"),
        ("authorization.k8s.io", "subjectaccessreviews"),
    }
)
_OF_OWN_PODS: Final = frozenset(
    {
        ("get", ""),
        ("delete", ""),
        ("get", "status"),
        ("update", "status"),
        ("patch", "status"),
        ("create", "eviction"),
    }
)
_NODE_EVENTS: Final = frozenset({("", "events"), ("events.k8s.io", "events")})


class NodeAgents:
    """A node's agent: its own Node, Lease and pods, and what those pods refer to."""

    def __init__(self, objects: NodeObjects) -> None:
        """objects: where pods are found."""
        self._objects = objects
        self._rules: dict[tuple[str, str], Callable[[str, Attributes], bool]] = {
            ("", "nodes"): self._own_node,
            ("", "pods"): self._own_pods,
            ("", "secrets"): self._referred,
            ("", "configmaps"): self._referred,
            ("", "serviceaccounts"): self._accounts,
            ("", "persistentvolumes"): self._own_volumes,
            ("coordination.k8s.io", "leases"): self._own_lease,
            ("certificates.k8s.io", "certificatesigningrequests"): _requests,
        }

    def allows(self, asked: Attributes) -> bool:
        """Say whether the user is a node's agent and this is its business."""
        node = asked.user.node_name
        if not node or asked.path:
            return False
        resource = (asked.group, asked.resource)
        if asked.verb in _READ and not asked.subresource and resource in _NODE_READS:
            return True
        if asked.verb in _WRITE and resource in _NODE_EVENTS:
            return True
        if asked.verb == "create" and resource in _NODE_CREATES:
            return True
        rule = self._rules.get(resource)
        return rule is not None and rule(node, asked)

    def _own_node(self, node: str, asked: Attributes) -> bool:
        if asked.verb == "create":
            return asked.name in ("", node) and not asked.subresource
        return asked.name == node and asked.verb in _WRITE and asked.subresource in ("", "status")

    def _own_volumes(self, node: str, asked: Attributes) -> bool:
        """Those that lie on the node it lets go of itself."""
        if asked.verb not in ("update", "delete") or asked.subresource:
            return False
        volume = self._objects.get(PersistentVolume, asked.name)
        return volume is not None and volume.metadata.labels.get(NODE_LABEL) == node

    def _own_pods(self, node: str, asked: Attributes) -> bool:
        if asked.verb in ("list", "watch") and not asked.subresource:
            return _pinned(asked.field_selector, "spec.nodeName") == node
        if asked.verb == "create" and not asked.subresource:
            return True  # What pods it may make, `node_restriction` says.
        if (asked.verb, asked.subresource) not in _OF_OWN_PODS:
            return False
        pod = self._objects.get(Pod, asked.name, asked.namespace)
        return pod is None or pod.spec.node_name == node

    def _referred(self, node: str, asked: Attributes) -> bool:
        if asked.verb not in _READ or asked.subresource:
            return False
        name = asked.name or _pinned(asked.field_selector, "metadata.name")
        pods = (pod for pod in self._objects.pods_on(node) if pod.metadata.namespace == asked.namespace)
        return bool(name) and any(name in references(pod, asked.resource) for pod in pods)

    def _accounts(self, node: str, asked: Attributes) -> bool:
        pods = (pod for pod in self._objects.pods_on(node) if pod.metadata.namespace == asked.namespace)
        wanted = (asked.verb, asked.subresource) in (("get", ""), ("create", "token"))
        return wanted and any(pod.spec.service_account_name == asked.name for pod in pods)

    def _own_lease(self, node: str, asked: Attributes) -> bool:
        if asked.namespace != "kube-node-lease":
            return False
        return asked.verb == "create" or (asked.name == node and asked.verb in ("get", "update", "patch", "delete"))


def _requests(_node: str, asked: Attributes) -> bool:
    return asked.verb in ("create", "get", "list", "watch") and not asked.subresource


def references(pod: Pod, resource: str) -> set[str]:
    """Return the names of the Secrets or ConfigMaps that a pod uses. resource: "secrets" or "configmaps"."""
    spec = pod.spec
    found = set(_in_volumes(spec.volumes, resource))
    for container in (*spec.init_containers, *spec.containers):
        found.update(_in_environment(container.env_from, container.env, resource))
    for debugger in spec.ephemeral_containers:
        found.update(_in_environment(debugger.env_from, debugger.env, resource))
    if resource == "secrets":
        found.update(reference.name for reference in spec.image_pull_secrets)
    return found


def _in_volumes(volumes: Iterable[Volume], resource: str) -> Iterator[str]:
    for volume in volumes:
        if resource == "secrets" and volume.secret:
            yield volume.secret.secret_name
        if resource == "configmaps" and volume.config_map:
            yield volume.config_map.name
        for source in volume.projected.sources if volume.projected else ():
            part = source.secret if resource == "secrets" else source.config_map
            if part:
                yield part.name


def _in_environment(sources: Iterable[EnvFromSource], variables: Iterable[EnvVar], resource: str) -> Iterator[str]:
    for source in sources:
        whole = source.secret_ref if resource == "secrets" else source.config_map_ref
        if whole:
            yield whole.name
    for variable in variables:
        origin = variable.value_from
        if origin:
            key = origin.secret_key_ref if resource == "secrets" else origin.config_map_key_ref
            if key:
                yield key.name


def _pinned(field_selector: str, field: str) -> str:
    try:
        return parse_field_selector(field_selector).required(field) or ""
    except SelectorError:
        return ""


def _is_below(path: str, roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(root + "/") for root in roots)


def refusal(asked: Attributes, kind: Kind | None) -> ApiError:
    """Return the 403 for something that nobody allowed, in Kubernetes' words."""
    who = f'User "{asked.user.name}" cannot {asked.verb}'
    if asked.path:
        return forbidden(None, "", f'forbidden: {who} path "{asked.path}"')
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    what = f'{who} resource "{resource}" in API group "{asked.group}" {where}'
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    named = f'{qualified} "{asked.name}"' if asked.name else qualified
    return forbidden(kind, asked.name, f"{named} is forbidden: {what}")


def permits(authorizers: Iterable[Authorizer], asked: Attributes) -> bool:
    """Say whether any authorizer allows what is asked."""
    return any(authorizer.allows(asked) for authorizer in authorizers)
