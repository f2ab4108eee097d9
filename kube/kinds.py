"""The table of kinds: what the API serves, told once.

Routes, discovery, caches, tables and the command line all read it. `docs/adding-a-kind.md` is the list of what else a
new kind needs.
Source: the resources that Kubernetes 1.36 serves by default, and those of metrics-server.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Final, Protocol

from kube.api.meta_v1 import ObjectMeta

ALL_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CREATE_ONLY: Final = ("create",)
READ_ONLY: Final = ("get", "list")
NOT_TOGETHER: Final = tuple(verb for verb in ALL_VERBS if verb != "deletecollection")


class Resource(Protocol):
    """What every stored object has: the common face of a Pod, a Service or any other kind."""

    @property
    def api_version(self) -> str:
        """Group and version: "v1", "apps/v1"."""

    @property
    def kind(self) -> str:
        """The kind's name: "Pod"."""

    @property
    def metadata(self) -> ObjectMeta:
        """Name, namespace, labels and the rest that all kinds share."""


@dataclass(frozen=True)
class Subresource:
    """A door beside the object's own: which kind goes through it, with which verbs.

    kind: a "*" in it stands for the parent's. group, version: "" for the parent's own.
    """

    name: str
    verbs: tuple[str, ...]
    kind: str = "*"
    group: str = ""
    version: str = ""


_WRITABLE: Final = ("get", "patch", "update")
_PROXIED: Final = ("create", "delete", "get", "patch", "update")

_SUBRESOURCES: Final[Mapping[str, Subresource]] = {
    subresource.name: subresource
    for subresource in (
        Subresource("approval", _WRITABLE),
        Subresource("attach", ("create", "get"), "PodAttachOptions"),
        Subresource("binding", ("create",), "Binding"),
        Subresource("ephemeralcontainers", _WRITABLE),
        Subresource("eviction", ("create",), "Eviction", "policy", "v1"),
        Subresource("exec", ("create", "get"), "PodExecOptions"),
        Subresource("finalize", ("update",)),
        Subresource("log", ("get",)),
        Subresource("portforward", ("create", "get"), "PodPortForwardOptions"),
        Subresource("proxy", _PROXIED, "*ProxyOptions"),
        Subresource("resize", _WRITABLE),
        Subresource("scale", _WRITABLE, "Scale", "autoscaling", "v1"),
        Subresource("status", _WRITABLE),
        Subresource("token", ("create",), "TokenRequest", "authentication.k8s.io", "v1"),
    )
}


@dataclass(frozen=True)
class Kind:
    """One kind of object and the names it goes by.

    group: "" for the core group. plural: the name in paths. subresources: names, see `subresource`. deprecated: since
    when it should not be used, and what instead; "" for most.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()
    deprecated: str = ""

    def __hash__(self) -> int:
        """Return what look-ups by kind ask for several times per request; it is worked out once."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.group, self.version, self.kind, self.plural))

    @property
    def singular(self) -> str:
        """The name for one, as the command line takes it."""
        return self.kind.lower()

    @cached_property
    def api_version(self) -> str:
        """Group and version as objects carry them: "v1", "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def resource(self) -> str:
        """Plural and group as error messages have it: "pods", "deployments.apps"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def root(self) -> str:
        """The path above the resource: "/api/v1", "/apis/apps/v1"."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    @cached_property
    def type(self) -> type[Resource]:
        """The class of its objects, imported at first use."""
        module = import_module(f"kube.api.{module_name(self.group, self.version)}")
        found: type[Resource] = getattr(module, self.kind)
        return found

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of a collection (no name), an object, or a subresource of it."""
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)

    def subresource(self, name: str) -> Subresource | None:
        """Return the subresource called `name`, None where this kind has none of that name."""
        if name not in self.subresources:
            return None
        found = _SUBRESOURCES[name]
        return replace(found, kind=found.kind.replace("*", self.kind))


