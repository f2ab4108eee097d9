"""Run one node agent: `python -m nodeagent --kubeconfig FILE --node-name NAME ...`."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from kube.config import ConfigError, load_kubeconfig
from kube.http_client import HttpClient
from kube.log import set_up_logging
from kube.settings import SettingsError, flag_of, load_settings
from nodeagent.agent import run_agent
from nodeagent.settings import AgentSettings


def main() -> None:
    """Parse the flags and run until told to end."""
    parser = argparse.ArgumentParser(prog="python -m nodeagent", description="The agent of one node.")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="who this node is to the API server")
    parser.add_argument("--config", type=Path, help="file with settings, as YAML")
    for field in AgentSettings.__struct_fields__:
        parser.add_argument(flag_of(field), dest=field)
    flags = vars(parser.parse_args())
    set_up_logging()
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        settings = load_settings(AgentSettings, flags=flags, environ=os.environ, file=flags["config"])
        access = load_kubeconfig(flags["kubeconfig"])
    except (SettingsError, ConfigError) as error:
        sys.exit(str(error))
    asyncio.run(_run(settings, HttpClient(access, user_agent="kubelet")))


async def _run(settings: AgentSettings, client: HttpClient) -> None:
    async with client:
        await run_agent(settings, client)


if __name__ == "__main__":
    main()
