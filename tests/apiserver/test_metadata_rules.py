"""The metadata that all kinds share."""

import pytest
from msgspec.structs import replace

from kube.api.core_v1 import ConfigMap
from kube.api.meta_v1 import ObjectMeta, OwnerReference
from kube.api.rbac_v1 import Role
from tests.apiserver.material import wrong_changes, wrongs

PLAIN = ObjectMeta(name="a", namespace="default")


def with_meta(**fields: object) -> ConfigMap:
    return ConfigMap(metadata=replace(PLAIN, **fields))


def owner(name: str, *, controls: bool = True) -> OwnerReference:
    return OwnerReference(api_version="apps/v1", kind="ReplicaSet", name=name, uid=name, controller=controls)


def test_plain_metadata_has_nothing_wrong() -> None:
    meta = {
        "labels": {"app.kubernetes.io/name": "web", "empty": ""},
        "annotations": {"Example.com/Any": "text"},
        "finalizers": ("example.com/done", "orphan"),
        "owner_references": (owner("a"), owner("b", controls=False)),
    }

    assert wrongs(with_meta(**meta)) == []


def test_an_object_needs_a_name() -> None:
    assert wrongs(with_meta(name="")) == ["metadata.name: Required value: name or generateName is required"]


@pytest.mark.parametrize("name", ["Web", "a_b", "-a", "a.", "a" * 254])
def test_a_name_is_a_dns_subdomain(name: str) -> None:
    found = wrongs(with_meta(name=name))

    assert found
    assert all(sentence.startswith("metadata.name: Invalid value: ") for sentence in found)


def test_the_names_of_roles_need_only_fit_into_a_path() -> None:
    assert wrongs(Role(metadata=replace(PLAIN, name="system:Reader"))) == []
    assert wrongs(Role(metadata=replace(PLAIN, name="a/b"))) == [
        "metadata.name: Invalid value: \"a/b\": may not contain '/'"
    ]


def test_a_generated_name_is_told_by_its_prefix_first() -> None:
    """The author never wrote the rest of the name."""
    prefix, whole = wrongs(with_meta(name="Web-x7x7x", generate_name="Web-"))

    assert prefix.startswith('metadata.generateName: Invalid value: "Web-"')
    assert whole.startswith('metadata.name: Invalid value: "Web-x7x7x"')


@pytest.mark.parametrize("name", ["other/a", "a\0b", "A"])
def test_a_name_is_checked_also_where_a_prefix_stands_beside_it(name: str) -> None:
    """A name with a slash would lie in another namespace, as far as the store's keys go."""
    assert any(
        sentence.startswith("metadata.name: Invalid value: ")
        for sentence in wrongs(with_meta(name=name, generate_name="a-"))
    )


def test_labels_are_checked_by_key_and_value() -> None:
    found = wrongs(with_meta(labels={"a b": "c d"}))

    assert [sentence.split(": ")[:2] for sentence in found] == [["metadata.labels", "Invalid value"]] * 2


def test_annotations_of_more_than_256_kibibytes_are_too_long() -> None:
    """Client-side apply of a big object must fail with this, so that people are told to use server-side apply."""
    assert wrongs(with_meta(annotations={"a": "x" * 262_144})) == [
        "metadata.annotations: Too long: may not be more than 262144 bytes"
    ]
    assert wrongs(with_meta(annotations={"a": "x" * 262_143})) == []


def test_only_one_owner_manages_an_object() -> None:
    (found,) = wrongs(with_meta(owner_references=(owner("a"), owner("b"))))

    assert "Only one reference can have Controller set to true" in found


def test_a_finalizer_names_its_domain() -> None:
    assert wrongs(with_meta(finalizers=("mine",))) == [
        'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully'
        " qualified"
    ]


@pytest.mark.parametrize(
    ("field", "path"),
    [("uid", "metadata.uid"), ("name", "metadata.name"), ("creation_timestamp", "metadata.creationTimestamp")],
)
def test_what_identifies_an_object_never_changes(field: str, path: str) -> None:
    found = wrong_changes(with_meta(**{field: "other"}), with_meta())

    assert found == [f'{path}: Invalid value: "other": field is immutable']


def test_no_finalizer_can_be_added_while_an_object_goes_away() -> None:
    old = with_meta(deletion_timestamp="2026-01-02T03:04:05Z", finalizers=("a.b/c",))
    new = with_meta(deletion_timestamp="2026-01-02T03:04:05Z", finalizers=("a.b/c", "a.b/d"))

    (found,) = wrong_changes(new, old)

    assert found.startswith(
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted"
    )
    assert wrong_changes(old, new) == []
