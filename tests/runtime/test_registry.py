"""Pulling from a real registry, with and without authentication, and from one that misbehaves."""

import asyncio
import base64
import gzip
import hashlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from kube import image_names
from nodeagent.cri.client import Cri, CriError
from nodeagent.cri.values import LayerProgress
from nodeagent.runtime.errors import Reason, RuntimeRefusal
from nodeagent.runtime.images import registry as registries_module
from nodeagent.runtime.images.layers import CorruptLayerError
from nodeagent.runtime.images.model import Credentials, Image
from nodeagent.runtime.images.progress import Arrivals, Progress
from nodeagent.runtime.images.registry import Registries, is_loopback
from nodeagent.runtime.images.store import ImageStore
from proto import cri_v1 as cri
from tests.runtime.machine import Client, RuntimeProcess, settings_in
from tests.runtime.registry_process import running_registry
from tests.runtime.test_unpack import entry, layer

pytestmark = pytest.mark.root

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    """An empty store."""
    return ImageStore(tmp_path / "images", tmp_path / "state")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's docker-registry on a loopback port; gives host:port."""
    with running_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


class Content:
    """An image as a registry serves it: blobs and manifests by digest, tags."""

    def __init__(self, *layers: bytes, architecture: str = "amd64") -> None:
        self.blobs = {_digest(item): item for item in map(gzip.compress, layers)}
        described = [{"digest": digest, "size": len(data)} for digest, data in self.blobs.items()]
        config = json.dumps(
            {
                "architecture": architecture,
                "os": "linux",
                "config": {"Cmd": ["/bin/sh"], "User": "7:8"},
                "rootfs": {"type": "layers", "diff_ids": [_digest(item) for item in layers]},
            }
        ).encode()
        self.blobs[_digest(config)] = config
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "layers": described}
        manifest["config"] = {"digest": _digest(config), "size": len(config)}
        self.manifest = json.dumps(manifest).encode()
        platform = {"architecture": architecture, "os": "linux"}
        chosen = {"digest": _digest(self.manifest), "size": len(self.manifest), "platform": platform}
        self.index = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [chosen]}).encode()


class FakeRegistry:
    """A registry that does as it is told."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.requests: list[str] = []
        self.refuse: Callable[[web.BaseRequest], web.Response | None] = lambda _: None
        self.address = ""
        self.cuts: list[int] = []
        self.knows_ranges = True
        self.sent_bytes = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request."""
        self.requests.append(request.path)
        refused = self.refuse(request)
        if refused is not None:
            return refused
        name = request.path.rpartition("/")[2]
        if name == "1":
            return web.Response(body=self.content.index, content_type=_INDEX)
        if name == _digest(self.content.manifest):
            return web.Response(body=self.content.manifest, content_type=_MANIFEST)
        blob = self.content.blobs.get(name)
        return await self._blob(request, blob) if blob is not None else web.Response(status=404)

    async def _blob(self, request: web.BaseRequest, blob: bytes) -> web.StreamResponse:
        """Send a blob, or what was asked for of it; `cuts`: after so many bytes of an answer the connection breaks."""
        start = int(request.headers.get("Range", "bytes=0-")[6:-1]) if self.knows_ranges else 0
        rest = blob[start:]
        response = web.StreamResponse(status=206 if start else 200, headers={"Content-Length": str(len(rest))})
        await response.prepare(request)
        cut = self.cuts.pop(0) if self.cuts and len(rest) > self.cuts[0] else 0
        sent = rest[:cut] if cut else rest
        self.sent_bytes += len(sent)
        await response.write(sent)
        if cut and request.transport is not None:
            request.transport.close()
        return response


