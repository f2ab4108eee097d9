"""What a node can't give is said before a pod begins, by the field and with a reason."""

from pathlib import Path
from typing import Any

import pytest

from nodeagent.pods.security_modules import has_app_armor
from nodeagent.pods.unsupported import unsupported
from tests.nodeagent.make import container, pod

PROFILE = {"appArmorProfile": {"type": "RuntimeDefault"}}


def setting(name: str) -> dict[str, Any]:
    """Return a security context that sets a kernel parameter."""
    return {"sysctls": [{"name": name, "value": "1"}]}


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"os": {"name": "windows"}}, "PodOSNotSupported", "windows"),
        ({"securityContext": setting("kernel.msgmax")}, "SysctlForbidden", '"kernel.msgmax" not allowlisted'),
        ({"securityContext": PROFILE}, "AppArmor", "Cannot enforce AppArmor"),
        ({"resourceClaims": [{"name": "gpu"}]}, "PodFeatureUnsupported", "spec.resourceClaims"),
        ({"containers": [container(securityContext=PROFILE)]}, "AppArmor", "Cannot enforce AppArmor"),
    ],
)
def test_what_the_node_cannot_give_is_refused_by_name(spec: dict[str, Any], reason: str, words: str) -> None:
    refused = unsupported(pod(**spec))

    assert refused is not None
    assert refused[0] == reason
    assert words in refused[1]


def test_what_the_node_can_give_is_taken() -> None:
    unconfined = container(securityContext={"appArmorProfile": {"type": "Unconfined"}})

    assert unsupported(pod("web", unconfined, os={"name": "linux"}, hostUsers=False)) is None
    assert unsupported(pod(securityContext=setting("net.ipv4.tcp_syncookies"))) is None
    assert unsupported(pod(securityContext=setting("net/ipv4/tcp_syncookies"))) is None


def test_a_node_that_has_app_armor_takes_pods_that_want_it(tmp_path: Path) -> None:
    enabled = tmp_path / "sys/module/apparmor/parameters/enabled"
    enabled.parent.mkdir(parents=True)
    before = has_app_armor(tmp_path)
    enabled.write_text("Y\n")

    assert (before, has_app_armor(tmp_path)) == (False, True)
    assert unsupported(pod(securityContext=PROFILE), has_app_armor=True) is None


def test_a_node_may_allow_unsafe_kernel_parameters() -> None:
    assert unsupported(pod(securityContext=setting("kernel.msgmax")), ["kernel.msg*"]) is None
    assert unsupported(pod(securityContext=setting("kernel.sem")), ["kernel.msg*", "kernel.sem"]) is None
    assert unsupported(pod(securityContext=setting("net.core.somaxconn")), ["kernel.msg*"]) is not None
