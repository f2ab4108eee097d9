"""What every command starts from: its arguments, the cluster they mean, and where to print."""

import argparse
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kube.config import Access, load_kubeconfig
from wherry.cluster.layout import DEFAULT_CLUSTER, Layout
from wherry.connection import Connection
from wherry.targets import UsageError

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True)
class Context:
    """One run of a command."""

    args: argparse.Namespace

    @cached_property
    def access(self) -> Access:
        """The cluster and the credentials: --kubeconfig, $KUBECONFIG, the cluster that `up` made, ~/.kube/config."""
        return load_kubeconfig(kubeconfig_path(self.args.kubeconfig, self.args.cluster), self.args.context or "")

    @cached_property
    def connection(self) -> Connection:
        """The connection to that cluster's API server."""
        return Connection(self.access)

    @property
    def namespace(self) -> str:
        """The namespace that the command works in: -n, the context's own, "default"; "" with --all-namespaces."""
        if getattr(self.args, "all_namespaces", False):
            return ""
        return self.args.namespace or self.access.namespace or DEFAULT_NAMESPACE

    def say(self, text: str) -> None:
        """Print a line of the command's result."""
        if text:
            print(text, flush=True)

    def write(self, data: bytes) -> None:
        """Copy bytes to standard output, at once."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def warn(self, text: str) -> None:
        """Print a line that is not part of the result."""
        print(text, file=sys.stderr, flush=True)


def kubeconfig_path(given: str | None, cluster: str | None) -> Path:
    """Return the kubeconfig to use. Raises UsageError where there is none."""
    if given:
        return Path(given)
    if cluster:
        return _existing(
            Layout(cluster).kubeconfig, f"no cluster called {cluster}; `wherry up --name {cluster}` makes it"
        )
    if os.environ.get("KUBECONFIG"):
        return Path(os.environ["KUBECONFIG"].split(os.pathsep)[0])
    usual = Layout(DEFAULT_CLUSTER).kubeconfig
    if os.access(usual, os.R_OK):
        return usual
    return _existing(
        Path.home() / ".kube" / "config",
        "no cluster is up and no kubeconfig is set; start one with `wherry up`, or name one with --kubeconfig",
    )


def _existing(path: Path, otherwise: str) -> Path:
    if not path.exists():
        raise UsageError(otherwise)
    return path