@asynccontextmanager
async def serving(content: Content) -> AsyncIterator[FakeRegistry]:
    """Serve `content` on loopback."""
    fake = FakeRegistry(content)
    runner = web.ServerRunner(web.Server(fake.answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.address = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()


async def _pull(fake: FakeRegistry, store: ImageStore, tag: str = "1", **credentials: str) -> Image:
    name = image_names.parse(f"{fake.address}/team/web:{tag}")
    return await pull(name, Credentials(**credentials), Registries(), store)


async def pull(
    name: image_names.Reference,
    credentials: Credentials,
    registries: Registries,
    store: ImageStore,
    arrivals: Arrivals | None = None,
    progress: Progress | None = None,
) -> Image:
    """Pull as a runtime does that pulls nothing else."""
    arrivals, progress = arrivals or Arrivals(), progress or Progress()
    return await registries_module.pull(name, credentials, registries, store, arrivals=arrivals, progress=progress)


async def test_an_image_pushed_by_another_tool_is_pulled_and_runs(client: Client, registry: str, layout: Path) -> None:
    name = f"{registry}/team/busybox:1"
    copy = ["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", f"oci:{layout}:v1", f"docker://{name}"]
    await asyncio.to_thread(subprocess.run, copy, check=True, capture_output=True)

    request = cri.PullImageRequest(image=cri.ImageSpec(image=name))
    pulled = (await client.images.pull_image(request)).image_ref
    output = await client.output(await client.pod(), image=name)
    described = (await client.images.image_status(cri.ImageStatusRequest(image=cri.ImageSpec(image=name)))).image
    await client.images.remove_image(cri.RemoveImageRequest(image=cri.ImageSpec(image=name)))
    gone = await client.images.image_status(cri.ImageStatusRequest(image=cri.ImageSpec(image=name)))

    assert output == "uid=1000(web) gid=1001(web) groups=1001(web),1002(extra)"
    assert described.id == pulled
    assert described.username == "web"
    assert described.repo_digests[0].startswith(f"{registry}/team/busybox@sha256:")
    assert not gone.HasField("image")


async def test_an_index_is_followed_and_layers_that_are_here_are_not_fetched_again(store: ImageStore) -> None:
    async with serving(Content(layer(entry("a")), layer(entry("b")))) as fake:
        first = await _pull(fake, store)
        before = len(fake.requests)
        second = await _pull(fake, store)

    assert first == second
    assert first.repo_tags == (f"{fake.address}/team/web:1",)
    assert first.repo_digests == (f"{fake.address}/team/web@{_digest(fake.content.index)}",)
    assert (before, len(fake.requests) - before) == (5, 3)


async def test_another_platforms_image_is_refused_by_name(store: ImageStore) -> None:
    async with serving(Content(layer(entry("a")), architecture="s390x")) as fake:
        with pytest.raises(ValueError, match="made for linux/s390x"):
            await _pull(fake, store)


async def test_an_unknown_tag_is_not_found(store: ImageStore) -> None:
    async with serving(Content()) as fake:
        with pytest.raises(RuntimeRefusal, match="check name and tag") as caught:
            await _pull(fake, store, tag="absent")

    assert caught.value.reason is Reason.NOT_FOUND


async def test_a_manifest_with_another_digest_is_refused(store: ImageStore) -> None:
    async with serving(Content(layer(entry("a")))) as fake:
        true = fake.content.manifest
        fake.refuse = lambda request: web.Response(body=true + b" ") if request.path.endswith(_digest(true)) else None
        with pytest.raises(CorruptLayerError, match="the registry is at fault"):
            await _pull(fake, store)


async def test_a_layer_with_another_digest_is_refused_and_leaves_nothing(store: ImageStore) -> None:
    async with serving(Content(layer(entry("a")))) as fake:
        digest = next(iter(fake.content.blobs))
        fake.content.blobs[digest] = gzip.compress(layer(entry("b")))
        with pytest.raises(CorruptLayerError, match="the registry is at fault"):
            await _pull(fake, store)

    assert store.all() == []
    assert list((store.folder / "layers").iterdir()) == []
    assert list((store.folder / "new").iterdir()) == []


async def test_basic_authentication_is_answered_when_asked_for(store: ImageStore) -> None:
    expected = "Basic " + base64.b64encode(b"ann:secret").decode()

    def guard(request: web.BaseRequest) -> web.Response | None:
        if request.headers.get("Authorization") == expected:
            return None
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})

    async with serving(Content(layer(entry("a")))) as fake:
        fake.refuse = guard
        image = await _pull(fake, store, username="ann", password="secret")
        with pytest.raises(RuntimeRefusal, match="pull secret") as caught:
            await _pull(fake, store, username="ann", password="wrong")

    assert image.layers
    assert caught.value.reason is Reason.UNAUTHENTICATED


