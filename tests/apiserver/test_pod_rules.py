"""Pods: what is filled in, what is refused, what may change."""

from time import process_time

import pytest
from msgspec.structs import replace

from apiserver.strategies.pod import qos_class
from apiserver.strategies.pod_admission import TOKEN_PATH
from kube.api.core_v1 import Pod, ServiceAccount, Toleration
from kube.api.meta_v1 import ObjectMeta
from kube.api.node_v1 import RuntimeClass
from kube.api.scheduling_v1 import PriorityClass
from kube.codec import to_plain
from kube.errors import ApiError
from tests.apiserver.material import context, defaulted, parsed, rules_of, told, wrong_changes, wrongs

WEB = """
metadata: {name: web, namespace: default}
spec:
  containers:
  - name: main
    image: nginx:1.27
    ports: [{containerPort: 80, name: http}]
    env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    resources: {limits: {cpu: "1", memory: 64Mi}, requests: {cpu: 100m}}
    readinessProbe: {httpGet: {port: http}}
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data}]
"""
PODS = rules_of(Pod)
ACCOUNT = ServiceAccount(metadata=ObjectMeta(name="default", namespace="default"))


def test_a_plain_pod_gets_the_defaults_of_kubernetes() -> None:
    spec = to_plain(defaulted(Pod, WEB))["spec"]
    main = spec["containers"][0]

    assert {key: spec[key] for key in ("restartPolicy", "dnsPolicy", "schedulerName", "enableServiceLinks")} == {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
    }
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["securityContext"] == {}
    assert spec["volumes"] == [{"name": "data", "emptyDir": {}}]
    assert main["imagePullPolicy"] == "IfNotPresent"
    assert main["ports"] == [{"containerPort": 80, "name": "http", "protocol": "TCP"}]
    assert main["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert main["resources"]["requests"] == {"cpu": "100m", "memory": "64Mi"}
    assert main["readinessProbe"] == {
        "httpGet": {"path": "/", "port": "http", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert main["terminationMessagePolicy"] == "File"


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("localhost:5000/nginx", "Always"),
        ("localhost:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:0123", "IfNotPresent"),
        ("wherry.local/host", "Always"),
    ],
)
def test_an_image_whose_tag_moves_is_always_pulled(image: str, policy: str) -> None:
    pod = defaulted(Pod, f"spec: {{containers: [{{name: main, image: '{image}'}}]}}")

    assert pod.spec.containers[0].image_pull_policy == policy


def test_a_pod_on_the_hosts_network_maps_its_ports_to_themselves() -> None:
    pod = defaulted(Pod, "spec: {hostNetwork: true, containers: [{name: a, image: b, ports: [{containerPort: 80}]}]}")

    assert pod.spec.containers[0].ports[0].host_port == 80


def test_zero_is_a_value_and_not_filled_in() -> None:
    """A grace period of 0 means at once; a default of 30 would keep the pod."""
    pod = defaulted(Pod, "spec: {terminationGracePeriodSeconds: 0, containers: [{name: a, image: b}]}")

    assert pod.spec.termination_grace_period_seconds == 0


def test_a_good_pod_has_nothing_wrong() -> None:
    assert wrongs(parsed(Pod, WEB)) == []


def test_every_error_of_a_pod_is_told_at_once_with_its_path() -> None:
    pod = parsed(
        Pod,
        """
        metadata: {name: Web_1, namespace: default}
        spec:
          restartPolicy: Sometimes
          containers:
          - {name: a, ports: [{containerPort: 99999}], volumeMounts: [{name: gone, mountPath: /x}]}
          - {name: a, image: " x", env: [{name: "a=b"}]}
          volumes: [{name: v, emptyDir: {}, hostPath: {path: /x}}]
          tolerations: [{operator: Equal}]
        """,
    )

    found = wrongs(pod)

    assert [sentence.partition(": ")[0] for sentence in found] == [
        "metadata.name",
        "spec.volumes[0].hostPath",
        "spec.containers[0].image",
        "spec.containers[0].ports[0].containerPort",
        "spec.containers[0].volumeMounts[0].name",
        "spec.containers[1].name",
        "spec.containers[1].image",
        "spec.containers[1].env[0].name",
        "spec.restartPolicy",
        "spec.tolerations[0].operator",
    ]
    assert 'spec.containers[0].volumeMounts[0].name: Not found: "gone"' in found
    assert (
        "spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive"
        in found
    )
    assert (
        'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"' in found
    )


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("containers: []", "spec.containers: Required value"),
        ("containers: [{name: a}]", "spec.containers[0].image: Required value"),
        (
            "containers: [{name: a, image: b, resources: {requests: {cpu: 2}, limits: {cpu: 1}}}]",
            'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            "containers: [{name: a, image: b, livenessProbe: {}}]",
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        ),
        (
            "{initContainers: [{name: i, image: b, livenessProbe: {exec: {command: [x]}}}],"
            " containers: [{name: a, image: b}]}",
            "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without"
            " restartPolicy=Always",
        ),
        (
            "{containers: [{name: a, image: b}], dnsPolicy: None}",
            "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
        ),
        (
            "{containers: [{name: a, image: b, lifecycle: {preStop: {sleep: {seconds: 31}}}}]}",
            "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than"
            " terminationGracePeriodSeconds (30)",
        ),
        (
            "{containers: [{name: a, image: b, resources: {claims: [{name: gpu}]}}]}",
            'spec.containers[0].resources.claims[0]: Not found: "gpu": must be one of the names in'
            " pod.spec.resourceClaims which is empty",
        ),
        (
            "{containers: [{name: a, image: b}], overhead: {cpu: 1, hugepages-2Mi: 3Mi}}",
            'spec.overhead.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer'
            " multiple of hugepages-2Mi",
        ),
        (
            "{containers: [{name: a, image: b}], hostNetwork: true,"
            " securityContext: {sysctls: [{name: net.core.somaxconn, value: '1'}]}}",
            'spec.securityContext.sysctls[0].name: Invalid value: "net.core.somaxconn": may not be specified when'
            " 'hostNetwork' is true",
        ),
        (
            "{containers: [{name: a, image: b}], volumes: [{name: v, projected: {sources: ["
            "{secret: {name: s, items: [{key: k, path: f}]}}, {configMap: {name: c, items: [{key: k, path: f}]}}]}}]}",
            'spec.volumes[0].projected: Invalid value: "c": conflicting duplicate paths',
        ),
        (
            "{containers: [{name: a, image: b}], volumes: [{name: v, ephemeral: {volumeClaimTemplate: {metadata:"
            " {name: mine}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}]}",
            "spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set",
        ),
        (
            "{containers: [{name: a, image: b}], volumes: [{name: v, rbd: {image: x}}]}",
            "spec.volumes[0].rbd.monitors: Required value",
        ),
        (
            "{containers: [{name: a, image: b, env: [{name: E, valueFrom: {fileKeyRef:"
            " {key: K, path: f, volumeName: v}}}]}], volumes: [{name: v, secret: {secretName: s}}]}",
            'spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Invalid value: "v": referenced volume must be'
            " of type emptyDir",
        ),
        (
            "{containers: [{name: a, image: b}], hostUsers: false, hostNetwork: true}",
            "spec.hostNetwork: Forbidden: when `hostUsers` is false",
        ),
        (
            "{hostUsers: false, containers: [{name: a, image: b, volumeDevices: [{name: v, devicePath: /d}]}],"
            " volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]}",
            "spec.containers[0].volumeDevices: Forbidden: when `hostUsers` is false",
        ),
        (
            "{containers: [{name: a, image: b, securityContext: {procMount: Unmasked}}]}",
            'spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use'
            " `Unmasked`",
        ),
        (
            "{containers: [{name: a, image: b}], dnsConfig: {searches: [., _sip._tcp.a_b.c., a__]}}",
            'spec.dnsConfig.searches[2]: Invalid value: "a__": a lowercase RFC 1123 subdomain must consist of lower'
            " case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character"
            " (e.g. 'example.com', regex used for validation is"
            r" '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')",
        ),
        (
            "{containers: [{name: a, image: b}], ephemeralContainers: [{name: e, image: b}]}",
            "spec.ephemeralContainers: Forbidden: cannot be set on create",
        ),
        (
            "{containers: [{name: a, image: b}],"
            " topologySpreadConstraints: [{maxSkew: 0, topologyKey: z, whenUnsatisfiable: DoNotSchedule}]}",
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
        ),
        (
            "{containers: [{name: a, image: b}],"
            " volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 5}}]}}]}",
            "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 5: may not"
            " specify a duration less than 10 minutes",
        ),
    ],
)
def test_a_wrong_pod_is_refused_in_the_words_that_tools_know(spec: str, sentence: str) -> None:
    text = spec if spec.startswith("{") else f"{{{spec}}}"

    assert wrongs(parsed(Pod, f"metadata: {{name: web, namespace: default}}\nspec: {text}")) == [sentence]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ("{}", "BestEffort"),
        ("{requests: {cpu: 1}}", "Burstable"),
        ("{limits: {cpu: 1, memory: 1Gi}}", "Guaranteed"),
        ("{limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}", "Burstable"),
        ("{limits: {cpu: 1}}", "Burstable"),
        ("{limits: {example.com/gpu: 1}}", "BestEffort"),
    ],
)
def test_the_class_of_service_follows_from_requests_and_limits(resources: str, expected: str) -> None:
    pod = defaulted(Pod, f"spec: {{containers: [{{name: a, image: b, resources: {resources}}}]}}")

    assert qos_class(pod.spec) == expected


