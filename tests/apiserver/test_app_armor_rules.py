"""AppArmor asked for by annotation, as before Kubernetes 1.30."""

import pytest
from msgspec.structs import replace

from apiserver.strategies.app_armor import PREFIX
from kube.api.core_v1 import AppArmorProfile, Pod
from kube.api.meta_v1 import ObjectMeta
from tests.apiserver.material import context, parsed, rules_of, wrong_changes, wrongs

PODS = rules_of(Pod)


def test_what_an_annotation_asks_of_app_armor_is_in_the_field_too() -> None:
    """A node reads the field alone; manifests written before it name the profile in an annotation."""
    pod = parsed(Pod, _annotated("localhost/strict", "runtime/default"))

    made = PODS.prepare_create(PODS.default(pod), context())

    profiles = [container.security_context.app_armor_profile for container in made.spec.containers]
    assert profiles == [
        AppArmorProfile(type="Localhost", localhost_profile="strict"),
        AppArmorProfile(type="RuntimeDefault"),
    ]
    assert PODS.validate(made) == []


@pytest.mark.parametrize(
    ("first", "second", "wrong"),
    [
        (
            "strict",
            "localhost/a",
            'metadata.annotations[{}main]: Invalid value: "strict": invalid AppArmor profile name',
        ),
        ("", "unconfined", "spec.containers[1].securityContext.appArmorProfile.type: Forbidden: apparmor type in"),
        ("", "localhost/b", "spec.containers[1].securityContext.appArmorProfile.localhostProfile: Forbidden: apparmor"),
    ],
)
def test_an_annotation_about_app_armor_must_be_right_and_agree_with_the_field(
    first: str, second: str, wrong: str
) -> None:
    field = "securityContext: {appArmorProfile: {type: Localhost, localhostProfile: a}}"

    found = wrongs(parsed(Pod, _annotated(first, second, field)))

    assert len(found) == 1
    assert found[0].startswith(wrong.format(PREFIX))


def test_an_annotation_about_app_armor_stays_as_it_was() -> None:
    old, new = parsed(Pod, _annotated("unconfined", "unconfined")), parsed(Pod, _annotated("unconfined", ""))
    path = f"metadata.annotations[{PREFIX}other]: Forbidden: may not"

    assert wrong_changes(new, old) == [f"{path} remove or update AppArmor annotations"]
    assert wrong_changes(old, replace(new, metadata=_without(new, "other"))) == [f"{path} add AppArmor annotations"]


def _without(pod: Pod, container: str) -> ObjectMeta:
    kept = {key: value for key, value in pod.metadata.annotations.items() if key != f"{PREFIX}{container}"}
    return replace(pod.metadata, annotations=kept)


def _annotated(first: str, second: str, field: str = "") -> str:
    return f"""
metadata: {{name: web, namespace: default, annotations: {{"{PREFIX}main": "{first}", "{PREFIX}other": "{second}"}}}}
spec:
  containers:
  - {{name: main, image: nginx}}
  - {{name: other, image: nginx{", " + field if field else ""}}}
"""
