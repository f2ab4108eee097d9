"""`wherry up` and `wherry down`: a cluster on this machine."""

import argparse

from wherry.cluster.layout import DEFAULT_CLUSTER, Layout
from wherry.cluster.nodes import cri_endpoint
from wherry.context import Context
from wherry.targets import UsageError


def add_up(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `up`."""
    parser.add_argument("--name", default=DEFAULT_CLUSTER, help=f"what to call it ({DEFAULT_CLUSTER})")
    parser.add_argument("--nodes", type=int, help="how many nodes; more than one are hosts of their own (1)")
    parser.add_argument("--store", help="where objects are kept: sqlite:PATH, memory:, etcd:URL,URL,...")
    parser.add_argument("--port", type=int, help="the API server's port (6443)")
    parser.add_argument("--cri", help="another runtime than the built-in one: unix:///run/containerd/containerd.sock")


def run_up(context: Context) -> int:
    """Start a cluster and tell how to use it."""
    from wherry.cluster.up import Wish, bring_up  # noqa: PLC0415 - `down` needs none of it.

    args = context.args
    layout = bring_up(Wish(args.name, args.nodes, args.store, args.port, _cri(args.cri)), context.say)
    context.say("")
    context.say(f"  export KUBECONFIG={layout.kubeconfig}     then kubectl uses it, and wherry too")
    if layout.name != DEFAULT_CLUSTER:
        context.say(f"  wherry --cluster {layout.name} get nodes")
    else:
        context.say("  wherry get nodes")
    context.say(f"  wherry down{_name_option(layout)}                  stops it; with --purge nothing of it is left")
    return 0


def _cri(text: str | None) -> str | None:
    try:
        return cri_endpoint(text) if text is not None else None
    except ValueError as error:
        raise UsageError(f"--cri {text}: {error}") from error


def add_down(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `down`."""
    parser.add_argument("--name", default=DEFAULT_CLUSTER, help=f"which one ({DEFAULT_CLUSTER})")
    parser.add_argument("--purge", action="store_true", help="also remove what it has stored")
    parser.add_argument("--leave-pods", action="store_true", help="with --cri: to a runtime that is gone for good")


def run_down(context: Context) -> int:
    """Stop a cluster; with --purge, leave nothing of it behind."""
    from wherry.cluster.down import bring_down  # noqa: PLC0415 - `up` needs none of it.

    args = context.args
    bring_down(Layout(args.name), purge=args.purge, leaves_pods=args.leave_pods, say=context.say)
    return 0


def _name_option(layout: Layout) -> str:
    return "" if layout.name == DEFAULT_CLUSTER else f" --name {layout.name}"
