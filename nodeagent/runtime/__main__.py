"""Run the runtime alone: `python -m nodeagent.runtime --state-dir DIR`."""

import argparse
import asyncio
import logging
from pathlib import Path

from nodeagent.runtime import handlers, server
from nodeagent.runtime.sandbox_network import LoopbackOnly
from nodeagent.runtime.settings import HIDDEN_PATHS, RuntimeSettings


def main() -> None:
    """Parse the flags and serve; pods get no network but their loopback."""
    parser = argparse.ArgumentParser(
        prog="python -m nodeagent.runtime", description="A CRI v1 runtime, alone: pods have no network but loopback."
    )
    parser.add_argument("--socket", type=Path, default=Path("/run/wherry/runtime.sock"), help="CRI socket")
    parser.add_argument("--state-dir", type=Path, default=Path("/var/lib/wherry/runtime"), help="what survives")
    parser.add_argument("--run-dir", type=Path, default=Path("/run/wherry/runtime"), help="pins and sockets")
    parser.add_argument("--image-dir", type=Path, default=Path("/var/lib/wherry/images"), help="the content store")
    parser.add_argument("--cgroup-parent", default="/wherry", help="where the cgroups of pods go")
    parser.add_argument("--allow-host-image", action="store_true", help="offer wherry.local/host")
    parser.add_argument("--insecure-registry", action="append", default=[], help="host[:port] to speak http with")
    parser.add_argument(
        "--registry-mirror", action="append", default=[], help="REGISTRY=HOST[:PORT][/PREFIX] to ask first"
    )
    parser.add_argument("--hidden-path", action="append", default=[], help="what wherry.local/host shows as empty")
    parser.add_argument("--handler", action="append", default=[], help="NAME=COMMAND of an OCI runtime (those on PATH)")
    flags = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    server.disable_fork_support()
    settings = RuntimeSettings(
        socket_path=flags.socket,
        state_dir=flags.state_dir,
        run_dir=flags.run_dir,
        image_dir=flags.image_dir,
        cgroup_parent=flags.cgroup_parent,
        allow_host_image=flags.allow_host_image,
        insecure_registries=tuple(flags.insecure_registry),
        registry_mirrors=tuple(flags.registry_mirror),
        handlers=dict(item.split("=", 1) for item in flags.handler) or handlers.on_path(),
        hidden_paths=tuple(flags.hidden_path) or HIDDEN_PATHS,
    )
    asyncio.run(server.serve(settings, LoopbackOnly()))


if __name__ == "__main__":
    main()
