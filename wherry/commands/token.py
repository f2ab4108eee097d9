"""`wherry token create`: a secret by which a machine may join the cluster as a node."""

import argparse

from kube.times import parse_duration
from wherry.context import Context
from wherry.targets import UsageError
from wherry.tokens import make_token


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("what", choices=["create"])
    parser.add_argument("--ttl", default="24h", help="how long it can be used: 30m, 24h (the default)")


def run(context: Context) -> int:
    """Create a token and print it, with the command that uses it."""
    try:
        lifetime_s = parse_duration(context.args.ttl).total_seconds()
    except ValueError as error:
        raise UsageError(f"--ttl: {error}; write a length of time such as 30m or 24h") from error
    context.say(make_token(context.connection, lifetime_s))
    context.warn(f"a machine joins with: wherry agent --server {context.access.server} --token TOKEN")
    return 0
