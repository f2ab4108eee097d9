"""What a container is given: environment, names, resources, security, files; and what the node refuses."""

from pathlib import Path
from typing import Any

import pytest

from kube import codec
from kube.api.core_v1 import ConfigMap, Secret, Service
from kube.quantity import Quantity
from nodeagent.cri.values import ImageRecord
from nodeagent.pods.admission import rejection
from nodeagent.pods.downward import PodFacts
from nodeagent.pods.environment import ConfigError, References, environment, expand, service_variables
from nodeagent.pods.host_paths import host_path
from nodeagent.pods.images import default_policy
from nodeagent.pods.payload_dir import write_files
from nodeagent.pods.projections import File, VolumeError, volume_files
from nodeagent.pods.resolver import DnsSettings, NameTooLongError, dns_of, hostname_of, hosts_file, parse_resolv_conf
from nodeagent.pods.resources import kernel_limits, pod_requests, qos_class
from nodeagent.pods.runtime_config import linux_resources, security_context
from tests.nodeagent.make import container, pod

IMAGE = ImageRecord("sha256:1", ("x",), (), 1, None, "")
CONFIG = codec.from_plain({"metadata": {"name": "cm"}, "data": {"a": "1", "b": "two"}}, ConfigMap)
SECRET = codec.from_plain({"metadata": {"name": "sec"}, "data": {"pw": "aHVudGVyMg=="}}, Secret)
HELD = References({"cm": CONFIG, "none": None}, {"sec": SECRET})


def variables(references: References = HELD, **fields: Any) -> dict[str, str]:
    """Return the environment of a pod's only container."""
    wanted = pod("web", container(**fields), serviceAccountName="robot")
    return environment(wanted.spec.containers[0], PodFacts(wanted, ("10.0.0.7",), ("192.0.2.1",)), references, {})


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)-$(B)", "1-2"),
        ("$$(A)", "$(A)"),
        ("$(MISSING)", "$(MISSING)"),
        ("$A", "$A"),
        ("$$$(A)", "$1"),
        ("$(A", "$(A"),
        ("a$", "a$"),
    ],
)
def test_references_to_variables_are_replaced_as_kubernetes_does(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expanded


def test_later_variables_see_earlier_ones_and_win() -> None:
    made = variables(
        envFrom=[{"prefix": "P_", "configMapRef": {"name": "cm"}}],
        env=[{"name": "X", "value": "$(P_a)"}, {"name": "P_b", "value": "$(X)!"}],
    )

    assert made == {"P_a": "1", "P_b": "1!", "X": "1"}


def test_variables_come_from_keys_fields_and_resources() -> None:
    made = variables(
        env=[
            {"name": "K", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "b"}}},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "sec", "key": "pw"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "SA", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
            {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory", "divisor": "1Mi"}}},
        ],
        resources={"limits": {"cpu": "250m"}, "requests": {"memory": "64Mi"}},
    )

    assert made == {"K": "two", "S": "hunter2", "IP": "10.0.0.7", "SA": "robot", "CPU": "250", "MEM": "64"}


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"configMapKeyRef": {"name": "none", "key": "a"}}, 'configmap "none" not found'),
        ({"configMapKeyRef": {"name": "cm", "key": "zz"}}, "couldn't find key zz in ConfigMap default/cm"),
        ({"secretKeyRef": {"name": "none", "key": "a"}}, 'secret "none" not found'),
        ({"fieldRef": {"fieldPath": "spec.nonsense"}}, "unsupported fieldPath: spec.nonsense"),
    ],
)
def test_a_missing_source_is_named(source: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        variables(env=[{"name": "X", "valueFrom": source}])


def test_an_optional_source_may_be_missing() -> None:
    source = {"configMapKeyRef": {"name": "none", "key": "a", "optional": True}}

    assert variables(env=[{"name": "X", "valueFrom": source}]) == {}


def test_services_are_told_by_variables() -> None:
    plain = {
        "metadata": {"name": "my-db", "namespace": "default"},
        "spec": {"clusterIP": "10.96.0.9", "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}]},
    }
    made = service_variables([codec.from_plain(plain, Service)], "default", links=True)

    assert made["MY_DB_SERVICE_HOST"] == "10.96.0.9"
    assert made["MY_DB_SERVICE_PORT_SQL"] == "5432"
    assert made["MY_DB_PORT"] == made["MY_DB_PORT_5432_TCP"] == "tcp://10.96.0.9:5432"
    assert service_variables([codec.from_plain(plain, Service)], "default", links=False) == {}


@pytest.mark.parametrize(
    ("spec", "servers"),
    [
        ({}, ("10.96.0.10",)),
        ({"hostNetwork": True}, ("9.9.9.9",)),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, ("10.96.0.10",)),
        ({"dnsPolicy": "Default"}, ("9.9.9.9",)),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"]}}, ("1.1.1.1",)),
    ],
)
def test_the_dns_policy_chooses_the_name_servers(spec: dict[str, Any], servers: tuple[str, ...]) -> None:
    assert dns_of(pod(**spec), DnsSettings(("9.9.9.9",)), ("10.96.0.10",), "cluster.local").servers == servers


def test_cluster_names_are_searched_before_the_hosts() -> None:
    host = parse_resolv_conf("# x\nnameserver 9.9.9.9\nsearch example.com lan\noptions rotate\n")
    config = {"searches": ["mine"], "options": [{"name": "ndots", "value": "2"}]}

    made = dns_of(pod(dnsConfig=config), host, ("10.96.0.10",), "cluster.local")

    assert made.searches == (
        "default.svc.cluster.local",
        "svc.cluster.local",
        "cluster.local",
        "example.com",
        "lan",
        "mine",
    )
    assert made.options == ("ndots:2",)


def test_hosts_tells_the_pods_own_names_and_its_aliases() -> None:
    wanted = pod(hostname="a", subdomain="b", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["x", "y"]}])

    text = hosts_file(wanted, ("10.0.0.7",), "cluster.local")

    assert "10.0.0.7\ta.b.default.svc.cluster.local\ta\n" in text
    assert "1.2.3.4\tx\ty\n" in text
    assert hostname_of(pod("n" * 70), "cluster.local") == "n" * 63


