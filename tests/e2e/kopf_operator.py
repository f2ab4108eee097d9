"""A small operator written with kopf: it greets ConfigMaps, follows their changes, and says farewell."""

from typing import Any

import kopf

LABELS = {"greeted": "yes"}


@kopf.on.create("v1", "configmaps", labels=LABELS)
def greet(name: str, patch: kopf.Patch, **_: Any) -> None:
    """Write a greeting on a new ConfigMap."""
    patch.metadata.annotations["greeting"] = f"hello {name}"


@kopf.on.update("v1", "configmaps", labels=LABELS, field="data")
def follow(new: Any, patch: kopf.Patch, **_: Any) -> None:
    """Note what has been changed."""
    patch.metadata.annotations["changed"] = ",".join(sorted(new))


@kopf.on.delete("v1", "configmaps", labels=LABELS)
def farewell(body: kopf.Body, **_: Any) -> None:
    """Tell it in an Event; kopf holds the object with a finalizer until this is done."""
    kopf.info(body, reason="Farewell", message="goodbye")
