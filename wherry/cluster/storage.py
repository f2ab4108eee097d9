"""Give a cluster a default StorageClass, so that a claim that names none gets a volume.

Writes the StorageClass `local-path`; one that is there stays as it is.
Source: kubernetes.io/docs/concepts/storage/storage-classes (default StorageClass).
"""

from typing import Final

from kube.errors import ApiError
from kube.volumes import DEFAULT_CLASS, LOCAL_PATH
from wherry.connection import Connection, Json

CLASSES: Final = "/apis/storage.k8s.io/v1/storageclasses"


def local_path_class() -> Json:
    """Return the class whose volumes are directories on the node of their pod."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "local-path", "annotations": {DEFAULT_CLASS: "true"}},
        "provisioner": LOCAL_PATH,
        "allowVolumeExpansion": True,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def ensure_default_class(connection: Connection) -> None:
    """Make the class unless it is there."""
    try:
        connection.send("POST", CLASSES, local_path_class())
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