def test_limits_become_shares_quota_and_bytes() -> None:
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}}
    wanted = pod("web", container(resources=resources))

    limits = kernel_limits(wanted, wanted.spec.containers[0], 1024 * 1024 * 1024)

    assert (limits.cpu_shares, limits.cpu_quota_us, limits.memory_bytes) == (102, 50_000, 128 * 1024 * 1024)
    assert limits.oom_score_adj == 938


def test_a_container_gets_the_huge_pages_it_asks_for_and_no_others_of_the_node() -> None:
    wanted = pod("web", container(resources={"limits": {"hugepages-2Mi": "4Mi", "memory": "1Gi"}}))
    offered = {"hugepages-2Mi": Quantity("16Mi"), "hugepages-1Gi": Quantity("1Gi"), "hugepages-64Ki": Quantity("0")}

    made = linux_resources(kernel_limits(wanted, wanted.spec.containers[0], 1 << 30, offered))

    assert {item.page_size: item.limit for item in made.hugepage_limits} == {"2MB": 4 << 20, "1GB": 0}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_the_class_of_service_follows_from_requests_and_limits(resources: dict[str, Any], expected: str) -> None:
    assert qos_class(pod("web", container(resources=resources))) == expected


def test_a_pod_asks_for_its_hungriest_moment() -> None:
    def asks(cpu: str) -> dict[str, Any]:
        return {"requests": {"cpu": cpu}}

    wanted = pod(
        "web",
        container(resources=asks("1")),
        init=(container("i", resources=asks("3")), container("s", restartPolicy="Always", resources=asks("500m"))),
    )

    assert pod_requests(wanted)["cpu"] == Quantity("3")


@pytest.mark.parametrize(
    ("asks", "spec", "reason"),
    [
        ({"cpu": "1"}, {}, None),
        ({"cpu": "3"}, {}, "OutOfcpu"),
        ({"memory": "2Gi"}, {}, "OutOfmemory"),
        ({}, {"nodeSelector": {"disk": "ssd"}}, "NodeAffinity"),
    ],
)
def test_a_pod_that_does_not_fit_is_refused(asks: dict[str, str], spec: dict[str, Any], reason: str | None) -> None:
    has = {"cpu": Quantity("2"), "memory": Quantity("1Gi"), "pods": Quantity("2")}
    refused = rejection(pod("web", container(resources={"requests": asks}), **spec), [], has, {})

    assert (refused[0] if refused else None) == reason


def test_a_full_node_and_a_taken_port_refuse_too() -> None:
    has = {"pods": Quantity("1")}
    taken = pod("b", container(ports=[{"containerPort": 80, "hostPort": 80}]))

    assert (rejection(pod(), [taken], has, {}) or ("",))[0] == "OutOfpods"
    assert (rejection(taken, [taken], {"pods": Quantity("9")}, {}) or ("",))[0] == "NodePorts"


