"""What must hold of a pod's spec, for pods and for the templates that carry one.

Source: kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1
"""

from collections.abc import Mapping
from typing import Final

from kube import names
from kube.api.core_v1 import PodDNSConfig, PodResourceClaim, PodSpec, PodTemplateSpec, ResourceRequirements
from kube.errors import duplicate, forbidden_field, invalid, not_supported, required, too_long, too_many

from .checks import Errors, fits, fits_if_given, ip, named, named_if_set, one_of
from .containers import containers_errors, ephemeral_containers_errors
from .metadata import template_metadata_errors
from .placement import deadline_errors, placement_errors
from .resources import pod_level_errors, resource_errors
from .security import pod_security_errors
from .volumes import check_volumes

RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")
DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
SYSTEMS: Final = ("linux", "windows")
_HOSTNAME_MAX: Final = 64
_NAMESERVERS_MAX: Final = 3
_SEARCHES_MAX: Final = 32
_PREEMPTION_POLICIES: Final = ("PreemptLowerPriority", "Never")


def pod_spec_errors(spec: PodSpec, path: str) -> Errors:
    """Check a pod's spec; every error of it is told at once."""
    wrong, volumes = check_volumes(spec.volumes, f"{path}.volumes")
    yield from wrong
    yield from containers_errors(spec, volumes, path)
    yield from one_of(f"{path}.restartPolicy", spec.restart_policy, RESTART_POLICIES)
    yield from one_of(f"{path}.dnsPolicy", spec.dns_policy, DNS_POLICIES)
    yield from placement_errors(spec, path)
    yield from pod_security_errors(spec, path)
    yield from _name_errors(spec, path)
    if spec.dns_config is not None:
        yield from _dns_errors(spec.dns_config, spec.dns_policy, f"{path}.dnsConfig")
    elif spec.dns_policy == "None":
        yield required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
    yield from deadline_errors(spec.active_deadline_seconds, f"{path}.activeDeadlineSeconds")
    if spec.preemption_policy is not None:
        yield from one_of(f"{path}.preemptionPolicy", spec.preemption_policy, _PREEMPTION_POLICIES)
    if spec.overhead:
        yield from resource_errors(ResourceRequirements(limits=spec.overhead), f"{path}.overhead")
    if spec.os is not None:
        yield from _os_errors(spec, path)
    if spec.resource_claims:
        yield from _claims_errors(spec.resource_claims, f"{path}.resourceClaims")
    yield from pod_level_errors(spec, f"{path}.resources")


def _os_errors(spec: PodSpec, path: str) -> Errors:
    if spec.os is None or not spec.os.name:
        yield required(f"{path}.os.name")
    elif spec.os.name not in SYSTEMS:
        yield not_supported(f"{path}.os", spec.os.name, SYSTEMS)
    elif spec.os.name == "linux":
        detail = "windows options cannot be set for a linux pod"
        if spec.security_context is not None and spec.security_context.windows_options is not None:
            yield forbidden_field(f"{path}.securityContext.windowsOptions", detail)
        for field, group in (("initContainers", spec.init_containers), ("containers", spec.containers)):
            for index, container in enumerate(group):
                if container.security_context is not None and container.security_context.windows_options is not None:
                    yield forbidden_field(f"{path}.{field}[{index}].securityContext.windowsOptions", detail)


def _claims_errors(claims: tuple[PodResourceClaim, ...], path: str) -> Errors:
    """Check which devices the pod as a whole wants to have."""
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        here = f"{path}[{index}]"
        yield from named(f"{here}.name", claim.name, names.check_dns_label)
        if claim.name in seen:
            yield duplicate(f"{here}.name", claim.name)
        seen.add(claim.name)
        found = (claim.resource_claim_name, claim.resource_claim_template_name)
        both = "`resourceClaimName`, `resourceClaimTemplateName`"
        if found == (None, None):
            yield invalid(here, claim, f"must specify one of: {both}")
        elif None not in found:
            yield invalid(here, claim, f"at most one of {both} may be specified")
        for field, name in zip(("resourceClaimName", "resourceClaimTemplateName"), found, strict=True):
            yield from fits_if_given(f"{here}.{field}", name, names.check_dns_subdomain)


