"""Give every namespace what its pods expect: the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`.

Reads Namespaces, ServiceAccounts and ConfigMaps; writes those two, and puts the ConfigMap right when it was changed.
Source: kubernetes.io/docs/concepts/security/service-accounts (default service account), KEP-1205.
"""

from typing import Final

from msgspec.structs import replace

from controllers.world import World, again_after_conflict, is_terminating_namespace
from kube.api.core_v1 import ConfigMap, Namespace, ServiceAccount
from kube.api.meta_v1 import ObjectMeta
from kube.controller import Controller
from kube.errors import ApiError
from kube.kinds import Resource
from kube.objects import ObjectKey, is_terminating

ACCOUNT: Final = "default"
ROOT_CA: Final = "kube-root-ca.crt"
_NOTE: Final = {
    "kubernetes.io/description": "The certificates that verify the API server at its addresses inside the cluster."
}


def root_ca_map(namespace: str, pem: str, found: ConfigMap | None) -> ConfigMap | None:
    """Return the ConfigMap to write, None where `found` holds what it should."""
    data = {"ca.crt": pem}
    if found is not None:
        return None if found.data == data else replace(found, data=data)
    return ConfigMap(metadata=ObjectMeta(name=ROOT_CA, namespace=namespace, annotations=_NOTE), data=data)


class Accounts:
    """The controller of what each namespace starts with. Its keys are namespaces."""

    def __init__(self, world: World, *, workers: int = 2) -> None:
        self._world = world
        self._namespaces = world.informers.of(Namespace)
        self._accounts = world.informers.of(ServiceAccount)
        self._maps = world.informers.of(ConfigMap)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("accounts", reconcile, workers=workers, clock=world.clock)
        self.controller.hear(self._namespaces)
        self.controller.hear(self._accounts, lambda obj: _namespace_if(obj, ACCOUNT))
        self.controller.hear(self._maps, lambda obj: _namespace_if(obj, ROOT_CA))

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Make what is missing in one namespace."""
        namespace = self._namespaces.get(key.name)
        if namespace is None or is_terminating(namespace):
            return None
        if self._accounts.get(ACCOUNT, key.name) is None:
            account = ServiceAccount(metadata=ObjectMeta(name=ACCOUNT, namespace=key.name))
            await self._create(key, account)
        pem = self._world.settings.root_ca_pem
        found = self._maps.get(ROOT_CA, key.name)
        wanted = root_ca_map(key.name, pem, found) if pem else None
        if wanted is not None and found is not None:
            self.controller.wrote(key, await self._world.client.update(wanted))
        elif wanted is not None:
            await self._create(key, wanted)
        return None

    async def _create(self, key: ObjectKey, obj: Resource) -> None:
        try:
            self.controller.wrote(key, await self._world.client.create(obj))
        except ApiError as error:
            if error.reason != "AlreadyExists" and not is_terminating_namespace(error) and error.code != 404:
                raise


def _namespace_if(obj: Resource, name: str) -> list[ObjectKey]:
    return [ObjectKey("", obj.metadata.namespace)] if obj.metadata.name == name else []
