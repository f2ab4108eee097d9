"""AppArmor on a kernel that has it: what a profile forbids is refused to the container and to each exec in it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeagent.runtime.apparmor import DEFAULT_NAME, AppArmor
from proto import cri_v1 as cri
from tests.runtime.machine import Client, until

pytestmark = [pytest.mark.root, pytest.mark.skipif(not AppArmor().is_here(), reason="needs a kernel with AppArmor")]

DEFAULT = cri.SecurityProfile(profile_type=cri.RuntimeDefault)
UNCONFINED = cri.SecurityProfile(profile_type=cri.Unconfined)
ADMIN = cri.Capability(add_capabilities=["SYS_ADMIN"])
CURRENT = ("cat", "/proc/self/attr/current")
STRICT = """profile wherry-test-strict flags=(attach_disconnected,mediate_deleted) {
  file,
  signal,
  deny /srv/** w,
}
"""


@pytest.fixture
def strict() -> Iterator[cri.SecurityProfile]:
    """A profile of the node that forbids to write below /srv."""
    subprocess.run(["apparmor_parser", "--replace"], input=STRICT.encode(), check=True)
    yield cri.SecurityProfile(profile_type=cri.Localhost, localhost_ref="wherry-test-strict")
    subprocess.run(["apparmor_parser", "--remove"], input=STRICT.encode(), check=True)


@pytest.mark.parametrize("profile", [DEFAULT, None])
async def test_the_default_profile_holds_the_container_and_its_execs(
    client: Client, profile: cri.SecurityProfile | None
) -> None:
    script = "cat /proc/self/attr/current; mount -t tmpfs none /srv || echo held; sleep 1000"
    container = await client.run(await client.pod(), "sh", "-c", script, apparmor=profile, capabilities=ADMIN)

    told = await client.exec(container, *CURRENT)
    refused = await client.exec(container, "mount", "-t", "tmpfs", "none", "/srv")

    assert (await client.log(container)).splitlines()[0] == f"{DEFAULT_NAME} (enforce)"
    assert "held" in (await client.log(container)).splitlines()
    assert told.stdout == f"{DEFAULT_NAME} (enforce)\n".encode()
    assert refused.exit_code != 0


async def test_the_nodes_kernel_cannot_be_tuned_through_a_proc_that_is_writable(client: Client) -> None:
    """With nothing masked or read-only, the profile alone is in the way."""
    fields = {"masked_paths": [], "readonly_paths": [], "capabilities": ADMIN}
    script = "echo 1 > /proc/sys/vm/swappiness || echo held; echo b > /proc/sysrq-trigger || echo held"

    output = await client.output(await client.pod(), "sh", "-c", script, apparmor=DEFAULT, **fields)

    assert output.splitlines().count("held") == 2


async def test_unconfined_is_without_a_profile(client: Client) -> None:
    fields: tuple[dict[str, Any], ...] = ({"apparmor": UNCONFINED}, {"privileged": True})
    told = [await client.output(await client.pod(), *CURRENT, **asked) for asked in fields]

    assert [words.strip() for words in told] == ["unconfined", "unconfined"]


async def test_a_profile_of_the_node_holds_it(client: Client, strict: cri.SecurityProfile) -> None:
    script = "cat /proc/self/attr/current; touch /srv/no || echo held; touch /tmp/yes && echo written"

    output = await client.output(await client.pod(), "sh", "-c", script, apparmor=strict)

    assert output.splitlines()[0] == "wherry-test-strict (enforce)"
    assert set(output.splitlines()) >= {"held", "written"}


async def test_a_profile_that_the_node_has_not_is_refused(client: Client) -> None:
    unknown = cri.SecurityProfile(profile_type=cri.Localhost, localhost_ref="no-such-profile")

    code, message = await client.refusal(client.create(await client.pod(), "true", apparmor=unknown))

    assert (code, "no-such-profile" in message) == ("INVALID_ARGUMENT", True)


async def test_a_confined_container_heeds_its_stop_signal(client: Client) -> None:
    script = "trap 'exit 5' TERM; echo set; while :; do sleep 0.01; done"
    container = await client.run(await client.pod(), "sh", "-c", script, apparmor=DEFAULT)
    await until(lambda: _has_said(client, container, "set"), "the trap is set")
    profile = Path(f"/proc/{await _pid(client, container)}/attr/current").read_text()

    await client.stop(container, 10)

    assert profile == f"{DEFAULT_NAME} (enforce)\n"
    assert (await client.status(container)).exit_code == 5


async def _pid(client: Client, container: str) -> int:
    verbose = await client.runtime.container_status(cri.ContainerStatusRequest(container_id=container, verbose=True))
    return int(verbose.info["info"].partition('"pid":')[2].partition(",")[0].strip(" }"))


async def _has_said(client: Client, container: str, word: str) -> bool:
    return word in (await client.log(container)).splitlines()
