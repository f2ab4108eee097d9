"""From the CRI's words to a bundle: commands, identities, mounts, and what is refused before anything exists."""

from typing import Any

import pytest

from nodeagent.runtime import bundle, containers
from nodeagent.runtime.bundle import Place
from nodeagent.runtime.errors import RuntimeRefusal
from nodeagent.runtime.images.model import ImageConfig, RootLayers
from proto import cri_v1 as cri

_PLACE = Place(
    bundle="/b",
    hostname="h",
    resolv_conf="/s/resolv.conf",
    hostname_file="/s/hostname",
    shm="/r/shm",
    cgroup="/c",
    entry_files=("/sys/fs/cgroup/c/cgroup.procs",),
    oom_file="",
    cgroup_mounts=(),
    layers=RootLayers("/layers", ("b", "a")),
    log_path="/l",
)
_IMAGE = ImageConfig(entrypoint=("/entry",), cmd=("from", "image"), user="web:staff", working_dir="/srv", env=("A=1",))


def _config(**fields: Any) -> cri.ContainerConfig:
    security = fields.pop("security", {})
    linux = cri.LinuxContainerConfig(security_context=cri.LinuxContainerSecurityContext(**security))
    return cri.ContainerConfig(metadata=cri.ContainerMetadata(name="c"), linux=linux, **fields)


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ([], [], ["/entry", "from", "image"]),
        ([], ["mine"], ["/entry", "mine"]),
        (["run"], [], ["run"]),
        (["run"], ["it"], ["run", "it"]),
    ],
)
def test_command_and_args_override_entrypoint_and_cmd(command: list[str], args: list[str], expected: list[str]) -> None:
    assert bundle.command(_config(command=command, args=args), _IMAGE) == expected


def test_no_command_at_all_is_refused() -> None:
    with pytest.raises(RuntimeRefusal, match="neither it nor its image names a command"):
        bundle.command(_config(), ImageConfig())


def test_the_pods_environment_wins_over_the_images() -> None:
    config = _config(envs=[cri.KeyValue(key="A", value=b"2"), cri.KeyValue(key="B", value=b"x=y")])

    environment = bundle.oci_config(config, _IMAGE, _PLACE)["process"]["env"]

    assert environment == [bundle.DEFAULT_PATH, "HOSTNAME=h", "A=2", "B=x=y"]


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        ({}, ("web", "staff")),
        ({"run_as_user": cri.Int64Value(value=0)}, ("0", "")),
        ({"run_as_username": "ann"}, ("ann", "")),
        ({"run_as_user": cri.Int64Value(value=5), "run_as_group": cri.Int64Value(value=6)}, ("5", "6")),
    ],
)
def test_the_pods_user_replaces_the_images(security: dict[str, Any], expected: tuple[str, str]) -> None:
    identity = bundle.launch(_config(security=security), _IMAGE, _PLACE)["identity"]

    assert (identity["user"], identity["group"]) == expected


def test_a_mount_of_the_pod_replaces_the_usual_one_and_deeper_ones_come_later() -> None:
    mounts = [cri.Mount(container_path=path, host_path="/h") for path in ("/a/b", "/a", "/dev/shm", "/etc/hostname")]

    places = [item["destination"] for item in bundle.oci_config(_config(mounts=mounts), _IMAGE, _PLACE)["mounts"]]

    assert places.count("/dev/shm") == places.count("/etc/hostname") == 1
    assert places.index("/a") < places.index("/a/b")


def test_nothing_of_an_unprivileged_container_honours_device_nodes() -> None:
    config = _config(mounts=[cri.Mount(container_path="/a", host_path="/h")])

    mounts = bundle.oci_config(config, _IMAGE, _PLACE)["mounts"]

    assert [item["destination"] for item in mounts if "nodev" not in item["options"]] == ["/dev/pts"]


def test_masked_paths_are_the_usual_ones_unless_the_pod_says_otherwise() -> None:
    asked = {"masked_paths": ["/proc/mine"]}

    usual = bundle.oci_config(_config(), _IMAGE, _PLACE)["linux"]["maskedPaths"]
    own = bundle.oci_config(_config(security=asked), _IMAGE, _PLACE)["linux"]["maskedPaths"]
    none = bundle.oci_config(_config(security={"privileged": True}), _IMAGE, _PLACE)["linux"]["maskedPaths"]

    assert (usual, own, none) == (list(bundle.MASKED_PATHS), ["/proc/mine"], [])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"security": {"run_as_group": cri.Int64Value(value=1)}}, "without a user"),
        ({"mounts": [cri.Mount(container_path="relative", host_path="/h")]}, "is relative"),
        ({"mounts": [cri.Mount(container_path="/a", image=cri.ImageSpec(image="i"))]}, "image volume"),
        ({"CDI_devices": [cri.CDIDevice(name="d")]}, "CDI devices"),
    ],
)
def test_what_cannot_be_given_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RuntimeRefusal, match=words):
        bundle.oci_config(_config(**fields), _IMAGE, _PLACE)


@pytest.mark.parametrize(
    ("asked", "image", "number"),
    [
        (cri.RUNTIME_DEFAULT, "", 15),
        (cri.RUNTIME_DEFAULT, "SIGQUIT", 3),
        (cri.RUNTIME_DEFAULT, "QUIT", 3),
        (cri.RUNTIME_DEFAULT, "9", 9),
        (cri.SIGUSR1, "SIGQUIT", 10),
        (cri.SIGRTMINPLUS3, "", 37),
        (cri.SIGRTMAXMINUS1, "", 63),
    ],
)
def test_the_stop_signal_is_the_pods_or_the_images_or_sigterm(asked: cri.Signal, image: str, number: int) -> None:
    assert containers.stop_signal(_config(stop_signal=asked), ImageConfig(stop_signal=image)) == number


def test_an_unknown_stop_signal_is_refused() -> None:
    with pytest.raises(RuntimeRefusal, match="'SIGNOTHING' is unknown"):
        containers.stop_signal(_config(), ImageConfig(stop_signal="SIGNOTHING"))
