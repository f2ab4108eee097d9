"""The CNI plugin: what runtimes ask and are told, and where they find it. The kernel's part is tests/network's."""

import json
import os
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from nodeagent import cni
from nodeagent.network.host_ports import HostPort
from nodeagent.network.network import PodAddress
from nodeagent.other_runtime import USUAL_BIN_DIR, USUAL_CONF_DIR, cni_dirs, sandbox_image
from nodeagent.settings import AgentSettings


@pytest.fixture
def settings(tmp_path: Path) -> AgentSettings:
    """The settings of a node whose files are the test's own."""
    return AgentSettings(node_name="a", state_dir=tmp_path / "s", run_dir=tmp_path / "r", image_dir=tmp_path / "i")


def test_the_installed_plugin_tells_its_versions(settings: AgentSettings, tmp_path: Path) -> None:
    settings.run_dir.mkdir()
    cni.install(settings, IPv4Network("10.1.2.0/24"), tmp_path / "conf", tmp_path / "bin")

    for name in (cni.PLUGIN, cni.LOOPBACK):
        env = {**os.environ, "CNI_COMMAND": "VERSION"}
        words = [str(tmp_path / "bin" / name)]
        told = subprocess.run(
            words, input='{"cniVersion": "1.0.0"}', env=env, capture_output=True, text=True, check=True
        )
        assert json.loads(told.stdout) == {"cniVersion": "1.0.0", "supportedVersions": list(cni.VERSIONS)}
    (file,) = (tmp_path / "conf").iterdir()
    assert json.loads(file.read_text())["plugins"][0]["podCIDR"] == "10.1.2.0/24"


def test_a_loopback_plugin_that_is_there_stays(settings: AgentSettings, tmp_path: Path) -> None:
    settings.run_dir.mkdir()
    (tmp_path / "loopback").write_text("theirs")

    cni.install(settings, IPv4Network("10.1.2.0/24"), tmp_path, tmp_path)

    assert (tmp_path / "loopback").read_text() == "theirs"


def test_what_can_t_be_done_is_told_as_an_error(settings: AgentSettings, tmp_path: Path) -> None:
    settings.run_dir.mkdir()
    cni.install(settings, IPv4Network("10.1.2.0/24"), tmp_path, tmp_path)
    env = {**os.environ, "CNI_COMMAND": "DANCE"}

    told = subprocess.run([str(tmp_path / "wherry")], input="{}", env=env, capture_output=True, text=True, check=False)

    assert told.returncode == 1
    assert "CNI_COMMAND 'DANCE': is unknown" in json.loads(told.stdout)["msg"]


@pytest.mark.parametrize(
    "names", [("hostPort", "containerPort", "protocol"), ("HostPort", "ContainerPort", "Protocol")]
)
def test_host_ports_are_read_in_either_spelling(names: tuple[str, ...]) -> None:
    asked = [dict(zip(names, (8080, 80, "udp"), strict=True)), dict(zip(names, (0, 81, "tcp"), strict=True))]

    assert cni.host_ports({"runtimeConfig": {"portMappings": asked}}) == [HostPort("UDP", 8080, 80)]


def test_a_new_link_is_told_with_its_address_and_route() -> None:
    pod = PodAddress(IPv4Address("10.1.2.3"), 32, IPv4Address("10.1.2.1"), "02:00:00:00:00:01")

    told = cni.result("0.4.0", "/run/netns/a", pod)

    assert told["ips"] == [{"version": "4", "address": "10.1.2.3/32", "gateway": "10.1.2.1", "interface": 0}]
    assert told["interfaces"][0]["sandbox"] == "/run/netns/a"


def test_the_runtime_s_own_word_says_where_it_looks() -> None:
    info = {"config": '{"cni": {"confDir": "/a", "binDir": "/b"}, "sandboxImage": "pause:1"}'}

    assert cni_dirs(info) == (Path("/a"), Path("/b"))
    assert sandbox_image(info) == "pause:1"


@pytest.mark.parametrize("info", [{}, {"config": "no JSON"}, {"config": "[]"}, {"config": "{}"}])
def test_a_runtime_that_says_nothing_looks_where_most_do(info: dict[str, str]) -> None:
    assert cni_dirs(info) == (Path(USUAL_CONF_DIR), Path(USUAL_BIN_DIR))
    assert sandbox_image(info) == ""