def test_a_running_pods_image_may_change_and_its_command_may_not() -> None:
    old = defaulted(Pod, WEB)
    main = old.spec.containers[0]
    newer = replace(old, spec=replace(old.spec, containers=(replace(main, image="nginx:1.28"),)))
    other = replace(old, spec=replace(old.spec, containers=(replace(main, command=("sh",)),)))

    assert wrong_changes(newer, old) == []
    assert wrong_changes(other, old)[0].startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
    )


def test_containers_cannot_be_added_to_a_pod() -> None:
    old = defaulted(Pod, WEB)
    main = old.spec.containers[0]
    new = replace(old, spec=replace(old.spec, containers=(main, replace(main, name="more"))))

    assert wrong_changes(new, old) == ["spec.containers: Forbidden: pod updates may not add or remove containers"]


def test_a_new_pod_is_pending_whatever_its_author_says_of_its_status() -> None:
    pod = parsed(Pod, WEB + "status: {phase: Running, podIP: 10.0.0.1}")

    made = PODS.prepare_create(PODS.default(pod), context())

    assert (made.status.phase, made.status.qos_class, made.status.pod_ip) == ("Pending", "Burstable", "")
    assert made.metadata.generation == 1


def test_a_pod_behind_a_gate_says_so_in_its_condition() -> None:
    pod = defaulted(Pod, "spec: {containers: [{name: a, image: b}], schedulingGates: [{name: x}]}")

    (condition,) = PODS.prepare_create(pod, context()).status.conditions

    assert (condition.type, condition.status, condition.reason) == ("PodScheduled", "False", "SchedulingGated")


