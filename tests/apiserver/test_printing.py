"""Rows of tables, as `kubectl get` shows them."""

import pytest

from apiserver import printing
from kube.api.admissionregistration_v1 import MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding
from kube.api.apps_v1 import Deployment
from kube.api.batch_v1 import Job, JobStatus
from kube.api.core_v1 import ConfigMap, Endpoints, Event, Node, PersistentVolume, Pod, Service
from kube.api.discovery_v1 import EndpointSlice
from kube.api.rbac_v1 import Role
from kube.kinds import Resource, kind_of
from tests.apiserver.material import NOW, parsed

BORN = "creationTimestamp: '2026-01-02T03:02:05Z'"


def shown(obj: Resource) -> dict[str, object]:
    """Return an object's cells by the names of their columns."""
    kind = kind_of(type(obj))
    names = [column.name for column in printing.columns(kind)]
    return dict(zip(names, printing.row(kind, obj, NOW), strict=True))


def pod(spec: str, status: str, meta: str = "") -> dict[str, object]:
    return shown(parsed(Pod, f"{{metadata: {{name: web, {BORN}{meta}}}, spec: {{{spec}}}, status: {{{status}}}}}"))


TWO = "containers: [{name: a, image: x}, {name: b, image: x}]"
RUNS = "ready: true, state: {running: {}}"


def test_a_running_pod_says_how_many_of_its_containers_are_ready() -> None:
    row = pod(
        f"nodeName: n1, {TWO}",
        "phase: Running, podIP: 10.0.0.7,"
        f" containerStatuses: [{{name: a, {RUNS}}}, {{name: b, state: {{running: {{}}}}}}]",
    )

    assert row == {
        "Name": "web",
        "Ready": "1/2",
        "Status": "Running",
        "Restarts": "0",
        "Age": "2m",
        "IP": "10.0.0.7",
        "Node": "n1",
        "Nominated Node": "<none>",
        "Readiness Gates": "<none>",
    }


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("phase: Pending", "Pending"),
        ("phase: Failed, reason: Evicted", "Evicted"),
        (
            "phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: SchedulingGated}]",
            "SchedulingGated",
        ),
        (
            "phase: Running, containerStatuses: [{name: a, state: {waiting: {reason: CrashLoopBackOff}}}]",
            "CrashLoopBackOff",
        ),
        ("phase: Succeeded, containerStatuses: [{name: a, state: {terminated: {reason: Completed}}}]", "Completed"),
        ("phase: Failed, containerStatuses: [{name: a, state: {terminated: {exitCode: 3}}}]", "ExitCode:3"),
        ("phase: Failed, containerStatuses: [{name: a, state: {terminated: {signal: 9}}}]", "Signal:9"),
        (
            "phase: Running, conditions: [{type: Ready, status: 'True'}], containerStatuses:"
            f" [{{name: a, state: {{terminated: {{reason: Completed}}}}}}, {{name: b, {RUNS}}}]",
            "Running",
        ),
    ],
)
def test_a_pods_status_is_the_word_that_tells_most(status: str, word: str) -> None:
    assert pod(TWO, status)["Status"] == word


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("{waiting: {reason: PodInitializing}}", "Init:1/2"),
        ("{waiting: {reason: ImagePullBackOff}}", "Init:ImagePullBackOff"),
        ("{terminated: {exitCode: 1, reason: Error}}", "Init:Error"),
        ("{terminated: {exitCode: 2}}", "Init:ExitCode:2"),
        ("{running: {}}", "Init:1/2"),
    ],
)
def test_a_pod_that_is_being_initialized_says_how_far_it_is(state: str, word: str) -> None:
    spec = f"initContainers: [{{name: i, image: x}}, {{name: j, image: x}}], {TWO}"
    done = "{name: i, state: {terminated: {exitCode: 0, reason: Completed}}}"

    row = pod(spec, f"phase: Pending, initContainerStatuses: [{done}, {{name: j, state: {state}}}]")

    assert row["Status"] == word


