"""Which objects a person means: "pods", "deploy/web", "svc web other", "pods,services", "all".

Words become kinds by the table of kinds; nothing is asked of the server.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kube.kinds import KINDS, Kind, find_kinds


class UsageError(Exception):
    """The command was called in a way that makes no sense; the message says what would do."""


@dataclass(frozen=True)
class Target:
    """A kind, and the name of one object of it ("" for all)."""

    kind: Kind
    name: str = ""

    def path(self, namespace: str, subresource: str = "") -> str:
        """Return the path of the object, or of the collection in `namespace` ("" for all namespaces)."""
        return self.kind.path(namespace if self.kind.namespaced else "", self.name, subresource)

    @property
    def title(self) -> str:
        """The object as messages have it: "deployment.apps/web"."""
        return title(self.kind, self.name)


def title(kind: Kind, name: str) -> str:
    """Return an object's name as kubectl prints it: "pod/web-0", "deployment.apps/web"."""
    group = f".{kind.group}" if kind.group else ""
    return f"{kind.singular}{group}/{name}"


def parse_targets(words: Sequence[str]) -> list[Target]:
    """Return what `TYPE`, `TYPE NAME ...`, `TYPE,TYPE` or `TYPE/NAME ...` mean. Raises UsageError."""
    if not words:
        raise UsageError("which objects? Name a kind, such as `pods`, or an object, such as `deployment/web`")
    if any("/" in word for word in words):
        return [_slashed(word) for word in words]
    kinds = [kind for word in words[0].split(",") for kind in kinds_named(word)]
    names = words[1:]
    if not names:
        return [Target(kind) for kind in kinds]
    return [Target(kind, name) for kind in kinds for name in names]


def parse_one(words: Sequence[str], *, default_kind: str = "") -> Target:
    """Return the one object that `TYPE NAME` or `TYPE/NAME` means; a lone name is of `default_kind` if that is set."""
    if default_kind and len(words) == 1 and "/" not in words[0]:
        return Target(kind_named(default_kind), words[0])
    targets = parse_targets(words)
    if len(targets) != 1 or not targets[0].name:
        raise UsageError(f"{' '.join(words)}: name one object, such as `deployment/web`")
    return targets[0]


def kinds_named(word: str) -> tuple[Kind, ...]:
    """Return the kinds that a word means. Raises UsageError with the nearest words where it means none."""
    found = find_kinds(word)
    if not found:
        near = sorted({kind.plural for kind in KINDS if kind.plural[:2] == word.lower()[:2]})
        hint = f"; is it one of {', '.join(near)}?" if near else "; `wherry api-resources` lists the kinds"
        raise UsageError(f'the server doesn\'t have a resource type "{word}"{hint}')
    return found


def kind_named(word: str) -> Kind:
    """Return the one kind that a word means. Raises UsageError."""
    found = kinds_named(word)
    if len(found) > 1:
        raise UsageError(f'"{word}" means several kinds ({", ".join(kind.plural for kind in found)}); name one')
    return found[0]


def _slashed(word: str) -> Target:
    kind, _, name = word.partition("/")
    if not kind or not name or "/" in name:
        raise UsageError(f'"{word}": with a slash, name each object as TYPE/NAME, such as `pod/web-0`')
    return Target(kind_named(kind), name)