def test_a_status_write_leaves_the_spec_alone() -> None:
    old = defaulted(Pod, WEB)
    new = replace(old, spec=replace(old.spec, node_name="elsewhere"), status=replace(old.status, phase="Running"))

    kept = PODS.prepare_status_update(new, old, context())

    assert kept.spec == old.spec
    assert kept.status.phase == "Running"


@pytest.mark.parametrize(
    ("node", "phase", "asked", "expected"),
    [
        ("", "Pending", None, 0),
        ("n", "Running", None, 30),
        ("n", "Running", 5, 5),
        ("n", "Running", 0, 0),
        ("n", "Succeeded", None, 0),
    ],
)
def test_a_pod_has_its_grace_only_where_a_node_runs_it(node: str, phase: str, asked: int | None, expected: int) -> None:
    pod = defaulted(Pod, WEB)
    pod = replace(pod, spec=replace(pod.spec, node_name=node), status=replace(pod.status, phase=phase))

    assert PODS.grace_s(pod, asked) == expected


async def test_a_new_pod_gets_its_accounts_token_in_every_container() -> None:
    pod = await PODS.admit(defaulted(Pod, WEB), None, context(ACCOUNT))

    (mount,) = [m for m in pod.spec.containers[0].volume_mounts if m.mount_path == TOKEN_PATH]
    (volume,) = [v for v in pod.spec.volumes if v.name == mount.name]
    assert pod.spec.service_account_name == "default"
    assert mount.read_only
    assert volume.name.startswith("kube-api-access-")
    assert volume.projected is not None
    assert len(volume.projected.sources) == 3
    assert told(PODS.validate(pod)) == []