def test_a_sidecar_counts_as_a_container_of_its_pod() -> None:
    spec = f"initContainers: [{{name: s, image: x, restartPolicy: Always}}], {TWO}"
    side = f"{{name: s, started: true, restartCount: 2, {RUNS}}}"
    main = f"{{name: a, {RUNS}}}, {{name: b, {RUNS}}}"

    row = pod(spec, f"phase: Running, initContainerStatuses: [{side}], containerStatuses: [{main}]")

    assert (row["Ready"], row["Status"], row["Restarts"]) == ("3/3", "Running", "2")


def test_restarts_say_when_the_last_one_was() -> None:
    ended = "lastState: {terminated: {finishedAt: '2026-01-02T03:03:50Z'}}"

    row = pod(TWO, f"phase: Running, containerStatuses: [{{name: a, restartCount: 3, {ended}, {RUNS}}}]")

    assert row["Restarts"] == "3 (15s ago)"


def test_a_pod_that_is_deleted_is_terminating_until_it_has_ended() -> None:
    gone = ", deletionTimestamp: '2026-01-02T03:04:00Z'"

    assert pod(TWO, "phase: Running", gone)["Status"] == "Terminating"
    assert pod(TWO, "phase: Succeeded", gone)["Status"] == "Succeeded"


@pytest.mark.parametrize(
    ("spec", "status", "outside", "ports"),
    [
        ("{type: ClusterIP, ports: [{port: 80, protocol: TCP}]}", "{}", "<none>", "80/TCP"),
        ("{type: NodePort, ports: [{port: 53, nodePort: 30053, protocol: UDP}]}", "{}", "<none>", "53:30053/UDP"),
        ("{type: ExternalName, externalName: x.org}", "{}", "x.org", "<none>"),
        ("{type: LoadBalancer, ports: [{port: 80, protocol: TCP}]}", "{}", "<pending>", "80/TCP"),
        ("{type: LoadBalancer}", "{loadBalancer: {ingress: [{ip: 10.1.1.1}]}}", "10.1.1.1", "<none>"),
        ("{type: ClusterIP, externalIPs: [10.2.2.2, 10.2.2.3]}", "{}", "10.2.2.2,10.2.2.3", "<none>"),
    ],
)
def test_a_service_tells_where_it_is_reached(spec: str, status: str, outside: str, ports: str) -> None:
    row = shown(parsed(Service, f"{{metadata: {{name: web}}, spec: {spec}, status: {status}}}"))

    assert (row["External-IP"], row["Port(s)"]) == (outside, ports)


def test_a_node_tells_its_state_and_its_roles() -> None:
    node = parsed(
        Node,
        """
        metadata: {name: n, labels: {node-role.kubernetes.io/worker: "", node-role.kubernetes.io/control-plane: ""}}
        spec: {unschedulable: true}
        status: {conditions: [{type: Ready, status: Unknown}], addresses: [{type: InternalIP, address: 10.0.0.1}]}
        """,
    )

    row = shown(node)

    assert (row["Status"], row["Roles"]) == ("NotReady,SchedulingDisabled", "control-plane,worker")
    assert (row["Internal-IP"], row["External-IP"]) == ("10.0.0.1", "<none>")


def test_a_deployment_tells_ready_pods_against_wanted_ones() -> None:
    row = shown(
        parsed(
            Deployment,
            "{metadata: {name: w}, spec: {replicas: 3, selector: {matchLabels: {a: b}}}, status: {readyReplicas: 2}}",
        )
    )

    assert (row["Ready"], row["Selector"]) == ("2/3", "a=b")


def test_many_endpoints_are_cut_short() -> None:
    addresses = ", ".join(f"{{ip: 10.0.0.{number}}}" for number in range(1, 5))
    text = f"{{subsets: [{{ports: [{{port: 80}}], addresses: [{addresses}]}}]}}"

    assert shown(parsed(Endpoints, text))["Endpoints"] == "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more..."


def test_a_slice_without_endpoints_says_so() -> None:
    assert shown(parsed(EndpointSlice, "{addressType: IPv4}"))["Endpoints"] == "<unset>"


def test_an_event_tells_of_the_latest_time_it_was_seen() -> None:
    event = parsed(
        Event,
        """
        {type: Normal, reason: Started, message: " Started it ", count: 4, involvedObject: {kind: Pod, name: web},
        firstTimestamp: "2026-01-02T03:00:05Z", lastTimestamp: "2026-01-02T03:04:00Z", source: {component: kubelet}}
        """,
    )

    row = shown(event)

    assert (row["Last Seen"], row["First Seen"], row["Count"]) == ("5s", "4m", 4)
    assert (row["Object"], row["Message"], row["Source"]) == ("pod/web", "Started it", "kubelet")


