"""The command line: which verbs there are, and how an error becomes one sentence.

A verb's module is imported only when it is called, so that a short command starts fast.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Final

from kube.errors import ApiError
from kube.importing import importing
from wherry.connection import Unreachable
from wherry.context import Context
from wherry.targets import UsageError


@dataclass(frozen=True)
class Verb:
    """A word of the command line: the module that does it, and which of its functions."""

    name: str
    module: str
    summary: str
    suffix: str = ""


VERBS: Final = (
    Verb("up", "cluster", "start a cluster on this machine", "_up"),
    Verb("down", "cluster", "stop it", "_down"),
    Verb("apply", "apply", "bring objects to what files say", "_apply"),
    Verb("create", "write", "create what files say", "_create"),
    Verb("get", "get", "print objects"),
    Verb("describe", "describe", "tell what is known of an object"),
    Verb("delete", "write", "delete objects", "_delete"),
    Verb("scale", "scale", "set how many pods there are"),
    Verb("logs", "logs", "print what a container has printed"),
    Verb("exec", "exec", "run a command in a container"),
    Verb("rollout", "rollout", "status, history, undo, restart, pause, resume of a deployment"),
    Verb("wait", "wait", "until objects have a condition or are gone"),
    Verb("image", "image", "list, import, pull and remove images"),
    Verb("token", "token", "make tokens by which nodes join"),
    Verb("server", "server", "run the control plane"),
    Verb("agent", "agent", "run a node"),
    Verb("doctor", "doctor", "tell what this machine offers and what is missing"),
    Verb("kubeconfig", "about", "print the cluster's kubeconfig", "_kubeconfig"),
    Verb("api-resources", "about", "list the kinds", "_api_resources"),
    Verb("version", "about", "print the versions", "_version"),
)

INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    words, after_dashes = _split(sys.argv[1:] if argv is None else list(argv))
    called = next((word for word in words if word in {verb.name for verb in VERBS}), "")
    parser = _parser(called)
    args = parser.parse_args(words)
    args.after_dashes = after_dashes
    verb = next((verb for verb in VERBS if verb.name == args.verb), None)
    if verb is None:
        parser.print_help()
        return 2
    module = _load(verb)
    try:
        code: int = getattr(module, f"run{verb.suffix}")(Context(args))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ApiError as error:
        print(f"Error from server ({error.reason}): {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"wherry: {error.filename}: this user has no right to it; use sudo, or name another", file=sys.stderr)
        return 1
    except (Unreachable, UsageError, ValueError) as error:
        print(f"wherry: {error}", file=sys.stderr)
        return 1
    return code


def _load(verb: Verb) -> ModuleType:
    """Import a verb's module."""
    with importing(system_roots=verb.name != "server"):  # Whose connections all name their authority.
        return import_module(f"wherry.commands.{verb.module}")


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Part what is for this program from what stands after `--`: another program's command, in `exec`."""
    if "--" not in words:
        return words, []
    dashes = words.index("--")
    return words[:dashes], words[dashes + 1 :]


def _parser(called: str) -> argparse.ArgumentParser:
    """Return the parser of all verbs; only the one that is called gets its arguments declared."""
    parser = argparse.ArgumentParser(prog="wherry", description="A small Kubernetes: a cluster in about a second.")
    _add_common(parser, top=True)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for verb in VERBS:
        subparser = verbs.add_parser(verb.name, help=verb.summary, description=f"{verb.summary.capitalize()}.")
        if verb.name != called:
            continue
        _add_common(subparser, top=False)
        declare = getattr(_load(verb), f"add{verb.suffix}")
        declare(subparser)
    return parser


def _add_common(parser: argparse.ArgumentParser, *, top: bool) -> None:
    """Declare what every verb takes, before and after its name."""
    absent = None if top else argparse.SUPPRESS
    group = parser.add_argument_group("which cluster")
    group.add_argument("--kubeconfig", default=absent, help="the kubeconfig file to use")
    group.add_argument("--context", default=absent, help="the context of it")
    group.add_argument("--cluster", default=absent, metavar="NAME", help="a cluster that `wherry up` made here")
    group.add_argument("-n", "--namespace", default=absent, help="the namespace to work in")


if __name__ == "__main__":
    sys.exit(main())