async def test_an_account_that_wants_no_token_mounted_is_obeyed() -> None:
    account = replace(ACCOUNT, automount_service_account_token=False)

    pod = await PODS.admit(defaulted(Pod, WEB), None, context(account))

    assert [volume.name for volume in pod.spec.volumes] == ["data"]


async def test_a_pod_of_an_account_that_is_not_there_is_refused() -> None:
    pod = defaulted(Pod, WEB.replace("spec:", "spec:\n  serviceAccountName: ghost", 1))

    with pytest.raises(ApiError) as refusal:
        await PODS.admit(pod, None, context(ACCOUNT))

    assert refusal.value.code == 403
    assert str(refusal.value) == (
        'pods "web" is forbidden: error looking up service account default/ghost: serviceaccount "ghost" not found'
    )


async def test_a_pod_tolerates_a_lost_node_for_five_minutes() -> None:
    pod = await PODS.admit(defaulted(Pod, WEB), None, context(ACCOUNT))

    assert {(t.key, t.effect, t.toleration_seconds) for t in pod.spec.tolerations} == {
        ("node.kubernetes.io/not-ready", "NoExecute", 300),
        ("node.kubernetes.io/unreachable", "NoExecute", 300),
    }


async def test_a_pod_gets_the_number_of_its_priority_class_and_the_overhead_of_its_runtime() -> None:
    high = PriorityClass(metadata=ObjectMeta(name="high"), value=1000)
    runtime = parsed(RuntimeClass, "{metadata: {name: vm}, handler: vm, overhead: {podFixed: {memory: 64Mi}}}")
    text = WEB.replace("spec:", "spec:\n  priorityClassName: high\n  runtimeClassName: vm", 1)

    pod = await PODS.admit(defaulted(Pod, text), None, context(ACCOUNT, high, runtime))

    assert pod.spec.priority == 1000
    assert pod.spec.overhead["memory"].text == "64Mi"


@pytest.mark.parametrize("policy", ["Never", "Sometimes", ""])
async def test_a_pod_cannot_choose_its_own_way_of_preemption(policy: str) -> None:
    pod = replace(
        parsed(Pod, WEB), spec=replace(parsed(Pod, WEB).spec, preemption_policy=policy, service_account_name="default")
    )

    with pytest.raises(ApiError, match="computed PreemptLowerPriority from the given PriorityClass name"):
        await PODS.admit(pod, None, context(ACCOUNT))


async def test_a_pod_cannot_choose_its_own_priority() -> None:
    pod = defaulted(Pod, WEB.replace("spec:", "spec:\n  priority: 7", 1))

    with pytest.raises(ApiError, match="must not be provided in pod spec"):
        await PODS.admit(pod, None, context(ACCOUNT))