@pytest.mark.parametrize(
    ("status", "word", "done"),
    [
        ("{}", "Running", "0/2"),
        ("{succeeded: 2, conditions: [{type: Complete, status: 'True'}]}", "Complete", "2/2"),
        ("{conditions: [{type: Failed, status: 'True'}]}", "Failed", "0/2"),
        ("{conditions: [{type: Suspended, status: 'True'}]}", "Suspended", "0/2"),
    ],
)
def test_a_job_tells_how_it_goes(status: str, word: str, done: str) -> None:
    row = shown(parsed(Job, f"{{spec: {{completions: 2}}, status: {status}}}"))

    assert (row["Status"], row["Completions"]) == (word, done)


def test_a_volume_tells_its_modes_in_short() -> None:
    row = shown(
        parsed(PersistentVolume, "{spec: {accessModes: [ReadWriteMany, ReadWriteOnce], capacity: {storage: 1Gi}}}")
    )

    assert (row["Access Modes"], row["Capacity"]) == ("RWO,RWX", "1Gi")


def test_config_maps_are_counted_by_all_their_keys() -> None:
    assert shown(parsed(ConfigMap, "{data: {a: b}, binaryData: {c: eA==}}"))["Data"] == 2


def test_a_kind_without_columns_of_its_own_tells_when_it_was_made() -> None:
    assert shown(parsed(Role, f"{{metadata: {{name: r, {BORN}}}}}")) == {
        "Name": "r",
        "Created At": "2026-01-02T03:02:05Z",
    }


def test_columns_for_wide_tables_are_marked_as_such() -> None:
    priorities = {column.name: column.priority for column in printing.columns(kind_of(Pod))}

    assert {name for name, priority in priorities.items() if priority} == {
        "IP",
        "Node",
        "Nominated Node",
        "Readiness Gates",
    }


def test_a_moment_past_the_last_year_does_not_cost_the_table() -> None:
    """One odd event must not keep people from seeing all the others."""
    late = "9999-12-31T23:59:59-14:00"

    assert shown(Event(last_timestamp=late))["Last Seen"] == "<invalid>"
    assert shown(Job(status=JobStatus(start_time=late)))["Duration"] == "<invalid>"


def test_counts_are_numbers_though_their_columns_say_text() -> None:
    """So Kubernetes writes them, and clients sort by them."""
    row = shown(parsed(Deployment, "{spec: {replicas: 3}, status: {updatedReplicas: 2, availableReplicas: 1}}"))

    assert (row["Ready"], row["Up-to-date"], row["Available"]) == ("0/3", 2, 1)


def test_a_node_tells_its_kernel_with_the_machine_it_is_for() -> None:
    info = "{kernelVersion: '5.4', architecture: arm64}"

    assert shown(parsed(Node, f"{{status: {{nodeInfo: {info}}}}}"))["Kernel-Version"] == "5.4 (arm64)"


def test_an_event_without_a_source_tells_who_reports_it() -> None:
    row = shown(parsed(Event, "{reportingComponent: a.example/c, reportingInstance: c-1}"))

    assert row["Source"] == "a.example/c, c-1"


def test_a_service_shows_all_of_its_balancers() -> None:
    ingress = "[{ip: 203.0.113.5}, {hostname: balancer.example}]"
    text = f"{{spec: {{type: LoadBalancer}}, status: {{loadBalancer: {{ingress: {ingress}}}}}}}"

    assert shown(parsed(Service, text))["External-IP"] == "203.0.113.5,balancer.example"


def test_a_policy_of_changes_counts_them() -> None:
    policy = parsed(MutatingAdmissionPolicy, "{spec: {mutations: [{patchType: JSONPatch}], paramKind: {kind: K}}}")
    binding = parsed(MutatingAdmissionPolicyBinding, "{spec: {policyName: p, paramRef: {name: n}}}")

    assert shown(policy)["Mutations"] == 1
    assert (shown(binding)["PolicyName"], shown(binding)["ParamRef"]) == ("p", "*/n")
