"""`wherry image`: the images that a node of this machine has."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from nodeagent.cri.client import UNAVAILABLE, Cri, CriError
from nodeagent.runtime.images.archive import import_archive
from nodeagent.settings import AgentSettings
from wherry.cluster.layout import DEFAULT_CLUSTER, Layout
from wherry.cluster.nodes import found_settings, node_names
from wherry.context import Context
from wherry.output import human_size, table
from wherry.pull_display import PullDisplay
from wherry.targets import UsageError


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--node", default="", help="which node, where the cluster has several on this machine")
    verbs = parser.add_subparsers(dest="image_verb", required=True, metavar="VERB")
    verbs.add_parser("ls", help="list images")
    importing = verbs.add_parser("import", help="take an image from an archive or a root file system")
    importing.add_argument(
        "path", type=Path, help="docker-archive, OCI layout (directory or tar), root directory or tar"
    )
    importing.add_argument("name", nargs="?", default="", help="what to call it; archives may name it themselves")
    pulling = verbs.add_parser("pull", help="fetch an image from its registry")
    pulling.add_argument("name")
    removing = verbs.add_parser("rm", help="remove images")
    removing.add_argument("names", nargs="+", metavar="name")


def run(context: Context) -> int:
    """Do what the verb says."""
    verbs: dict[str, Callable[[Context], int]] = {"ls": _list, "import": _import, "pull": _pull, "rm": _remove}
    return verbs[context.args.image_verb](context)


def _asked(context: Context, question: Callable[[Cri], Awaitable[None]]) -> None:
    """Ask the runtime of a node. Raises UsageError for what it refuses."""

    async def ask() -> None:
        settings = _settings(context)
        cri = Cri(settings.endpoint)
        try:
            await question(cri)
        except CriError as error:
            raise UsageError(f"image: {error}{_remedy(error, settings)}") from error
        finally:
            await cri.close()

    asyncio.run(ask())


def _remedy(error: CriError, settings: AgentSettings) -> str:
    """Return what would do where nobody answers."""
    if error.code != UNAVAILABLE:
        return ""
    return f"; start the runtime at {settings.cri_endpoint}" if settings.cri_endpoint else "; `wherry up` starts it"


def _settings(context: Context) -> AgentSettings:
    """Return the settings of the node that is meant. Raises UsageError."""
    layout = _layout(context)
    nodes = node_names(layout)
    if not nodes:
        raise UsageError(f'image: cluster "{layout.name}" has no node on this machine; `wherry up` starts one')
    if context.args.node and context.args.node not in nodes:
        raise UsageError(f"--node {context.args.node}: on this machine there is: {', '.join(nodes)}")
    return found_settings(layout, context.args.node or nodes[0])


def _layout(context: Context) -> Layout:
    return Layout(context.args.cluster or DEFAULT_CLUSTER)


def _list(context: Context) -> int:
    rows: list[tuple[str, str, str]] = []

    async def read(cri: Cri) -> None:
        for image in await cri.images():
            rows.extend(
                (name, image.id.removeprefix("sha256:")[:12], human_size(image.size_bytes))
                for name in image.tags or image.digests
            )

    _asked(context, read)
    context.say(table(("IMAGE", "ID", "SIZE"), sorted(rows)))
    return 0


def _import(context: Context) -> int:
    if node_names(_layout(context)):
        _refuse_import(_settings(context).cri_endpoint, context.args.path)
    names = import_archive(Layout(DEFAULT_CLUSTER).images, context.args.path, context.args.name)
    context.say(f"imported {', '.join(names)}")
    return 0


def _refuse_import(cri_endpoint: str, archive: Path) -> None:
    """Raise UsageError where the node's runtime has images of its own, which no call of the CRI can give it."""
    if cri_endpoint:
        address = cri_endpoint.removeprefix("unix://")
        raise UsageError(
            f"image import: the node has its images from {cri_endpoint}, and CRI can only pull; give containerd an "
            f"archive by `ctr --address {address} -n k8s.io images import {archive}`, or pull from a registry"
        )


def _pull(context: Context) -> int:
    async def fetch(cri: Cri) -> None:
        display = PullDisplay(context.args.name, sys.stderr)
        try:
            reference = await cri.pull_telling(context.args.name, display.show)
        finally:
            display.close()
        context.say(f"pulled {reference}")

    _asked(context, fetch)
    return 0


def _remove(context: Context) -> int:
    async def drop(cri: Cri) -> None:
        for name in context.args.names:
            if await cri.image(name) is None:
                raise UsageError(f"image {name}: isn't on this node; `wherry image ls` lists what is")
            await cri.remove_image(name)
            context.say(f"removed {name}")

    _asked(context, drop)
    return 0
