"""Which credentials an image is pulled with."""

import json
from base64 import b64encode
from typing import cast

import pytest

from kube.api.core_v1 import Secret
from nodeagent.cri.client import Cri, CriError
from nodeagent.cri.values import ImageRecord
from nodeagent.pods.images import ImagePuller
from nodeagent.pods.pull_secrets import credentials
from proto import cri_v1


def secret(*servers: str) -> Secret:
    """Return a pull secret with an entry for each server, whose user is called like it."""
    auths = {server: {"auth": b64encode(f"{server}:p".encode()).decode()} for server in servers}
    return Secret(data={".dockerconfigjson": json.dumps({"auths": auths}).encode()})


def users(image: str, *servers: str) -> list[str]:
    """Return who pulls an image, who is tried first first."""
    return [found.username for found in credentials(image, [secret(*servers)])]


def test_a_pull_secret_is_used_for_its_own_registry_only() -> None:
    held = Secret(data={".dockerconfigjson": b'{"auths":{"https://reg.example/v1/":{"auth":"dTpw"}}}'})

    (found,) = credentials("reg.example/web:1", [held])

    assert (found.username, found.password) == ("u", "p")
    assert credentials("other.example/web:1", [held]) == []


def test_of_entries_for_several_paths_those_that_the_image_is_below_are_tried_the_closest_first() -> None:
    """As GitLab's registry has them: one token for each group of projects."""
    held = ("reg.example", "reg.example/red", "reg.example/blue", "reg.example/blue/web")

    assert users("reg.example/blue/web:1", *held) == ["reg.example/blue/web", "reg.example/blue", "reg.example"]
    assert users("reg.example/blues:1", *held) == ["reg.example"]


@pytest.mark.parametrize(
    ("server", "image", "is_meant"),
    [
        ("*.example", "reg.example/web", True),
        ("*.example", "a.reg.example/web", False),
        ("reg.example:5000", "reg.example:5000/web", True),
        ("reg.example:5000", "reg.example/web", False),
        ("https://index.docker.io/v1/", "busybox", True),
        ("docker.io/library", "busybox", True),
        ("docker.io/team", "busybox", False),
    ],
)
def test_an_entry_is_for_a_host_and_what_is_below_a_path(server: str, image: str, is_meant: bool) -> None:
    assert bool(credentials(image, [secret(server)])) is is_meant


class Registry:
    """A runtime whose registry lets one user pull."""

    def __init__(self, user: str) -> None:
        self.pulled = False
        self._user = user

    async def pull(self, name: str, auth: cri_v1.AuthConfig | None, _: cri_v1.PodSandboxConfig) -> str:
        """Pull an image."""
        if auth is None or auth.username != self._user:
            raise CriError("PERMISSION_DENIED", "may not")
        self.pulled = True
        return name

    async def image(self, name: str) -> ImageRecord | None:
        """Return an image that was pulled."""
        return ImageRecord("sha256:1", (name,), (), 1, None, "", False) if self.pulled else None


async def test_where_one_credential_is_refused_the_next_is_tried() -> None:
    cri = Registry("second.example")
    secrets = [secret("*.example"), secret("second.example")]

    found = await ImagePuller(cast("Cri", cri)).ensure(
        "second.example/web:1", "Always", cri_v1.PodSandboxConfig(), secrets, lambda *_: None
    )

    assert found.id == "sha256:1"