def _name_errors(spec: PodSpec, path: str) -> Errors:
    """Check the names by which a pod refers to others and is known itself."""
    for field, value, check in (
        ("nodeName", spec.node_name, names.check_dns_subdomain),
        ("serviceAccountName", spec.service_account_name, names.check_dns_subdomain),
        ("priorityClassName", spec.priority_class_name, names.check_dns_subdomain),
        ("runtimeClassName", spec.runtime_class_name, names.check_dns_subdomain),
        ("hostname", spec.hostname, names.check_dns_label),
        ("subdomain", spec.subdomain, names.check_dns_label),
    ):
        if value:
            yield from named_if_set(f"{path}.{field}", value, check)
    if spec.runtime_class_name == "":
        yield from fits(f"{path}.runtimeClassName", "", names.check_dns_subdomain)
    if spec.hostname_override is not None:
        yield from _override_errors(spec, f"{path}.hostnameOverride")
    for index, gate in enumerate(spec.readiness_gates):
        yield from fits(f"{path}.readinessGates[{index}].conditionType", gate.condition_type, names.check_label_key)
    for index, alias in enumerate(spec.host_aliases):
        yield from ip(f"{path}.hostAliases[{index}].ip", alias.ip)
        for place, hostname in enumerate(alias.hostnames):
            yield from fits(f"{path}.hostAliases[{index}].hostnames[{place}]", hostname, names.check_dns_subdomain)


def _override_errors(spec: PodSpec, path: str) -> Errors:
    """Check the name by which a pod knows itself whatever it is called elsewhere."""
    name = spec.hostname_override or ""
    yield from fits(path, name, names.check_dns_subdomain)
    if len(name) > _HOSTNAME_MAX:
        yield too_long(path, _HOSTNAME_MAX)
    if spec.set_hostname_as_fqdn:
        yield forbidden_field(path, "may not be specified when setHostnameAsFQDN is true")
    if spec.host_network:
        yield forbidden_field(path, "may not be specified when hostNetwork is true")


def _dns_errors(config: PodDNSConfig, policy: str, path: str) -> Errors:
    if policy == "None" and not config.nameservers:
        yield required(f"{path}.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None")
    if len(config.nameservers) > _NAMESERVERS_MAX:
        yield too_many(f"{path}.nameservers", len(config.nameservers), _NAMESERVERS_MAX)
    for index, server in enumerate(config.nameservers):
        yield from ip(f"{path}.nameservers[{index}]", server)
    if len(config.searches) > _SEARCHES_MAX:
        yield too_many(f"{path}.searches", len(config.searches), _SEARCHES_MAX)
    for index, search in enumerate(config.searches):
        if search != ".":
            for problem in names.check_search_domain(search.removesuffix(".")):
                yield invalid(f"{path}.searches[{index}]", search, problem)
    for index, option in enumerate(config.options):
        if not option.name:
            yield required(f"{path}.options[{index}]", "must not be empty")


def template_errors(template: PodTemplateSpec, path: str) -> Errors:
    """Check a pod template by itself; whether its owner's selector finds it is the owner's to check."""
    yield from template_metadata_errors(template.metadata, path)
    yield from pod_spec_errors(template.spec, f"{path}.spec")
    yield from ephemeral_containers_errors(template.spec, f"{path}.spec")
    if template.spec.ephemeral_containers:
        yield forbidden_field(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def always_restarting_errors(template: PodTemplateSpec, path: str, kind: str = "ReplicaSet") -> Errors:
    """Check that the pods of a template run for ever, as those of a Deployment must. kind: whose template it is."""
    policy = template.spec.restart_policy
    if policy != "Always":
        yield from one_of(f"{path}.spec.restartPolicy", policy, ("Always",))
    if template.spec.active_deadline_seconds is not None:
        yield forbidden_field(f"{path}.spec.activeDeadlineSeconds", f"activeDeadlineSeconds in {kind} is not Supported")


def unselected_error(labels: Mapping[str, str], path: str) -> Errors:
    """Say that a selector does not find its own template."""
    yield invalid(f"{path}.metadata.labels", labels or None, "`selector` does not match template `labels`")
