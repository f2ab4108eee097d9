"""What must hold of a pod's spec, for pods and for the templates that carry one.

Source: kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1
"""

from typing import Final

from kube import names
from kube.api.core_v1 import PodDNSConfig, PodSpec, PodTemplateSpec
from kube.errors import forbidden_field, invalid, required, too_many

from .checks import Errors, ip, named, named_if_set, not_negative, one_of
from .containers import containers_errors
from .metadata import template_metadata_errors
from .placement import deadline_errors, placement_errors
from .resources import amounts_errors, resource_errors
from .security import pod_security_errors
from .volumes import volumes_errors

RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")
DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_NAMESERVERS_MAX: Final = 3
_SEARCHES_MAX: Final = 32
_PREEMPTION_POLICIES: Final = ("PreemptLowerPriority", "Never")


def pod_spec_errors(spec: PodSpec, path: str) -> Errors:
    """Check a pod's spec; every error of it is told at once."""
    if spec.volumes:
        yield from volumes_errors(spec.volumes, f"{path}.volumes")
    yield from containers_errors(spec, path)
    yield from one_of(f"{path}.restartPolicy", spec.restart_policy, RESTART_POLICIES)
    yield from one_of(f"{path}.dnsPolicy", spec.dns_policy, DNS_POLICIES)
    yield from placement_errors(spec, path)
    yield from pod_security_errors(spec, path)
    yield from _name_errors(spec, path)
    if spec.dns_config is not None or spec.dns_policy == "None":
        yield from _dns_errors(spec.dns_config or PodDNSConfig(), spec.dns_policy, f"{path}.dnsConfig")
    grace_s = spec.termination_grace_period_seconds
    if grace_s is not None and grace_s < 0:
        yield from not_negative(f"{path}.terminationGracePeriodSeconds", grace_s)
    yield from deadline_errors(spec.active_deadline_seconds, f"{path}.activeDeadlineSeconds")
    if spec.preemption_policy:
        yield from one_of(f"{path}.preemptionPolicy", spec.preemption_policy, _PREEMPTION_POLICIES)
    if spec.overhead:
        yield from amounts_errors(spec.overhead, f"{path}.overhead")
    if spec.resources is not None:
        yield from resource_errors(spec.resources, f"{path}.resources")


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
    for index, secret in enumerate(spec.image_pull_secrets):
        if not secret.name:
            yield required(f"{path}.imagePullSecrets[{index}].name")
    for index, gate in enumerate(spec.readiness_gates):
        yield from named(f"{path}.readinessGates[{index}].conditionType", gate.condition_type, names.check_label_key)
    for index, alias in enumerate(spec.host_aliases):
        yield from ip(f"{path}.hostAliases[{index}].ip", alias.ip)
        for place, hostname in enumerate(alias.hostnames):
            yield from named(f"{path}.hostAliases[{index}].hostnames[{place}]", hostname, names.check_dns_subdomain)


def _dns_errors(config: PodDNSConfig, policy: str, path: str) -> Errors:
    if policy == "None" and not config.nameservers:
        yield required(f"{path}.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None")
    if len(config.nameservers) > _NAMESERVERS_MAX:
        yield too_many(f"{path}.nameservers", len(config.nameservers), _NAMESERVERS_MAX)
    for index, server in enumerate(config.nameservers):
        yield from ip(f"{path}.nameservers[{index}]", server)
    if len(config.searches) > _SEARCHES_MAX:
        yield too_many(f"{path}.searches", len(config.searches), _SEARCHES_MAX)
    for index, option in enumerate(config.options):
        if not option.name:
            yield required(f"{path}.options[{index}]", "must not be empty")


def template_errors(template: PodTemplateSpec, path: str) -> Errors:
    """Check a pod template by itself; whether its owner's selector finds it is the owner's to check."""
    yield from template_metadata_errors(template.metadata, f"{path}.metadata")
    yield from pod_spec_errors(template.spec, f"{path}.spec")
    if template.spec.ephemeral_containers:
        yield forbidden_field(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def always_restarting_errors(template: PodTemplateSpec, path: str) -> Errors:
    """Check that the pods of a template run for ever, as those of a Deployment must."""
    policy = template.spec.restart_policy
    if policy != "Always":
        yield from one_of(f"{path}.spec.restartPolicy", policy, ("Always",))
    if template.spec.active_deadline_seconds is not None:
        yield forbidden_field(
            f"{path}.spec.activeDeadlineSeconds", "activeDeadlineSeconds in this type is not supported"
        )


def unselected_error(labels: object, path: str) -> Errors:
    """Say that a selector does not find its own template."""
    yield invalid(f"{path}.metadata.labels", labels, "`selector` does not match template `labels`")
