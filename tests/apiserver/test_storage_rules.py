"""Volumes, claims, classes and what drivers tell of themselves: what is refused, what stays as it is."""

import pytest

from kube.api.core_v1 import PersistentVolume, PersistentVolumeClaim
from kube.api.storage_v1 import (
    CSIDriver,
    CSINode,
    CSIStorageCapacity,
    StorageClass,
    VolumeAttachment,
    VolumeAttributesClass,
)
from kube.kinds import Resource
from tests.apiserver.material import context, parsed, rules_of, wrong_changes, wrongs

CLAIM = "metadata: {name: a, namespace: b}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}"
VOLUME = "metadata: {name: a}, spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}"
DRIVER = "csi: {driver: d.io, volumeHandle: h"


@pytest.mark.parametrize(
    ("cls", "text", "sentence"),
    [
        (
            PersistentVolume,
            VOLUME + ", csi: {driver: d.io}}",
            "spec.csi.volumeHandle: Required value",
        ),
        (
            PersistentVolume,
            VOLUME + ", nfs: {server: s, path: /p}, volumeAttributesClassName: v}",
            "spec.csi: Required value: has to be specified when using volumeAttributesClassName",
        ),
        (
            PersistentVolume,
            VOLUME.replace("storage", "cpu") + ", nfs: {server: s, path: /p}}",
            'spec.capacity: Unsupported value: {"cpu":"1Gi"}: supported values: "storage"',
        ),
        (
            PersistentVolumeClaim,
            CLAIM.replace("ReadWriteOnce", "Often") + "}",
            'spec.accessModes: Unsupported value: "Often": supported values: "ReadOnlyMany", "ReadWriteMany",'
            ' "ReadWriteOnce", "ReadWriteOncePod"',
        ),
        (
            PersistentVolumeClaim,
            CLAIM + ", dataSource: {kind: Thing, name: t}}",
            "spec.dataSource: Invalid value: \"Thing\": must be 'PersistentVolumeClaim' when referencing the default"
            " apiGroup",
        ),
        (
            StorageClass,
            "metadata: {name: a}, provisioner: x.io/y, allowedTopologies: [{matchLabelExpressions: [{key: z}]}]",
            "allowedTopologies[0].matchLabelExpressions[0].values: Required value",
        ),
        (
            StorageClass,
            "metadata: {name: a}, provisioner: x.io/y, allowedTopologies:"
            " [{matchLabelExpressions: [{key: z, values: [a]}]}, {matchLabelExpressions: [{key: z, values: [a]}]}]",
            'allowedTopologies[1].matchLabelExpressions: Duplicate value: ""',
        ),
        (
            PersistentVolume,
            "metadata: {name: a}, spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi},"
            " local: {path: /a/../b}}",
            "spec.local.path: Invalid value: \"/a/../b\": must not contain '..'",
        ),
        (
            CSIDriver,
            "metadata: {name: d.io}, spec: {tokenRequests: [{audience: a, expirationSeconds: 1}]}",
            "spec.tokenRequests[0].expirationSeconds: Invalid value: 1:"
            " may not specify a duration less than 10 minutes",
        ),
        (
            CSINode,
            "metadata: {name: a}, spec: {drivers: [{name: d.io, nodeID: n}, {name: d.io, nodeID: n}]}",
            'spec.drivers[1].name: Duplicate value: "d.io"',
        ),
        (
            CSIStorageCapacity,
            "metadata: {name: a, namespace: b}, storageClassName: x, capacity: '-1'",
            'capacity: Invalid value: "-1": must be greater than or equal to 0',
        ),
        (
            VolumeAttachment,
            "metadata: {name: a}, spec: {attacher: d.io, nodeName: n}",
            "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
        (
            VolumeAttributesClass,
            "metadata: {name: a}, driverName: d.io",
            "parameters: Required value: must contain at least one key/value pair",
        ),
    ],
)
def test_wrong_storage_is_refused_with_the_field_that_is_wrong(cls: type[Resource], text: str, sentence: str) -> None:
    assert sentence in wrongs(parsed(cls, f"{{{text}}}"))


@pytest.mark.parametrize(
    ("cls", "old", "new", "field"),
    [
        (
            PersistentVolume,
            VOLUME + f", {DRIVER}}}}}",
            VOLUME + f", {DRIVER}, fsType: xfs}}}}",
            "spec.persistentvolumesource: Forbidden",
        ),
        (
            StorageClass,
            "metadata: {name: a}, provisioner: x.io/y",
            "metadata: {name: a}, provisioner: x.io/z",
            "provisioner: Invalid value",
        ),
        (
            VolumeAttributesClass,
            "metadata: {name: a}, driverName: d.io, parameters: {a: b}",
            "metadata: {name: a}, driverName: d.io, parameters: {a: c}",
            "parameters: Forbidden",
        ),
        (
            VolumeAttachment,
            "metadata: {name: a}, spec: {attacher: d.io, nodeName: n, source: {persistentVolumeName: p}}",
            "metadata: {name: a}, spec: {attacher: d.io, nodeName: m, source: {persistentVolumeName: p}}",
            "spec: Invalid value",
        ),
    ],
)
def test_what_storage_stands_for_does_not_change(cls: type[Resource], old: str, new: str, field: str) -> None:
    (found,) = wrong_changes(parsed(cls, f"{{{new}}}"), parsed(cls, f"{{{old}}}"))

    assert found.startswith(field)


def test_the_secret_by_which_a_volume_grows_may_be_added_later() -> None:
    secret = "controllerExpandSecretRef: {name: a, namespace: b}"
    old = parsed(PersistentVolume, f"{{{VOLUME}, {DRIVER}}}}}}}")
    new = parsed(PersistentVolume, f"{{{VOLUME}, {DRIVER}, {secret}}}}}}}")

    assert wrong_changes(new, old) == []


def test_a_claims_data_source_is_told_in_both_fields() -> None:
    """Older provisioners read the one, newer ones the other."""
    claim = parsed(PersistentVolumeClaim, f"{{{CLAIM}, dataSource: {{kind: PersistentVolumeClaim, name: p}}}}}}")

    made = rules_of(PersistentVolumeClaim).prepare_create(claim, context())

    assert made.spec.data_source_ref is not None
    assert (made.spec.data_source_ref.kind, made.spec.data_source_ref.name) == ("PersistentVolumeClaim", "p")
