"""Run the controllers alone: `python -m controllers --kubeconfig FILE [--cluster-cidr CIDR] ...`."""

import argparse
import sys
from pathlib import Path

import uvloop

from controllers.run import run_controllers
from controllers.world import ControllerSettings, NodeSettings
from kube.config import Access, ConfigError, load_kubeconfig
from kube.http_client import HttpClient
from kube.log import set_up_logging
from kube.runner import Runner


async def serve(access: Access, settings: ControllerSettings) -> None:
    """Run until the process is told to end."""
    async with HttpClient(access, user_agent="wherry-controllers") as client, Runner() as runner:
        runner.stop_on_signals()
        runner.start("controllers", lambda: run_controllers(client, settings))
        await runner.stopped()


def main() -> int:
    """Read the flags and run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m controllers", description="Wherry's controllers, alone.")
    default = ControllerSettings()
    parser.add_argument("--kubeconfig", type=Path, required=True, help="how to reach the API server, and as whom")
    parser.add_argument("--cluster-cidr", default=default.cluster_cidr, help='range for pods, "" to hand out none')
    parser.add_argument("--node-mask", type=int, default=default.node_mask, help="size of a node's part of it")
    parser.add_argument("--node-grace", type=float, default=default.nodes.grace_s, help="seconds of silence allowed")
    parser.add_argument("--log-level", default="info", help="debug, info, warning or error")
    arguments = parser.parse_args()
    try:
        set_up_logging(arguments.log_level)
        access = load_kubeconfig(arguments.kubeconfig)
        nodes = NodeSettings(arguments.node_grace, max(arguments.node_grace, default.nodes.startup_grace_s))
        settings = ControllerSettings(
            cluster_cidr=arguments.cluster_cidr,
            node_mask=arguments.node_mask,
            root_ca_pem=access.ca_pem,
            nodes=nodes,
        )
        uvloop.run(serve(access, settings))
    except (ConfigError, ValueError) as error:
        sys.stderr.write(f"controllers: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
