"""What the commands that write files' objects share: what an object is called, where it goes, what is said about it."""

import argparse
from typing import Final

from wherry.connection import Answer, Json
from wherry.context import Context
from wherry.manifests import kind_of_manifest
from wherry.targets import Target, UsageError, title

MANAGER: Final = "wherry"
"""Who manages the fields that this command sets."""


def add_files(parser: argparse.ArgumentParser) -> None:
    """Declare -f, which may be given again."""
    parser.add_argument(
        "-f", "--filename", action="append", required=True, help="a file, a directory, or - for standard input"
    )


def write_query(context: Context) -> dict[str, str]:
    """Return the parameters of every write: who manages what it sets, and that no field may be unknown."""
    query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
    return {**query, "dryRun": "All"} if context.args.dry_run else query


def tell_warnings(context: Context, answer: Answer) -> None:
    """Show what the server warns of."""
    for text in answer.warnings:
        context.warn(f"Warning: {text}")


def suffix(context: Context) -> str:
    """Return what is said behind something that was only tried."""
    return " (dry run)" if context.args.dry_run else ""


def target_of(obj: Json) -> Target:
    """Return what an object of a file is on the server. Raises UsageError for one without a name."""
    kind = kind_of_manifest(obj)
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise UsageError(f"{obj['kind']}: metadata.name is not set; apply needs it (create takes generateName)")
    return Target(kind, name)


def namespace_of(context: Context, obj: Json) -> str:
    """Return the object's own namespace, or the command's; they must not contradict each other."""
    own = (obj.get("metadata") or {}).get("namespace")
    asked = context.args.namespace
    if own and asked and own != asked:
        raise UsageError(f'{told(obj)}: its namespace is "{own}", but -n says "{asked}"; leave out one of them')
    return own or context.namespace


def told(obj: Json) -> str:
    """Return how an object of a file is called in what is said."""
    metadata = obj.get("metadata") or {}
    return title(kind_of_manifest(obj), metadata.get("name") or metadata.get("generateName") or "?")