async def test_an_update_of_a_pod_asks_nothing_of_its_account_again() -> None:
    """Else every update would fail once the account is gone."""
    pod = defaulted(Pod, WEB)

    admitted = await PODS.admit(pod, pod, context())

    assert admitted.spec.service_account_name == ""
    assert await PODS.admit(admitted, admitted, context()) is admitted


async def test_what_the_cluster_added_to_a_pod_cannot_be_taken_away_by_an_update() -> None:
    """A client that sends back only what it wrote itself changes nothing."""
    stored = await PODS.admit(defaulted(Pod, WEB), None, context(ACCOUNT))
    sent = replace(stored, spec=replace(stored.spec, tolerations=(), priority=None, preemption_policy=None))

    assert (await PODS.admit(sent, stored, context())).spec == stored.spec


async def test_an_update_that_takes_the_default_tolerations_away_gets_them_back() -> None:
    old = await PODS.admit(defaulted(Pod, WEB), None, context(ACCOUNT))
    own = Toleration(key="example.com/own", operator="Exists")
    asked = replace(old, spec=replace(old.spec, tolerations=(own,)))

    new = await PODS.admit(asked, old, context(ACCOUNT))

    assert new.spec.tolerations == (own, *old.spec.tolerations)
    assert PODS.validate_update(new, old) == []


def test_defaults_and_checks_of_a_pod_cost_far_less_than_the_rest_of_its_post() -> None:
    """The budget for both is 100 µs of CPU; three times that leaves room for a slow machine."""
    pod = parsed(Pod, WEB)
    rounds = 300
    PODS.validate(PODS.default(pod))

    started = process_time()
    for _ in range(rounds):
        PODS.validate(PODS.default(pod))

    assert (process_time() - started) / rounds < 300e-6


@pytest.mark.parametrize(
    ("policy", "exit_code", "is_refused"), [("Never", 1, True), ("OnFailure", 0, True), ("OnFailure", 1, False)]
)
def test_a_container_that_ended_for_good_does_not_come_back(policy: str, exit_code: int, is_refused: bool) -> None:
    """A Job would count it twice."""
    ended = f"{{containerStatuses: [{{name: main, state: {{terminated: {{exitCode: {exit_code}}}}}}}]}}"
    text = WEB.replace("spec:", f"spec:\n  restartPolicy: {policy}", 1)
    old = parsed(Pod, f"{text}status: {ended}")
    new = parsed(Pod, f"{text}status: {{containerStatuses: [{{name: main, state: {{running: {{}}}}}}]}}")

    assert bool(PODS.validate_status_update(new, old)) is is_refused


def test_containers_come_back_where_one_may_start_all_anew() -> None:
    rules = "[{action: RestartAllContainers, exitCodes: {operator: In, values: [42]}}]"
    spec = f"{{restartPolicy: Never, containers: [{{name: a}}, {{name: b, restartPolicyRules: {rules}}}]}}"
    ended = parsed(Pod, f"spec: {spec}\nstatus: {{containerStatuses: [{{name: a, state: {{terminated: {{}}}}}}]}}")
    waiting = parsed(Pod, f"spec: {spec}\nstatus: {{containerStatuses: [{{name: a, state: {{waiting: {{}}}}}}]}}")

    assert PODS.validate_status_update(waiting, ended) == []


def test_a_debugging_container_can_be_added_and_never_taken_away() -> None:
    old = defaulted(Pod, WEB)
    asked = parsed(Pod, WEB + "  ephemeralContainers: [{name: debug, image: busybox}]")

    new = PODS.prepare_subresource_update("ephemeralcontainers", asked, old, context())

    assert new.spec.ephemeral_containers[0].image_pull_policy == "Always"
    assert PODS.validate_subresource_update("ephemeralcontainers", new, old) == []
    assert told(PODS.validate_subresource_update("ephemeralcontainers", old, new)) == [
        'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be removed'
    ]