async def test_a_token_is_fetched_with_the_credentials_and_used(store: ImageStore) -> None:
    async with serving(Content(layer(entry("a")))) as fake:

        def guard(request: web.BaseRequest) -> web.Response | None:
            if request.path == "/token":
                assert request.query["scope"] == "repository:team/web:pull"
                is_known = request.headers.get("Authorization", "").startswith("Basic ")
                return web.json_response({"token": "t0k3n"}) if is_known else web.Response(status=403)
            if request.headers.get("Authorization") == "Bearer t0k3n":
                return None
            realm = f'Bearer realm="http://{fake.address}/token",service="s",scope="repository:team/web:pull"'
            return web.Response(status=401, headers={"WWW-Authenticate": realm})

        fake.refuse = guard
        image = await _pull(fake, store, username="ann", password="secret")
        with pytest.raises(RuntimeRefusal) as caught:
            await _pull(fake, ImageStore(store.folder.parent / "other", store.folder))

    assert image.layers
    assert caught.value.reason is Reason.UNAUTHENTICATED


async def test_a_registry_that_is_busy_is_asked_again(store: ImageStore) -> None:
    async with serving(Content(layer(entry("a")))) as fake:
        busy = iter([429, 503])

        def refuse(_: web.BaseRequest) -> web.Response | None:
            status = next(busy, 0)
            return web.Response(status=status) if status else None

        fake.refuse = refuse
        image = await _pull(fake, store)

    assert image.layers


async def test_a_registry_that_says_when_is_asked_no_sooner(store: ImageStore) -> None:
    async with serving(Content(layer(entry("a")))) as fake:
        times: list[float] = []

        def refuse(_: web.BaseRequest) -> web.Response | None:
            times.append(asyncio.get_running_loop().time())
            return web.Response(status=429, headers={"Retry-After": "1"}) if len(times) == 1 else None

        fake.refuse = refuse
        image = await _pull(fake, store)

    assert image.layers
    assert times[1] - times[0] >= 1


async def test_a_layer_that_two_pulls_need_is_fetched_once(store: ImageStore) -> None:
    """Their images may differ: the second finds the layer when its turn comes."""
    shared = layer(entry("a", content=os.urandom(100_000)))
    one, two = Content(shared, layer(entry("b"))), Content(shared, layer(entry("c")))
    arrivals = Arrivals()
    async with serving(one) as first, serving(two) as second:
        names = [image_names.parse(f"{fake.address}/web:1") for fake in (first, second)]
        images = await asyncio.gather(
            *(pull(name, Credentials(), Registries(), store, arrivals=arrivals) for name in names)
        )

    blobs = [next(iter(content.blobs)) for content in (one, two)]
    fetched = [sum(blob in path for path in fake.requests) for blob, fake in zip(blobs, (first, second), strict=True)]
    assert fetched in ([1, 0], [0, 1])
    assert images[0].layers[0] == images[1].layers[0]