def test_a_containers_word_on_security_goes_over_its_pods() -> None:
    wanted = pod(
        "web",
        container(
            securityContext={"runAsUser": 7, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        ),
        securityContext={"runAsUser": 5, "runAsGroup": 6, "fsGroup": 99, "seccompProfile": {"type": "Unconfined"}},
    )

    made = security_context(wanted, wanted.spec.containers[0], IMAGE, "RuntimeDefault")

    assert (made.run_as_user.value, made.run_as_group.value, list(made.supplemental_groups)) == (7, 6, [99])
    assert made.no_new_privs is True
    assert list(made.capabilities.drop_capabilities) == ["ALL"]
    assert made.seccomp.profile_type == 1
    assert "/proc/kcore" in made.masked_paths


def test_security_modules_hear_the_containers_words_else_its_pods() -> None:
    shared = {"appArmorProfile": {"type": "RuntimeDefault"}, "seLinuxOptions": {"level": "s0:c1", "type": "web_t"}}
    own = {"appArmorProfile": {"type": "Localhost", "localhostProfile": "web"}, "seLinuxOptions": {"level": "s0:c2"}}
    wanted = pod("web", container(), container("own", securityContext=own), securityContext=shared)

    first, second = (security_context(wanted, one, IMAGE, "RuntimeDefault") for one in wanted.spec.containers)

    assert (first.apparmor.profile_type, first.selinux_options.type) == (0, "web_t")
    assert (second.apparmor.profile_type, second.apparmor.localhost_ref) == (2, "web")
    assert (second.selinux_options.level, second.selinux_options.type) == ("s0:c2", "")


def test_root_is_refused_where_the_pod_forbids_it() -> None:
    wanted = pod("web", container(securityContext={"runAsNonRoot": True}))

    with pytest.raises(ConfigError, match="image will run as root"):
        security_context(wanted, wanted.spec.containers[0], IMAGE, "RuntimeDefault")


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("busybox", "Always"),
        ("busybox:1.36", "IfNotPresent"),
        ("localhost:5000/a/b:latest", "Always"),
        ("ghcr.io/a/b@sha256:0", "IfNotPresent"),
    ],
)
def test_an_image_name_tells_its_policy(image: str, policy: str) -> None:
    assert default_policy(image) == policy


def files_of(volume: dict[str, Any], **fields: Any) -> dict[str, str]:
    """Return the files of a volume as text."""
    wanted = pod(volumes=[{"name": "v", **volume}], **fields)
    files = volume_files(wanted.spec.volumes[0], PodFacts(wanted), HELD, {("", 3600): "token"})
    assert files is not None
    return {path: file.data.decode() for path, file in files.items()}


def test_a_projected_volume_gathers_its_sources() -> None:
    sources = [
        {"configMap": {"name": "cm", "items": [{"key": "a", "path": "sub/a"}]}},
        {"secret": {"name": "sec"}},
        {"serviceAccountToken": {"path": "token"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]

    made = files_of({"projected": {"sources": sources}}, metadata={"labels": {"app": 'we"b'}})

    assert made == {"sub/a": "1", "pw": "hunter2", "token": "token", "labels": 'app="we\\"b"'}


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "..data"])
def test_a_file_never_leaves_its_volume(path: str) -> None:
    with pytest.raises(VolumeError, match="leads out of the volume"):
        files_of({"configMap": {"name": "cm", "items": [{"key": "a", "path": path}]}})


def test_a_missing_key_is_refused_unless_it_is_optional() -> None:
    source: dict[str, Any] = {"name": "cm", "items": [{"key": "zz", "path": "zz"}]}

    with pytest.raises(VolumeError, match="references non-existent config key"):
        files_of({"configMap": source})
    assert files_of({"configMap": {**source, "optional": True}}) == {}


def test_files_change_all_at_once(tmp_path: Path) -> None:
    assert write_files(tmp_path, {"a": File(b"1", 0o644), "d/b": File(b"2", 0o400)})
    first = (tmp_path / "..data").readlink()

    assert not write_files(tmp_path, {"a": File(b"1", 0o644), "d/b": File(b"2", 0o400)})
    assert write_files(tmp_path, {"a": File(b"3", 0o644)})

    assert (tmp_path / "a").read_text() == "3"
    assert (tmp_path / "..data").readlink() != first
    assert sorted(entry.name for entry in tmp_path.iterdir() if not entry.name.startswith("..")) == ["a"]
    assert not (tmp_path / first).exists()


def test_modes_are_those_that_were_asked_for(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": File(b"1", 0o440)})

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o440


def test_an_update_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    """The agent was killed after it wrote the new directory, before it moved the link."""
    write_files(tmp_path, {"a": File(b"1", 0o644)})
    (tmp_path / "..00000002").mkdir()
    (tmp_path / "..00000002" / "half").touch()

    write_files(tmp_path, {"a": File(b"2", 0o644)})

    assert (tmp_path / "a").read_text() == "2"
    assert not (tmp_path / "half").exists()


def test_a_host_path_is_checked_for_its_type(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert host_path(str(tmp_path / "new"), "DirectoryOrCreate").is_dir()
    assert host_path(str(tmp_path / "made"), "FileOrCreate").is_file()
    with pytest.raises(VolumeError, match="is not a directory"):
        host_path(str(tmp_path / "file"), "Directory")
    with pytest.raises(VolumeError, match="is not a socket file"):
        host_path(str(tmp_path / "none"), "Socket")


def test_a_pod_is_called_by_its_full_name_where_it_asks_for_it() -> None:
    wanted = pod(hostname="alias", subdomain="sub", setHostnameAsFQDN=True)

    assert hostname_of(wanted, "cluster.local") == "alias.sub.default.svc.cluster.local"
    assert "10.0.0.7\talias.sub.default.svc.cluster.local\talias" in hosts_file(wanted, ["10.0.0.7"], "cluster.local")


def test_a_full_name_that_no_kernel_takes_is_refused() -> None:
    wanted = pod("n" * 40, subdomain="sub", setHostnameAsFQDN=True)

    with pytest.raises(NameTooLongError, match="64 characters is the max, 70 characters requested"):
        hostname_of(wanted, "cluster.local")