def module_name(group: str, version: str) -> str:
    """Return the module below kube.api that holds a group version: "core_v1", "networking_v1"."""
    return f"{(group or 'core').split('.')[0]}_{version}"


# A kind is a line.
# fmt: off
KINDS: Final[tuple[Kind, ...]] = (
    Kind("", "v1", "Binding", "bindings", verbs=CREATE_ONLY),
    Kind("", "v1", "ComponentStatus", "componentstatuses", namespaced=False, short_names=("cs",), verbs=READ_ONLY,
         deprecated="v1.19+"),
    Kind("", "v1", "ConfigMap", "configmaps", short_names=("cm",)),
    Kind("", "v1", "Endpoints", "endpoints", short_names=("ep",),
         deprecated="v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
    Kind("", "v1", "Event", "events", short_names=("ev",)),
    Kind("", "v1", "LimitRange", "limitranges", short_names=("limits",)),
    Kind("", "v1", "Namespace", "namespaces", namespaced=False, short_names=("ns",), verbs=NOT_TOGETHER,
         subresources=("finalize", "status")),
    Kind("", "v1", "Node", "nodes", namespaced=False, short_names=("no",), subresources=("proxy", "status")),
    Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", short_names=("pvc",), subresources=("status",)),
    Kind("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False, short_names=("pv",),
         subresources=("status",)),
    Kind("", "v1", "Pod", "pods", short_names=("po",), categories=("all",),
         subresources=("attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy",
         "resize", "status")),
    Kind("", "v1", "PodTemplate", "podtemplates"),
    Kind("", "v1", "ReplicationController", "replicationcontrollers", short_names=("rc",), categories=("all",),
         subresources=("scale", "status")),
    Kind("", "v1", "ResourceQuota", "resourcequotas", short_names=("quota",), subresources=("status",)),
    Kind("", "v1", "Secret", "secrets"),
    Kind("", "v1", "ServiceAccount", "serviceaccounts", short_names=("sa",), subresources=("token",)),
    Kind("", "v1", "Service", "services", short_names=("svc",), categories=("all",),
         subresources=("proxy", "status")),
    Kind("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicy", "mutatingadmissionpolicies",
         namespaced=False, categories=("api-extensions",)),
    Kind("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings",
         namespaced=False, categories=("api-extensions",)),
    Kind("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations",
         namespaced=False, categories=("api-extensions",)),
    Kind("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies",
         namespaced=False, categories=("api-extensions",),
         subresources=("status",)),
    Kind("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding",
         "validatingadmissionpolicybindings", namespaced=False, categories=("api-extensions",)),
    Kind("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations",
         namespaced=False, categories=("api-extensions",)),
    Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False,
         short_names=("crd", "crds"), categories=("api-extensions",),
         subresources=("status",)),
    Kind("apiregistration.k8s.io", "v1", "APIService", "apiservices", namespaced=False,
         categories=("api-extensions",),
         subresources=("status",)),
    Kind("apps", "v1", "ControllerRevision", "controllerrevisions"),
    Kind("apps", "v1", "DaemonSet", "daemonsets", short_names=("ds",), categories=("all",), subresources=("status",)),
    Kind("apps", "v1", "Deployment", "deployments", short_names=("deploy",), categories=("all",),
         subresources=("scale", "status")),
    Kind("apps", "v1", "ReplicaSet", "replicasets", short_names=("rs",), categories=("all",),
         subresources=("scale", "status")),
    Kind("apps", "v1", "StatefulSet", "statefulsets", short_names=("sts",), categories=("all",),
         subresources=("scale", "status")),
    Kind("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False,
         verbs=CREATE_ONLY),
    Kind("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", namespaced=False, verbs=CREATE_ONLY),
    Kind("authorization.k8s.io", "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews", verbs=CREATE_ONLY),
    Kind("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False,
         verbs=CREATE_ONLY),
    Kind("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", namespaced=False,
         verbs=CREATE_ONLY),
    Kind("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False,
         verbs=CREATE_ONLY),
    Kind("autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", short_names=("hpa",),
         categories=("all",),
         subresources=("status",)),
    Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", short_names=("hpa",),
         categories=("all",),
         subresources=("status",)),
    Kind("batch", "v1", "CronJob", "cronjobs", short_names=("cj",), categories=("all",), subresources=("status",)),
    Kind("batch", "v1", "Job", "jobs", categories=("all",), subresources=("status",)),
    Kind("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests", namespaced=False,
         short_names=("csr",),
         subresources=("approval", "status")),
    Kind("coordination.k8s.io", "v1", "Lease", "leases"),
    Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    Kind("events.k8s.io", "v1", "Event", "events", short_names=("ev",)),
    Kind("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", "flowschemas", namespaced=False,
         subresources=("status",)),
    Kind("flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations",
         namespaced=False,
         subresources=("status",)),
    Kind("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", namespaced=False, verbs=READ_ONLY),
    Kind("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", verbs=READ_ONLY),
    Kind("networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False),
    Kind("networking.k8s.io", "v1", "Ingress", "ingresses", short_names=("ing",), subresources=("status",)),
    Kind("networking.k8s.io", "v1", "IPAddress", "ipaddresses", namespaced=False, short_names=("ip",)),
    Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", short_names=("netpol",)),
    Kind("networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs", namespaced=False, subresources=("status",)),
    Kind("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", namespaced=False),
    Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", short_names=("pdb",),
         subresources=("status",)),
    Kind("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False),
    Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    Kind("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    Kind("resource.k8s.io", "v1", "DeviceClass", "deviceclasses", namespaced=False),
    Kind("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims", subresources=("status",)),
    Kind("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates"),
    Kind("resource.k8s.io", "v1", "ResourceSlice", "resourceslices", namespaced=False),
    Kind("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", namespaced=False, short_names=("pc",)),
    Kind("storage.k8s.io", "v1", "CSIDriver", "csidrivers", namespaced=False),
    Kind("storage.k8s.io", "v1", "CSINode", "csinodes", namespaced=False),
    Kind("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities"),
    Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False, short_names=("sc",)),
    Kind("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", namespaced=False, subresources=("status",)),
    Kind("storage.k8s.io", "v1", "VolumeAttributesClass", "volumeattributesclasses", namespaced=False,
         short_names=("vac",)),
)
# fmt: on

