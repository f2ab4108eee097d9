"""The same rooms as processes of their own have it: every request over TLS, every object decoded from JSON."""

from pathlib import Path

from apiserver.server import ApiServer
from apiserver.settings import ApiServerSettings
from kube.api.apps_v1 import Deployment
from kube.api.core_v1 import Namespace
from kube.api.meta_v1 import ObjectMeta
from kube.config import Access
from kube.http_client import HttpClient
from kube.objects import with_metadata
from tests import make
from tests.scenarios.rooms import cluster


async def test_a_deployment_lives_and_dies_with_its_namespace_over_https(pki_dir: Path) -> None:
    async with ApiServer(ApiServerSettings(pki_dir=pki_dir, port=0)) as server:
        await server.ready()
        access = Access(
            server=server.url,
            ca_pem=(pki_dir / "ca.crt").read_text(),
            certificate_pem=(pki_dir / "admin.crt").read_text(),
            key_pem=(pki_dir / "admin.key").read_text(),
        )
        async with HttpClient(access) as client, cluster(client) as rooms:
            await client.create(Namespace(metadata=ObjectMeta(name="shop")))
            await client.create(with_metadata(make.deployment(replicas=3), namespace="shop"))
            await rooms.until(
                lambda: (d := rooms.get(Deployment, "web", "shop")) and d.status.available_replicas == 3, "three pods"
            )

            await client.delete(Namespace, "shop")

            await rooms.until(lambda: rooms.get(Namespace, "shop", "") is None, "the namespace to go")
            await rooms.until(lambda: not rooms.pods("shop"), "its pods to go")
