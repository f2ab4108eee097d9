"""Image names: `web`, `web:1`, `host:5000/team/web@sha256:...` and what they stand for in full.

Source: distribution's reference grammar; `docker.io/library/` and `:latest` are what a short name leaves out.
"""

import re
from typing import NamedTuple

HOST_IMAGE = "wherry.local/host"
_PATH = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Reference(NamedTuple):
    """A name in full; a digest, where there is one, decides."""

    registry: str
    path: str
    tag: str
    digest: str

    @property
    def repository(self) -> str:
        """The name without tag and digest."""
        return f"{self.registry}/{self.path}"

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"


def parse(name: str) -> Reference:
    """Return the reference that `name` is short for; raises ValueError where it is none."""
    rest, _, digest = name.partition("@")
    head, slash, tail = rest.partition("/")
    is_registry = bool(slash) and ("." in head or ":" in head or head == "localhost" or head.startswith("["))
    registry, path = (head, tail) if is_registry else ("docker.io", rest)
    path, _, tag = path.partition(":")
    if registry == "docker.io" and "/" not in path:
        path = f"library/{path}"
    _require(name, _REGISTRY, registry, "registry")
    _require(name, _PATH, path, "path (lower case, digits and . _ - between them)")
    if tag or not digest:
        tag = tag or "latest"
        _require(name, _TAG, tag, "tag")
    if digest:
        _require(name, _DIGEST, digest, "digest (sha256: and 64 hexadecimal digits)")
    return Reference(registry, path, tag, digest)


def is_image_id(name: str) -> bool:
    """Whether `name` is an image's id rather than its name."""
    return _DIGEST.fullmatch(name) is not None


def _require(name: str, pattern: re.Pattern[str], found: str, part: str) -> None:
    if not pattern.fullmatch(found):
        raise ValueError(f"image name {name!r}: {found!r} is no {part}; use one like registry.local/team/web:1")