_BY_NAME: Final = {(kind.api_version, kind.kind): kind for kind in KINDS}
_BY_PLURAL: Final = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}


def find_kind(api_version: str, kind: str) -> Kind | None:
    """Return the kind that an object's apiVersion and kind name, None where it isn't served."""
    return _BY_NAME.get((api_version, kind))


def find_resource(group: str, version: str, plural: str) -> Kind | None:
    """Return the kind at a path, None where it isn't served."""
    return _BY_PLURAL.get((group, version, plural))


@lru_cache(maxsize=512)
def kind_of(cls: type[Resource]) -> Kind:
    """Return the kind whose objects are `cls`. Raises LookupError for a type that is not stored."""
    for kind in KINDS:
        if kind.kind == cls.__name__ and cls.__module__ == f"kube.api.{module_name(kind.group, kind.version)}":
            return kind
    raise LookupError(f"{cls.__module__}.{cls.__name__}: is not a kind that the API serves; see kube.kinds.KINDS")


def find_kinds(word: str) -> tuple[Kind, ...]:
    """Return the kinds that a person may mean by `word`: plural, singular, kind, short name, category, "name.group".

    Word is matched without regard to case; preferred kinds come first (the core group before others, newer versions
    before older ones of the same group).
    """
    name, _, group = word.lower().partition(".")
    found = [
        kind
        for kind in KINDS
        if name in {kind.plural, kind.singular, *kind.short_names} and (not group or kind.group == group)
    ]
    if found:
        return tuple(sorted(found, key=lambda kind: (kind.group != "", [-ord(letter) for letter in kind.version])))[:1]
    return tuple(kind for kind in KINDS if name in kind.categories)