def test_a_resize_changes_resources_alone_and_not_the_class_of_service() -> None:
    old = defaulted(Pod, WEB)
    bigger = parsed(Pod, WEB.replace("cpu: 100m", "cpu: 200m").replace("image: nginx:1.27", "image: other"))
    all_of_it = parsed(Pod, WEB.replace("requests: {cpu: 100m}", "requests: {}"))

    new = PODS.prepare_subresource_update("resize", bigger, old, context())
    guaranteed = PODS.prepare_subresource_update("resize", all_of_it, old, context())

    assert new.spec.containers[0].resources.requests["cpu"].text == "200m"
    assert new.spec.containers[0].image == "nginx:1.27"
    assert PODS.validate_subresource_update("resize", new, old) == []
    assert told(PODS.validate_subresource_update("resize", guaranteed, old)) == [
        'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'
    ]


GATED = "schedulingGates: [{name: x}], nodeSelector: {a: b}, containers: [{name: a, image: b}]"
NODES = "requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [%s]}]}"
ZONE, DISK = "{key: zone, operator: In, values: [a]}", "{key: disk, operator: Exists}"


@pytest.mark.parametrize(
    ("before", "after", "may_be"),
    [
        ("", f"affinity: {{nodeAffinity: {{{NODES % ZONE}}}}},", True),
        (
            f"affinity: {{nodeAffinity: {{{NODES % ZONE}}}}},",
            f"affinity: {{nodeAffinity: {{{NODES % f'{ZONE}, {DISK}'}}}}},",
            True,
        ),
        (
            f"affinity: {{nodeAffinity: {{{NODES % f'{ZONE}, {DISK}'}}}}},",
            f"affinity: {{nodeAffinity: {{{NODES % ZONE}}}}},",
            False,
        ),
        (f"affinity: {{nodeAffinity: {{{NODES % ZONE}}}}},", "", False),
    ],
)
def test_a_gated_pods_nodes_may_become_fewer_and_never_more(before: str, after: str, *, may_be: bool) -> None:
    """Who holds a pod back may narrow where it goes; what its author asked for still holds."""
    old = defaulted(Pod, f"{{metadata: {{name: p}}, spec: {{{before} {GATED}}}}}")
    new = defaulted(Pod, f"{{metadata: {{name: p}}, spec: {{{after} {GATED}}}}}")

    found = wrong_changes(new, old)
    assert (found == []) is may_be
    assert all("additions" in wrong for wrong in found)


def test_a_refused_change_shows_what_it_would_have_changed() -> None:
    old = defaulted(Pod, "{metadata: {name: p}, spec: {containers: [{name: a, image: b}]}}")
    new = defaulted(Pod, "{metadata: {name: p}, spec: {hostname: h, containers: [{name: a, image: c}]}}")

    (found,) = wrong_changes(new, old)

    changed = [line for line in found.splitlines() if line.startswith(("+", "-"))]
    assert changed == ['+  "hostname": "h",']


def test_raw_devices_are_unique_and_their_paths_lead_nowhere_else() -> None:
    devices = "[{name: v, devicePath: /dev/a}, {name: v, devicePath: /dev/../a}]"
    container = f"{{name: a, image: b, volumeDevices: {devices}}}"
    volumes = "[{name: v, persistentVolumeClaim: {claimName: c}}]"

    found = wrongs(
        parsed(Pod, f"{{metadata: {{name: p, namespace: d}}, spec: {{volumes: {volumes}, containers: [{container}]}}}}")
    )

    path = "spec.containers[0].volumeDevices[1]"
    assert found == [
        f'{path}.name: Invalid value: "v": must be unique',
        f"{path}.devicePath: Invalid value: \"/dev/../a\": can not contain backsteps ('..')",
    ]
