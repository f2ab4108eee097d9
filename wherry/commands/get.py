"""`wherry get`: objects as tables, YAML, JSON or names; once, or again at each change."""

import argparse
import json
from collections.abc import Iterator

from kube.errors import ApiError
from wherry.connection import TABLE, Json
from wherry.context import Context
from wherry.output import TablePrinter, as_json, as_yaml, name_of
from wherry.targets import Target, UsageError, parse_targets

PAGE_SIZE = "500"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("target", nargs="+", metavar="TYPE[/NAME]", help="pods, svc, deploy/web, all, ...")
    parser.add_argument("-o", "--output", choices=["wide", "yaml", "json", "name"], help="the form; a table otherwise")
    parser.add_argument("-w", "--watch", action="store_true", help="stay and print each change")
    parser.add_argument("-l", "--selector", default="", help="only objects with these labels: app=web,tier!=db")
    parser.add_argument("--field-selector", default="", help="only objects with these fields: status.phase=Running")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="in all namespaces")
    parser.add_argument("--no-headers", action="store_true", help="without the line of column names")


def run(context: Context) -> int:
    """Print what was asked for; 1 where a named object doesn't exist."""
    args = context.args
    targets = parse_targets(args.target)
    if args.watch and len(targets) != 1:
        raise UsageError("--watch follows one kind or one object at a time")
    if args.output in (None, "wide"):
        return _tables(context, targets)
    if args.watch:
        raise UsageError(f"--watch prints tables; leave out -o {args.output}")
    return _objects(context, targets)


def _tables(context: Context, targets: list[Target]) -> int:
    args = context.args
    failures = 0
    found_any = False
    for target in targets:
        with_namespace = args.all_namespaces and target.kind.namespaced
        several_kinds = len({other.kind for other in targets}) > 1
        printer = TablePrinter(
            wide=args.output == "wide", with_namespace=with_namespace, prefix=target.kind if several_kinds else None
        )
        try:
            table = _table(context, target)
        except ApiError as error:
            context.warn(f"Error from server ({error.reason}): {error}")
            failures += 1
            continue
        if table.get("rows"):
            if found_any and several_kinds:
                print()
            found_any = True
            context.say(printer.text(table, with_header=not args.no_headers))
        if args.watch:
            _follow(context, target, printer, table)
    if not found_any and not failures:
        context.warn(_nothing_found(context, targets))
    return 1 if failures else 0


def _nothing_found(context: Context, targets: list[Target]) -> str:
    if context.namespace and any(target.kind.namespaced for target in targets):
        return f"No resources found in {context.namespace} namespace."
    return "No resources found"


def _table(context: Context, target: Target) -> Json:
    pages = _pages(context, target, accept=TABLE)
    first = next(pages)
    for page in pages:
        first["rows"] = [*(first.get("rows") or []), *(page.get("rows") or [])]
        first["metadata"] = page["metadata"]
    return first


def _pages(context: Context, target: Target, *, accept: str) -> Iterator[Json]:
    query = _selection(context, target)
    if target.name:
        yield context.connection.get(target.path(context.namespace), accept=accept)
        return
    query["limit"] = PAGE_SIZE
    while True:
        page = context.connection.get(target.path(context.namespace), query, accept=accept)
        yield page
        token = page["metadata"].get("continue")
        if not token:
            return
        query["continue"] = token


def _selection(context: Context, target: Target) -> dict[str, str]:
    if target.name:
        return {}
    wanted = {"labelSelector": context.args.selector, "fieldSelector": context.args.field_selector}
    return {name: value for name, value in wanted.items() if value}


def _follow(context: Context, target: Target, printer: TablePrinter, table: Json) -> None:
    """Print each change after `table` until the watch ends or the user has seen enough."""
    query = {**_selection(context, target), "watch": "true", "resourceVersion": table["metadata"]["resourceVersion"]}
    collection = Target(target.kind)
    if target.name:
        query["fieldSelector"] = f"metadata.name={target.name}"
    with context.connection.stream(collection.path(context.namespace), query, accept=TABLE) as lines:
        for line in lines:
            event = json.loads(line)
            if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                context.say(printer.text(event["object"], with_header=False))


def _objects(context: Context, targets: list[Target]) -> int:
    objects: list[Json] = []
    failures = 0
    for target in targets:
        try:
            for page in _pages(context, target, accept="application/json"):
                objects += [page] if target.name else [_named(item, target) for item in page.get("items") or []]
                for obj in objects:
                    obj.get("metadata", {}).pop("managedFields", None)  # Bookkeeping that hides what the object says.
        except ApiError as error:
            context.warn(f"Error from server ({error.reason}): {error}")
            failures += 1
    lone = len(targets) == 1 and bool(targets[0].name)
    if context.args.output == "name":
        context.say("\n".join(name_of(obj) for obj in objects))
    elif not lone or objects:
        shown = objects[0] if lone else {"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {}}
        context.say(as_yaml(shown) if context.args.output == "yaml" else as_json(shown))
    return 1 if failures else 0


def _named(item: Json, target: Target) -> Json:
    """Return a list's item with its kind, which typed lists may leave out."""
    return {"apiVersion": target.kind.api_version, "kind": target.kind.kind, **item}
