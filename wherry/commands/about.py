"""`wherry version`, `kubeconfig` and `api-resources`: what this is, and what it serves."""

import argparse
import sys
from importlib.metadata import version

from kube.kinds import KINDS
from wherry.connection import Unreachable
from wherry.context import Context, kubeconfig_path
from wherry.output import table
from wherry.targets import UsageError


def add_version(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `version`."""
    parser.add_argument("--client", action="store_true", help="only this program's version")


def run_version(context: Context) -> int:
    """Print this program's version, and the server's where there is one."""
    context.say(f"wherry {version('wherry')} (Python {sys.version.split()[0]})")
    if context.args.client:
        return 0
    try:
        server = context.connection.get("/version")
    except (UsageError, Unreachable):
        context.say("server: none")
        return 0
    context.say(f"server: Kubernetes API {server['gitVersion']} at {context.access.server}")
    return 0


def add_kubeconfig(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `kubeconfig`."""
    parser.add_argument("--path", action="store_true", help="print where the file is, not what it holds")


def run_kubeconfig(context: Context) -> int:
    """Print the kubeconfig in use, or where it lies."""
    path = kubeconfig_path(context.args.kubeconfig, context.args.cluster)
    context.say(str(path) if context.args.path else path.read_text().rstrip())
    return 0


def add_api_resources(_parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `api-resources`: none."""


def run_api_resources(context: Context) -> int:
    """Print the table of kinds."""
    rows = [
        (kind.plural, ",".join(kind.short_names), kind.api_version, str(kind.namespaced).lower(), kind.kind)
        for kind in KINDS
    ]
    context.say(table(("NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"), rows))
    return 0
