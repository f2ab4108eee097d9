"""What stands between a valid-looking request and the store for every kind: its namespace must be there and stay.

Source: kubernetes.io/docs/reference/access-authn-authz/admission-controllers, section NamespaceLifecycle.
"""

from typing import Final

from apiserver.strategy import Reader
from kube.api.core_v1 import Namespace
from kube.api.meta_v1 import StatusCause
from kube.errors import forbidden, not_found
from kube.kinds import Kind, kind_of
from kube.objects import is_terminating

_NAMESPACE: Final = kind_of(Namespace)


async def admit_into_namespace(kind: Kind, namespace: str, name: str, objects: Reader) -> None:
    """Return if an object may be created in a namespace. Raises ApiError 404 or 403."""
    if not kind.namespaced:
        return
    found = objects.get(Namespace, namespace) or await objects.fetch(Namespace, namespace)
    if found is None:
        raise not_found(_NAMESPACE, namespace)
    if is_terminating(found) or found.status.phase == "Terminating":
        detail = f"unable to create new content in namespace {namespace} because it is being terminated"
        cause = StatusCause(
            field="metadata.namespace",
            message=f"namespace {namespace} is being terminated",
            reason="NamespaceTerminating",
        )
        raise forbidden(kind, name, f'{kind.resource} "{name}" is forbidden: {detail}', (cause,))
