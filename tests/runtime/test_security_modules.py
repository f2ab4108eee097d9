"""AppArmor and SELinux on nodes that have them, which a folder stands for, and on those that don't."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nodeagent.runtime import apparmor, container_init, selinux, syscalls
from nodeagent.runtime.apparmor import AppArmor
from nodeagent.runtime.errors import RuntimeRefusal
from nodeagent.runtime.selinux import Labels, SELinux
from proto import cri_v1 as cri

_LOCALHOST = cri.SecurityProfile(profile_type=cri.Localhost, localhost_ref="web")
_DEFAULT = cri.SecurityProfile(profile_type=cri.RuntimeDefault)
_UNCONFINED = cri.SecurityProfile(profile_type=cri.Unconfined)


class Node:
    """A node with both modules: their files, and the profiles that were loaded."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.loaded: list[str] = []
        self.write("sys/module/apparmor/parameters/enabled", "Y\n")
        self.write("sys/kernel/security/apparmor/profiles", "web (enforce)\ndocker-default (complain)\n")
        self.write("sys/fs/selinux/enforce", "1")
        self.write("sys/fs/selinux/context", "")
        self.write("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")
        contexts = 'process = "system_u:system_r:container_t:s0"\nfile = "system_u:object_r:container_file_t:s0"\n'
        self.write("etc/selinux/targeted/contexts/lxc_contexts", contexts)

    def write(self, name: str, text: str) -> None:
        """Make a file below the root."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def apparmor(self) -> AppArmor:
        """AppArmor, as it is here."""
        return AppArmor(self.root, self.loaded.append)

    def selinux(self) -> SELinux:
        """SELinux, as it is here."""
        return SELinux(self.root)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with AppArmor and SELinux."""
    return Node(tmp_path)


def _security(profile: cri.SecurityProfile | None = None, **fields: Any) -> cri.LinuxContainerSecurityContext:
    return cri.LinuxContainerSecurityContext(apparmor=profile, **fields)


def test_a_profile_of_the_node_is_applied_by_its_name(node: Node) -> None:
    assert node.apparmor().profile_of(_security(_LOCALHOST), "c") == "web"
    assert node.apparmor().profile_of(_security(apparmor_profile="localhost/web"), "c") == "web"


def test_a_profile_that_is_not_loaded_is_refused(node: Node) -> None:
    missing = cri.SecurityProfile(profile_type=cri.Localhost, localhost_ref="docker")

    with pytest.raises(RuntimeRefusal, match="'docker' is not loaded on this node; load it"):
        node.apparmor().profile_of(_security(missing), "c")


@pytest.mark.parametrize("profile", [_DEFAULT, None])
def test_the_default_profile_is_loaded_once_and_needs_no_word(node: Node, profile: cri.SecurityProfile | None) -> None:
    first = node.apparmor().profile_of(_security(profile), "c")
    node.write("sys/kernel/security/apparmor/profiles", f"{apparmor.DEFAULT_NAME} (enforce)\n")
    second = node.apparmor().profile_of(_security(profile), "c")

    assert (first, second) == (apparmor.DEFAULT_NAME, apparmor.DEFAULT_NAME)
    assert node.loaded == [apparmor.DEFAULT]


def test_who_is_unconfined_or_privileged_has_no_profile_but_the_one_it_names(node: Node) -> None:
    held = node.apparmor()

    assert held.profile_of(_security(_UNCONFINED), "c") == ""
    assert held.profile_of(_security(_DEFAULT, privileged=True), "c") == ""
    assert held.profile_of(_security(_LOCALHOST, privileged=True), "c") == "web"
    assert node.loaded == []


def test_a_node_that_cannot_load_the_default_refuses_who_asks_and_runs_who_does_not(node: Node) -> None:
    def fail(profile: str) -> None:
        raise FileNotFoundError(2, "No such file or directory", "apparmor_parser")

    held = AppArmor(node.root, fail)

    with pytest.raises(RuntimeRefusal, match="install apparmor_parser"):
        held.profile_of(_security(_DEFAULT), "c")
    assert held.profile_of(_security(), "c") == ""


@pytest.mark.parametrize("profile", [_DEFAULT, _LOCALHOST])
def test_a_kernel_without_apparmor_refuses_every_profile(tmp_path: Path, profile: cri.SecurityProfile) -> None:
    held = AppArmor(tmp_path)

    with pytest.raises(RuntimeRefusal, match="no AppArmor; use Unconfined or none"):
        held.profile_of(_security(profile), "c")
    assert held.profile_of(_security(), "c") == held.profile_of(_security(_UNCONFINED), "c") == ""


