"""The rules of what a node's agent says of its pods: what ended stays so, and addresses are addresses.

Source: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, .../kubernetes-api/workload-resources/pod-v1
"""

from collections.abc import Sequence

from kube import names
from kube.api.core_v1 import Pod, PodSpec, PodStatus
from kube.errors import forbidden_field, invalid

from .checks import Errors, fits, ip


def pod_status_errors(new: Pod, old: Pod) -> Errors:
    """Check a pod's new status; what it says of addresses and conditions only where that changed."""
    yield from _restart_errors(new, old)
    status, before = new.status, old.status
    if status.qos_class != before.qos_class and before.qos_class:
        yield invalid("status.qosClass", status.qos_class, "field is immutable")
    if status.observed_generation < 0:
        yield invalid("status.observedGeneration", status.observed_generation, "must be a non-negative integer")
    if status.conditions != before.conditions:
        for index, condition in enumerate(status.conditions):
            yield from fits(f"status.conditions[{index}].Type", condition.type, names.check_label_key)
    if (status.pod_ip, status.pod_ips) != (before.pod_ip, before.pod_ips):
        yield from _addresses_errors(_pod_addresses(status), "status.podIPs", "IP")
    if (status.host_ip, status.host_ips) != (before.host_ip, before.host_ips):
        yield from _host_errors(status)


def _pod_addresses(status: PodStatus) -> list[str]:
    """Return the addresses of a pod; where the older field says another than the first, it is the one that counts."""
    listed = [entry.ip for entry in status.pod_ips]
    return [status.pod_ip] if status.pod_ip and listed[:1] != [status.pod_ip] else listed


def _host_errors(status: PodStatus) -> Errors:
    listed = [entry.ip for entry in status.host_ips]
    if listed and listed[0] != status.host_ip:
        yield invalid("status.hostIPs[0].ip", listed[0], "must be equal to `hostIP`")
    yield from _addresses_errors(listed, "status.hostIPs", "IP")


def _addresses_errors(addresses: Sequence[str], path: str, field: str) -> Errors:
    """Check that addresses are some, and one at most of each family."""
    wrong = [error for index, address in enumerate(addresses) for error in ip(f"{path}[{index}]", address)]
    yield from wrong
    families = [":" in address for address in addresses]
    if not wrong and len(families) != len(set(families)):
        shown = [{field: address} for address in addresses]
        yield invalid(path, shown, "may specify no more than one IP for each IP family")


def _restart_errors(new: Pod, old: Pod) -> Errors:
    """Check that no container that ended for good comes back."""
    if old.spec.restart_policy == "Always" or _may_restart_all(old.spec):
        return
    own_policies = {container.name for container in old.spec.containers if container.restart_policy}
    now = {status.name: status for status in new.status.container_statuses}
    for index, status in enumerate(old.status.container_statuses):
        ended = status.state.terminated
        if ended is None or status.name in own_policies:
            continue
        if ended.exit_code != 0 and old.spec.restart_policy == "OnFailure":
            continue
        found = now.get(status.name)
        if found is not None and found.state.terminated is None:
            detail = "may not be transitioned to non-terminated state"
            yield forbidden_field(f"status.containerStatuses[{index}].state", detail)


def _may_restart_all(spec: PodSpec) -> bool:
    """Say whether a container of a pod may have all of them start anew."""
    containers = (*spec.init_containers, *spec.containers)
    return any(rule.action == "RestartAllContainers" for one in containers for rule in one.restart_policy_rules)
