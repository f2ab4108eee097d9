"""`wherry scale`: how many pods a Deployment, ReplicaSet, ReplicationController or StatefulSet has."""

import argparse

from kube.client import PatchType
from wherry.context import Context
from wherry.targets import UsageError, parse_targets


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("target", nargs="+", metavar="TYPE/NAME", help="deploy/web, rc backend, ...")
    parser.add_argument("--replicas", type=int, required=True, help="how many pods there should be")


def run(context: Context) -> int:
    """Set the wanted number of pods."""
    for target in parse_targets(context.args.target):
        if not target.name or "scale" not in target.kind.subresources:
            raise UsageError(f"{target.title}: can't be scaled; name a deployment, replicaset, rc or statefulset")
        context.connection.send(
            "PATCH",
            target.path(context.namespace, "scale"),
            {"spec": {"replicas": context.args.replicas}},
            content_type=PatchType.MERGE.value,
        )
        context.say(f"{target.title} scaled")
    return 0
