"""What every namespace starts with, and how one ends."""

from typing import Any, TypeVar

from controllers.world import ControllerSettings
from kube.api.apps_v1 import Deployment
from kube.api.core_v1 import ConfigMap, Namespace, NamespaceSpec, Pod, ServiceAccount
from kube.api.meta_v1 import ObjectMeta
from kube.client import Client
from kube.errors import stale
from kube.kinds import Resource, kind_of
from kube.objects import condition, is_terminating, with_metadata
from tests import make
from tests.kube.fake_client import FakeClient
from tests.scenarios.rooms import cluster

T = TypeVar("T", bound=Resource)
SETTINGS = ControllerSettings(root_ca_pem="-----BEGIN CERTIFICATE-----\n")


def shop() -> Namespace:
    return Namespace(metadata=ObjectMeta(name="shop"), spec=NamespaceSpec(finalizers=("kubernetes",)))


async def test_a_new_namespace_gets_its_service_account_and_the_root_ca(client: Client) -> None:
    async with cluster(client, settings=SETTINGS) as rooms:
        await client.create(shop())

        await rooms.until(lambda: rooms.get(ServiceAccount, "default", "shop"), "the ServiceAccount")
        await rooms.until(lambda: rooms.get(ConfigMap, "kube-root-ca.crt", "shop"), "the root CA")
        assert rooms.one(ConfigMap, "kube-root-ca.crt", "shop").data == {"ca.crt": SETTINGS.root_ca_pem}


async def test_a_changed_root_ca_is_put_right_and_a_deleted_account_comes_back(client: Client) -> None:
    async with cluster(client, settings=SETTINGS) as rooms:
        await client.create(shop())
        await rooms.until(lambda: rooms.get(ConfigMap, "kube-root-ca.crt", "shop"), "the root CA")
        await rooms.until(lambda: rooms.get(ServiceAccount, "default", "shop"), "the ServiceAccount")
        first = rooms.one(ServiceAccount, "default", "shop").metadata.uid

        await client.patch(ConfigMap, "kube-root-ca.crt", {"data": {"ca.crt": "forged"}}, namespace="shop")
        await client.delete(ServiceAccount, "default", namespace="shop")

        await rooms.until(
            lambda: (sa := rooms.get(ServiceAccount, "default", "shop")) and sa.metadata.uid != first, "a new account"
        )
        await rooms.until(
            lambda: rooms.one(ConfigMap, "kube-root-ca.crt", "shop").data["ca.crt"] == SETTINGS.root_ca_pem,
            "the right certificate",
        )


async def test_deleting_a_namespace_takes_everything_in_it_along(server_client: Client) -> None:
    async with cluster(server_client, settings=SETTINGS) as rooms:
        await server_client.create(shop())
        await server_client.create(with_metadata(make.deployment(replicas=3), namespace="shop"))
        await server_client.create(make.deployment(name="web", replicas=1))
        await rooms.until(lambda: len(rooms.pods("shop")) == 3 and rooms.pods(), "the pods")

        await server_client.delete(Namespace, "shop")

        await rooms.until(lambda: rooms.get(Namespace, "shop", "") is None, "the namespace to go")
        for cls in (Deployment, ConfigMap, ServiceAccount):
            await rooms.until(
                lambda cls=cls: not [o for o in rooms.all(cls) if o.metadata.namespace == "shop"],  # type: ignore[misc]
                f"every {cls.__name__} to go",
            )
        assert rooms.get(Deployment, "web") is not None


async def test_a_namespace_waits_for_finalizers_and_says_for_which(server_client: Client) -> None:
    async with cluster(server_client) as rooms:
        await server_client.create(shop())
        held = ConfigMap(metadata=ObjectMeta(name="held", namespace="shop", finalizers=("example.com/hold",)))
        await server_client.create(held)

        await server_client.delete(Namespace, "shop")

        await rooms.until(
            lambda: (
                (c := condition(rooms.one(Namespace, "shop", "").status.conditions, "NamespaceFinalizersRemaining"))
                and c.status == "True"
                and "example.com/hold in 1 resource instances" in c.message
            ),
            "the condition",
        )
        assert is_terminating(rooms.one(ConfigMap, "held", "shop"))
        await server_client.patch(ConfigMap, "held", {"metadata": {"finalizers": []}}, namespace="shop")
        await rooms.until(lambda: rooms.get(Namespace, "shop", "") is None, "the namespace to go")


async def test_what_pods_use_stays_until_the_last_pod_of_a_namespace_has_ended(server_client: Client) -> None:
    """A process that is ending may still need its policies and secrets."""
    async with cluster(server_client) as rooms:
        await server_client.create(shop())
        await server_client.create(ConfigMap(metadata=ObjectMeta(name="used", namespace="shop")))
        ending = with_metadata(make.pod("ending"), namespace="shop", finalizers=("example.com/hold",))
        await server_client.create(ending)

        await server_client.delete(Namespace, "shop")

        await rooms.until(
            lambda: (
                (c := condition(rooms.one(Namespace, "shop", "").status.conditions, "NamespaceContentRemaining"))
                and c.message == "Some resources are remaining: pods has 1 resource instances"
            ),
            "the condition",
        )
        assert not is_terminating(rooms.one(ConfigMap, "used", "shop"))
        await server_client.patch(Pod, "ending", {"metadata": {"finalizers": []}}, namespace="shop")
        await rooms.until(lambda: rooms.get(Namespace, "shop", "") is None, "the namespace to go")


class Contended(FakeClient):
    """Gives the first deletion of a ConfigMap up, as a server does that others are always faster at."""

    has_given_up = False

    async def delete(self, cls: type[T], name: str, **options: Any) -> T | None:
        """Refuse the first one."""
        if cls is ConfigMap and not self.has_given_up:
            self.has_given_up = True
            raise stale(kind_of(ConfigMap), name)
        return await super().delete(cls, name, **options)


async def test_a_namespace_is_not_let_go_before_what_could_not_be_deleted_at_once() -> None:
    client = Contended(ConfigMap(metadata=ObjectMeta(name="busy", namespace="shop")))
    going = with_metadata(shop(), deletion_timestamp="2026-01-02T03:04:05Z", finalizers=("example.com/hold",))
    async with cluster(client) as rooms:
        client.put(going)

        def is_let_go() -> bool:
            found = rooms.get(Namespace, "shop", "")
            return found is not None and not found.spec.finalizers

        await rooms.until(is_let_go, "the namespace to be let go")

        assert client.stored(ConfigMap) == []
