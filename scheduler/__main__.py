"""Run the scheduler alone: `python -m scheduler --kubeconfig FILE`."""

import argparse
import sys
from pathlib import Path

import uvloop

from kube.config import ConfigError, load_kubeconfig
from kube.http_client import HttpClient
from kube.log import set_up_logging
from kube.runner import Runner
from scheduler.run import SchedulerSettings, run_scheduler


async def serve(kubeconfig: Path, settings: SchedulerSettings) -> None:
    """Run until the process is told to end. Raises ConfigError."""
    async with HttpClient(load_kubeconfig(kubeconfig), user_agent="wherry-scheduler") as client, Runner() as runner:
        runner.stop_on_signals()
        runner.start("scheduler", lambda: run_scheduler(client, settings))
        await runner.stopped()


def main() -> int:
    """Read the flags and run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scheduler", description="Wherry's scheduler, alone.")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="how to reach the API server, and as whom")
    parser.add_argument("--name", default="default-scheduler", help="the schedulerName of the pods that are its work")
    parser.add_argument("--log-level", default="info", help="debug, info, warning or error")
    arguments = parser.parse_args()
    try:
        set_up_logging(arguments.log_level)
        uvloop.run(serve(arguments.kubeconfig, SchedulerSettings(name=arguments.name)))
    except (ConfigError, ValueError) as error:
        sys.stderr.write(f"scheduler: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
