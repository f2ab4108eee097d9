"""Security modules as containers feel them: seccomp profiles of the node, and what this kernel can't hold one to."""

import json
from pathlib import Path
from typing import Any

import pytest

from nodeagent.runtime.apparmor import AppArmor
from nodeagent.runtime.selinux import SELinux
from proto import cri_v1 as cri
from tests.runtime.machine import Client, until

pytestmark = pytest.mark.root


async def test_a_profile_that_is_not_asked_for_is_not_applied(client: Client) -> None:
    """The CRI's nil is Unconfined; the node agent asks for the default itself."""
    output = await client.output(await client.pod(), "grep", "Seccomp:", "/proc/self/status", seccomp=None)

    assert output == "Seccomp:\t0"


def _localhost(file: Path) -> cri.SecurityProfile:
    return cri.SecurityProfile(profile_type=cri.Localhost, localhost_ref=str(file))


async def test_a_seccomp_profile_of_the_node_is_applied_to_the_command_and_to_what_is_executed(
    client: Client, tmp_path: Path
) -> None:
    profile = tmp_path / "profile.json"
    calls = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 122}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [calls]}))
    script = "mkdir /tmp/folder 2>&1; grep Seccomp: /proc/self/status; exec sleep 1000"

    container = await client.run(await client.pod(), "sh", "-c", script, seccomp=_localhost(profile))
    executed = await client.exec(container, "mkdir", "/tmp/other")
    await until(lambda: _is_logged(client, container, "Seccomp"), "the command has tried")

    assert (await client.log(container)).splitlines()[0].endswith("Disk quota exceeded")
    assert b"Disk quota exceeded" in executed.stderr


async def _is_logged(client: Client, container: str, word: str) -> bool:
    return word in await client.log(container)


async def test_a_strict_profile_need_not_allow_what_the_start_itself_does(client: Client, tmp_path: Path) -> None:
    """With no_new_privs it goes on last: setuid and its like are no calls of the command."""
    profile = tmp_path / "profile.json"
    names = ["setresuid", "setresgid", "setgroups", "capset", "mount", "chdir"]
    calls = {"names": names, "action": "SCMP_ACT_KILL_PROCESS"}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [calls]}))

    user = cri.Int64Value(value=1000)
    output = await client.output(
        await client.pod(), "id", "-u", seccomp=_localhost(profile), no_new_privs=True, run_as_user=user
    )

    assert output == "1000"


@pytest.mark.parametrize(
    ("text", "found"),
    [("", "No such file"), ("{", "not JSON"), ('{"defaultAction": "SCMP_ACT_NOTIFY"}', "SCMP_ACT_NOTIFY")],
)
async def test_a_profile_that_cannot_be_applied_makes_no_container(
    client: Client, tmp_path: Path, text: str, found: str
) -> None:
    file = tmp_path / "profile.json"
    if text:
        file.write_text(text)

    code, message = await client.refusal(client.create(await client.pod(), "true", seccomp=_localhost(file)))

    assert (code, found in message) == ("INVALID_ARGUMENT", True)
    assert list(client.settings.containers_dir.iterdir()) == []


@pytest.mark.skipif(AppArmor().is_here(), reason="this kernel has AppArmor")
@pytest.mark.parametrize(
    "fields",
    [
        {"apparmor": cri.SecurityProfile(profile_type=cri.Localhost, localhost_ref="web")},
        {"apparmor": cri.SecurityProfile(profile_type=cri.RuntimeDefault)},
        {"apparmor_profile": "localhost/web"},
        {"apparmor_profile": "runtime/default"},
        {"selinux_options": cri.SELinuxOption(type="web_t")},
    ],
)
async def test_what_no_module_of_this_kernel_can_hold_it_to_makes_no_container(
    client: Client, fields: dict[str, Any]
) -> None:
    code, message = await client.refusal(client.create(await client.pod(), "true", **fields))

    assert (code, "this node's kernel has no" in message) == ("INVALID_ARGUMENT", True)
    assert list(client.settings.containers_dir.iterdir()) == []


@pytest.mark.skipif(SELinux().is_here(), reason="this kernel has SELinux")
async def test_a_level_means_nothing_to_a_kernel_without_selinux(client: Client) -> None:
    options = cri.SELinuxOption(level="s0:c0,c1")

    assert await client.output(await client.pod(), "echo", "runs", selinux_options=options) == "runs"