async def test_who_waited_for_a_fetch_that_failed_fetches_itself(store: ImageStore) -> None:
    content, arrivals = Content(layer(entry("a", content=os.urandom(100_000)))), Arrivals()
    async with serving(content) as broken, serving(content) as sound:
        broken.cuts = [10] * 9
        names = [image_names.parse(f"{fake.address}/web:1") for fake in (broken, sound)]
        answers = await asyncio.gather(
            *(pull(name, Credentials(), Registries(), store, arrivals=arrivals) for name in names),
            return_exceptions=True,
        )

    assert isinstance(answers[1], Image)


async def test_a_pull_tells_how_far_it_is(store: ImageStore) -> None:
    content = Content(layer(entry("a", content=os.urandom(100_000))), layer(entry("b")))
    progress = Progress()
    async with serving(content) as fake:
        await _pull(fake, store)
        before = len(fake.requests)
        await pull(image_names.parse(f"{fake.address}/web:1"), Credentials(), Registries(), store, progress=progress)

    told = json.loads(progress.told())
    assert len(fake.requests) == before + 3
    assert [item["is_here"] for item in told] == [True, True]
    assert [item["done_bytes"] for item in told] == [item["size_bytes"] for item in told]
    assert sum(item["size_bytes"] for item in told) > 100_000


async def test_the_socket_streams_how_far_a_pull_is(shared_runtime: RuntimeProcess) -> None:
    """Each message tells more than the one before; the last names the image."""
    cri_client = Cri(f"unix://{shared_runtime.settings.socket_path}")
    told: list[list[LayerProgress]] = []
    async with serving(Content(layer(entry("a", content=os.urandom(100_000))))) as fake:
        image = await cri_client.pull_telling(f"{fake.address}/web:1", told.append)
        with pytest.raises(CriError, match="its registry has no") as caught:
            await cri_client.pull_telling(f"{fake.address}/web:2", told.append)
    await cri_client.remove_image(image)
    await cri_client.close()

    assert image.startswith("sha256:")
    assert caught.value.code == "NOT_FOUND"
    assert [layer.is_here for layer in told[-1]] == [True]
    assert told[-1][0].done_bytes == told[-1][0].size_bytes > 100_000


async def test_credentials_do_not_follow_a_redirect_to_another_host(store: ImageStore) -> None:
    """Registries send blobs from storage of others, who must not learn the password."""
    async with serving(Content(layer(entry("a")))) as storage, serving(storage.content) as fake:
        leaked: list[str] = []

        def redirect(request: web.BaseRequest) -> web.Response | None:
            if "Authorization" not in request.headers:
                return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})
            if "/blobs/" in request.path:
                return web.Response(status=307, headers={"Location": f"http://{storage.address}{request.path}"})
            return None

        def listen(request: web.BaseRequest) -> web.Response | None:
            leaked.extend(request.headers.getall("Authorization", []))
            return None

        fake.refuse, storage.refuse = redirect, listen
        image = await _pull(fake, store, username="ann", password="secret")

    assert image.layers
    assert storage.requests
    assert leaked == []


async def test_a_registry_that_is_not_there_is_unavailable(store: ImageStore) -> None:
    name = image_names.parse("127.0.0.1:1/web:1")

    with pytest.raises(RuntimeRefusal, match="can't be reached") as caught:
        await pull(name, Credentials(), Registries(), store)

    assert caught.value.reason is Reason.UNAVAILABLE


@pytest.mark.parametrize(("knows_ranges", "most"), [(True, 0), (False, 150_000)])
async def test_a_layer_goes_on_where_the_connection_broke(store: ImageStore, knows_ranges: bool, most: int) -> None:
    """A registry that knows no ranges sends all of it again."""
    content = Content(layer(entry("a", content=os.urandom(300_000))))
    size = sum(map(len, content.blobs.values()))
    async with serving(content) as fake:
        fake.knows_ranges, fake.cuts = knows_ranges, [50_000, 100_000 - knows_ranges * 50_000]
        image = await _pull(fake, store)

    assert (store.layer_path(image.layers[0]) / "a").stat().st_size == 300_000
    assert fake.cuts == []
    assert fake.sent_bytes == size + most