@pytest.mark.skipif(shutil.which("apparmor_parser") is None, reason="needs apparmor_parser")
def test_the_default_profile_is_one() -> None:
    command = ["apparmor_parser", "--skip-kernel-load", "--skip-cache"]

    subprocess.run(command, input=apparmor.DEFAULT.encode(), check=True, capture_output=True)


def test_labels_are_the_policys_own_but_for_what_is_asked_for(node: Node) -> None:
    asked = cri.SELinuxOption(type="web_t", level="s0:c1,c2")

    labels = node.selinux().labels_of(asked, "c")

    assert labels == Labels("system_u:system_r:web_t:s0:c1,c2", "system_u:object_r:container_file_t:s0:c1,c2")
    assert node.selinux().labels_of(cri.SELinuxOption(), "c") == Labels()


def test_a_privileged_container_keeps_the_nodes_label_and_its_files_have_theirs(node: Node) -> None:
    labels = node.selinux().labels_of(cri.SELinuxOption(level="s0:c3"), "c", privileged=True)

    assert labels == Labels("", "system_u:object_r:container_file_t:s0:c3")


def test_a_label_that_the_policy_does_not_know_is_refused(node: Node) -> None:
    (node.root / "sys/fs/selinux/context").unlink()
    (node.root / "sys/fs/selinux/context").mkdir()  # The kernel fails such a write too.

    with pytest.raises(RuntimeRefusal, match="system_u:system_r:fly_t:s0' is not one of this node's policy"):
        node.selinux().labels_of(cri.SELinuxOption(type="fly_t"), "c")


def test_a_policy_without_containers_is_refused_with_what_would_do(node: Node) -> None:
    (node.root / "etc/selinux/targeted/contexts/lxc_contexts").unlink()

    with pytest.raises(RuntimeRefusal, match="install container-selinux"):
        node.selinux().labels_of(cri.SELinuxOption(level="s0"), "c")


def test_without_selinux_a_type_that_confines_is_refused_and_the_rest_has_no_effect(tmp_path: Path) -> None:
    """Manifests that name a level, or the type of those that nothing confines, run everywhere."""
    held = SELinux(tmp_path)

    with pytest.raises(RuntimeRefusal, match="no SELinux; leave seLinuxOptions"):
        held.labels_of(cri.SELinuxOption(type="web_t"), "c")
    assert held.labels_of(cri.SELinuxOption(level="s0:c0,c1"), "c") == Labels()
    assert held.labels_of(cri.SELinuxOption(type="spc_t"), "c") == Labels()


def test_the_next_exec_is_told_both(tmp_path: Path) -> None:
    (tmp_path / "apparmor").mkdir()
    for name in ("exec", "apparmor/exec"):
        (tmp_path / name).touch()

    container_init.take_labels({"apparmorProfile": "web", "selinuxLabel": "u:r:t:s0"}, str(tmp_path))

    assert (tmp_path / "apparmor/exec").read_text() == "exec web"
    assert (tmp_path / "exec").read_text() == "u:r:t:s0"


def test_a_profile_that_the_kernel_refuses_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(container_init.StartError, match="refused 'exec web'"):
        container_init.take_labels({"apparmorProfile": "web", "selinuxLabel": ""}, str(tmp_path))


def test_a_label_is_quoted_among_the_options_of_a_mount() -> None:
    assert syscalls.labelled("size=4k", "u:r:t:s0:c1,c2") == 'size=4k,context="u:r:t:s0:c1,c2"'
    assert syscalls.labelled("", "u:r:t:s0") == 'context="u:r:t:s0"'
    assert syscalls.labelled("size=4k", "") == "size=4k"


@pytest.mark.root
def test_a_volume_is_labelled_with_what_is_in_it_and_nothing_that_its_links_lead_to(tmp_path: Path) -> None:
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    (volume / "folder").mkdir(parents=True)
    (volume / "folder" / "file").touch()
    outside.touch()
    (volume / "link").symlink_to(outside)

    selinux.relabel(str(volume), "u:r:t:s0", "c")

    for path in (volume, volume / "folder", volume / "folder" / "file"):
        assert os.getxattr(path, "security.selinux") == b"u:r:t:s0\0"
    assert os.getxattr(volume / "link", "security.selinux", follow_symlinks=False) == b"u:r:t:s0\0"
    assert "security.selinux" not in os.listxattr(outside)


@pytest.mark.parametrize("folder", ["/", "/etc", "/usr/../var"])
def test_what_the_node_lives_by_is_never_relabelled(folder: str) -> None:
    with pytest.raises(RuntimeRefusal, match="is not relabelled"):
        selinux.relabel(folder, "u:r:t:s0", "c")
