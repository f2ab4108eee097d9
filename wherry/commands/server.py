"""`wherry server`: the control plane on this machine, until it is told to end."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvloop

from apiserver.server import ApiServer, StartError
from apiserver.settings import NODE_PATIENCE_S, ApiServerSettings
from controllers.world import ControllerSettings, NodeSettings
from kube.log import set_up_logging
from scheduler.run import SchedulerSettings
from wherry.cluster.layout import DEFAULT_CLUSTER, Layout
from wherry.context import Context
from wherry.control_plane import ControlPlaneSettings, run_control_plane
from wherry.targets import UsageError

DEVELOPMENT_NODES: Final = NodeSettings(grace_s=8.0, startup_grace_s=15.0, pod_quarantine_s=10.0)
"""With `up`, whose nodes renew their leases often, a lost one is noticed soon."""

DEVELOPMENT_PATIENCE_S: Final = 5
"""And its pods move soon."""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--bind", default="0.0.0.0", help="the address to listen on (all of them)")
    parser.add_argument("--port", type=int, default=6443, help="the port to listen on (6443)")
    parser.add_argument("--advertise-address", default="", help="the address that nodes and pods are told")
    parser.add_argument("--name", action="append", default=[], help="another name or address that it is reached by")
    parser.add_argument(
        "--store", default="", help="sqlite:PATH (the default, below /var/lib/wherry), memory:, etcd:URL,URL"
    )
    parser.add_argument("--store-ca", type=Path, help="etcd's authority, PEM")
    parser.add_argument("--store-cert", type=Path, help="the certificate to show to etcd, PEM")
    parser.add_argument("--store-key", type=Path, help="the key to it, PEM")
    parser.add_argument("--token-file", type=Path, help="fixed tokens: lines of token,user,uid,groups")
    parser.add_argument("--service-cidr", default="10.96.0.0/16", help="the range of Services (10.96.0.0/16)")
    parser.add_argument("--cluster-cidr", default="10.244.0.0/16", help="the range of pod addresses (10.244.0.0/16)")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    parser.add_argument("--development", action="store_true", help="as `wherry up` does: lost nodes are noticed soon")


def run(context: Context) -> int:
    """Run the server."""
    args = context.args
    layout = Layout(args.cluster or DEFAULT_CLUSTER)
    layout.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    set_up_logging(args.log_level)
    nodes = DEVELOPMENT_NODES if args.development else NodeSettings()
    settings = ControlPlaneSettings(
        apiserver=_apiserver_settings(layout, args),
        controllers=ControllerSettings(cluster_cidr=args.cluster_cidr, nodes=nodes),
        scheduler=SchedulerSettings(),
    )
    try:
        uvloop.run(run_control_plane(settings, _with_authority))
    except StartError as error:
        raise UsageError(str(error)) from error
    return 0


def _apiserver_settings(layout: Layout, args: argparse.Namespace) -> ApiServerSettings:
    return ApiServerSettings(
        pki_dir=layout.pki,
        bind=args.bind,
        port=args.port,
        advertise=args.advertise_address,
        store=args.store or f"sqlite:{layout.database}",
        store_ca=args.store_ca,
        store_cert=args.store_cert,
        store_key=args.store_key,
        service_cidr=args.service_cidr,
        names=tuple(args.name),
        token_file=args.token_file,
        node_patience_s=DEVELOPMENT_PATIENCE_S if args.development else NODE_PATIENCE_S,
    )


def _with_authority(controllers: ControllerSettings, server: ApiServer) -> ControllerSettings:
    authority = server.credentials.authority
    return replace(controllers, authority=authority, root_ca_pem=authority.certificate_pem)