async def test_a_connection_that_breaks_again_and_again_is_given_up(store: ImageStore) -> None:
    async with serving(Content(layer(entry("a", content=os.urandom(300_000))))) as fake:
        fake.cuts = [1000] * 9
        with pytest.raises(RuntimeRefusal, match="can't be reached") as caught:
            await _pull(fake, store)

    assert caught.value.reason is Reason.UNAVAILABLE
    assert list((store.folder / "new").iterdir()) == []


async def test_a_mirror_is_asked_first_and_hears_no_password(store: ImageStore) -> None:
    name = image_names.parse("registry.invalid/team/web:1")
    async with serving(Content(layer(entry("a")))) as mirror:
        heard: list[str] = []

        def listen(request: web.BaseRequest) -> web.Response | None:
            heard.extend(request.headers.getall("Authorization", []))
            return None

        mirror.refuse = listen
        registries = Registries(mirrors=(f"registry.invalid={mirror.address}",))
        image = await pull(name, Credentials("ann", "secret"), registries, store)

    assert image.repo_tags == ("registry.invalid/team/web:1",)
    assert image.repo_digests == (f"registry.invalid/team/web@{_digest(mirror.content.index)}",)
    assert heard == []


async def test_what_its_mirrors_lack_or_spoil_comes_from_the_registry(store: ImageStore) -> None:
    async with serving(Content(layer(entry("a")))) as spoiling, serving(spoiling.content) as registry:
        spoiling.refuse = lambda _: web.Response(body=b"{}")
        mirrors = (f"{registry.address}=127.0.0.1:1", f"{registry.address}={spoiling.address}")
        name = image_names.parse(f"{registry.address}/team/web:1")
        image = await pull(name, Credentials(), Registries(mirrors=mirrors), store)

    assert image.layers
    assert spoiling.requests
    assert registry.requests


def test_a_mirror_may_keep_a_registry_below_a_prefix() -> None:
    registries = Registries(insecure=("cache:5000",), mirrors=("docker.io=cache:5000/hub", "quay.io=mirror.local"))

    assert [registries.url(place) for place in registries.mirrors_of("docker.io")] == ["http://cache:5000/v2/hub"]
    assert [registries.url(place) for place in registries.mirrors_of("quay.io")] == ["https://mirror.local/v2"]


def test_only_loopback_is_spoken_to_without_tls() -> None:
    assert all(map(is_loopback, ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000"]))
    assert not any(map(is_loopback, ["localhost.example.com", "10.0.0.1:5000", "docker.io", "registry"]))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[RuntimeProcess]:
    """A runtime whose images have 4 MB of room."""
    runtime = RuntimeProcess(settings_in(tmp_path))
    images = runtime.settings.image_dir
    images.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(images)], check=True)
    runtime.start()
    yield runtime
    runtime.stop()
    subprocess.run(["umount", "--lazy", str(images)], check=True)
    runtime.purge()


async def test_a_full_disk_fails_one_pull_and_leaves_nothing(small_disk: RuntimeProcess) -> None:
    images, client = small_disk.settings.image_dir, Client(small_disk.settings)
    big, small = (layer(entry("data", content=os.urandom(size))) for size in (8 << 20, 1 << 20))
    async with serving(Content(big)) as full, serving(Content(small)) as fits:
        code, message = await client.refusal(client.images.pull_image(_pull_request(full)))
        left = [path.name for part in ("images", "layers", "names", "new") for path in (images / part).iterdir()]
        await client.images.pull_image(_pull_request(fits))

    assert code == "RESOURCE_EXHAUSTED"
    assert f"the disk with {images} is full" in message
    assert left == []
    await client.channel.close()


def _pull_request(fake: FakeRegistry) -> cri.PullImageRequest:
    return cri.PullImageRequest(image=cri.ImageSpec(image=f"{fake.address}/app:1"))
