"""Which fields differ between two objects, and which ones a configuration sets."""

import time
from typing import Any

from kube.api.apps_v1 import Deployment
from kube.api.core_v1 import ConfigMap, PersistentVolume, Pod, Service
from kube.api.meta_v1 import ObjectMeta
from kube.codec import from_plain
from kube.fields.layout import COMMON_KEYS_MAX, layout_of_object
from kube.fields.plain import fields_of
from kube.fields.sets import FieldSet, path_text, paths
from kube.fields.tracking import compare
from kube.kinds import Resource


def told(fields: FieldSet) -> list[str]:
    """Return a set's paths as text."""
    return [path_text(path) for path in paths(fields)]


def pod(**spec: Any) -> Pod:
    """Return a pod."""
    return from_plain({"metadata": {"name": "web"}, "spec": spec}, Pod)


def set_by(config: dict[str, Any], cls: type[Resource]) -> list[str]:
    """Return the fields that a configuration sets."""
    fields, wrong = fields_of(config, layout_of_object(cls))
    assert not wrong
    return told(fields)


def test_a_new_object_is_its_leaves_and_what_need_not_be_there() -> None:
    """A struct that is always there is nobody's; a map, a list or an optional struct that comes into being is."""
    made: Deployment = from_plain(
        {
            "metadata": {"name": "web", "labels": {"app": "web"}, "generation": 3},
            "spec": {"replicas": 2, "strategy": {"rollingUpdate": {"maxSurge": 1}}, "selector": {"matchLabels": {}}},
        },
        Deployment,
    )

    assert told(compare(Deployment(), made).changed) == [
        ".metadata.labels",
        ".metadata.labels.app",
        ".spec.replicas",
        ".spec.selector",
        ".spec.strategy.rollingUpdate",
        ".spec.strategy.rollingUpdate.maxSurge",
    ]


def test_every_key_of_a_map_counts_however_many_there_are() -> None:
    """A few keys are looked up as those of many objects, many keys are not."""
    for count in (1, COMMON_KEYS_MAX, COMMON_KEYS_MAX + 1):
        labels = {f"key-{number}": "x" for number in range(count)}

        found = compare(ConfigMap(), from_plain({"metadata": {"name": "a", "labels": labels}}, ConfigMap))

        assert len(told(found.changed)) == count + 1  # And the map itself.


def test_items_are_compared_by_their_keys_and_order_is_nobodys() -> None:
    old = pod(containers=[{"name": "a", "image": "1"}, {"name": "b", "image": "1"}, {"name": "c"}])
    new = pod(containers=[{"name": "d"}, {"name": "b", "image": "2"}, {"name": "a", "image": "1"}])

    found = compare(old, new)

    assert told(found.changed) == [
        '.spec.containers[name="b"].image',
        '.spec.containers[name="d"]',
        '.spec.containers[name="d"].name',
        '.spec.containers[name="d"].resources',
    ]
    gone = '.spec.containers[name="c"]'
    assert told(found.removed) == [gone, f"{gone}.name", f"{gone}.resources"]


def test_atoms_change_as_a_whole() -> None:
    old = pod(nodeSelector={"a": "1"}, tolerations=[{"key": "a"}], imagePullSecrets=[{"name": "x"}])
    new = pod(nodeSelector={"a": "2", "b": "1"}, tolerations=[{"key": "b"}], imagePullSecrets=[{"name": "y"}])

    found = compare(old, new)

    assert told(found.changed) == ['.spec.imagePullSecrets[name="y"]', ".spec.nodeSelector", ".spec.tolerations"]
    assert told(found.removed) == ['.spec.imagePullSecrets[name="x"]']


def test_a_reference_that_is_an_atom_elsewhere_is_granular_where_the_field_says_so() -> None:
    volume: PersistentVolume = from_plain({"spec": {"claimRef": {"name": "c", "uid": "1"}}}, PersistentVolume)

    found = compare(PersistentVolume(), volume)

    assert told(found.changed) == [".spec.claimRef", ".spec.claimRef.name", ".spec.claimRef.uid"]


def test_a_set_changes_by_its_values() -> None:
    old: ConfigMap = from_plain({"metadata": {"finalizers": ["a/1", "a/2"]}}, ConfigMap)
    new: ConfigMap = from_plain({"metadata": {"finalizers": ["a/2", "a/3"]}}, ConfigMap)

    found = compare(old, new)

    assert (told(found.changed), told(found.removed)) == (
        ['.metadata.finalizers[="a/3"]'],
        ['.metadata.finalizers[="a/1"]'],
    )


def test_a_configuration_sets_its_leaves_items_and_keys_but_not_the_way_to_them() -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "labels": {"app": "web"}, "annotations": {}},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}, "externalName": None},
    }

    assert set_by(config, Service) == [
        ".metadata.annotations",
        ".metadata.labels.app",
        ".spec.externalName",
        '.spec.ports[port=80,protocol="TCP"]',
        '.spec.ports[port=80,protocol="TCP"].port',
        ".spec.selector",
    ]


def test_items_that_cannot_be_told_apart_are_told() -> None:
    secrets = [{"name": "s"}, {}]
    config = {
        "spec": {
            "containers": [{"name": "a"}, {"name": "a"}],
            "initContainers": [{"image": "x"}],
            "imagePullSecrets": secrets,
        }
    }

    _, wrong = fields_of(config, layout_of_object(Pod))

    assert wrong == [
        '.spec.containers: duplicate entries for key [name="a"]',
        '.spec.initContainers: associative list with keys has an element that omits key field "name" '
        "(and doesn't have default value)",
    ]


def test_a_key_that_is_no_number_is_not_taken_for_the_number_that_it_equals() -> None:
    """Elements are remembered by their keys, and in Python True is 1."""
    layout = layout_of_object(Service)

    def set_by(port: Any) -> list[str]:
        fields, wrong = fields_of({"spec": {"ports": [{"port": port, "protocol": "TCP"}]}}, layout)
        assert not wrong
        return [path_text(path) for path in paths(fields)]

    assert set_by(1)[0] == '.spec.ports[port=1,protocol="TCP"]'
    assert set_by(True)[0] == '.spec.ports[port=true,protocol="TCP"]'
    assert set_by(1.0)[0] == '.spec.ports[port=1.0,protocol="TCP"]'


def test_sets_of_very_many_values_are_compared_in_time() -> None:
    """Comparing each with each would keep everybody else waiting."""
    old, new = (
        ConfigMap(metadata=ObjectMeta(finalizers=tuple(f"example.com/{side}-{number}" for number in range(20_000))))
        for side in ("old", "new")
    )

    started_s = time.process_time()
    found = compare(old, new)

    assert time.process_time() - started_s < 2
    assert (len(told(found.changed)), len(told(found.removed))) == (20_000, 20_000)
