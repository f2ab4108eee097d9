"""A `tar` for containers whose image has none, so that `kubectl cp` works with every image.

Keeps true: it runs as one more process of the container, with what that may do and see, and asks no library of the
image for anything; what it unpacks stays below the folder that it unpacks into, but for links.
Knows what kubectl asks for: c and x, f -, m, C, and how owners and modes are kept.
Imported before the container's root is entered. Standard library only. Source: tar(1), GNU.
"""

import os
import tarfile
import time
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

EXIT_FAILED = 2
_OPTIONS: dict[str, dict[str, Any]] = {
    "--no-same-owner": {"keeps_owners": False},
    "--same-owner": {"keeps_owners": True},
    "--no-same-permissions": {"keeps_modes": False},
    "--same-permissions": {"keeps_modes": True},
    "--preserve-permissions": {"keeps_modes": True},
    "--touch": {"keeps_times": False},
    "--extract": {"verb": "x"},
    "--create": {"verb": "c"},
}
_LETTERS = {"c": "--create", "x": "--extract", "m": "--touch", "p": "--same-permissions", "o": "--no-same-owner"}


class Request(NamedTuple):
    """What a command line asks for. names: what goes into the archive. keeps_owners, keeps_modes: None: root does."""

    verb: str = ""
    folder: str = "."
    names: tuple[str, ...] = ()
    keeps_owners: bool | None = None
    keeps_modes: bool | None = None
    keeps_times: bool = True


def main(arguments: Sequence[str]) -> int:
    """Be the process `tar`; return its exit code."""
    tarfile.pwd = tarfile.grp = None  # type: ignore[attr-defined]  # Names would come from libraries of the image.
    with open(0, "rb", closefd=False) as given, open(1, "wb", closefd=False) as output:
        failure = run(arguments, given, output)
    os.write(2, failure.encode())
    return EXIT_FAILED if failure else 0


def run(arguments: Sequence[str], given: BinaryIO, output: BinaryIO) -> str:
    """Do what the words after `tar` say; return what went wrong. given, output: where an archive comes from or goes."""
    try:
        request = parse(arguments)
        os.chdir(request.folder)
        if request.verb == "x":
            _extract(request, given)
            return ""
        return _create(request.names, output)
    except (OSError, ValueError, tarfile.TarError) as error:
        return f"tar: {error}\n"


def parse(arguments: Sequence[str]) -> Request:
    """Read a command line; raises ValueError on what this tar does not know."""
    request, names, words = Request(), list[str](), list(arguments)
    if words and not words[0].startswith("-"):
        words[0] = f"-{words[0]}"
    while words:
        word = words.pop(0)
        if word == "--":
            names += words
            break
        if not word.startswith("-") or word == "-":
            names.append(word)
        elif word.startswith("--"):
            request = _with_option(request, word)
        else:
            request = _with_letters(request, word[1:], words)
    if not request.verb:
        raise ValueError("say c or x: this image has no tar, and the one that stands in for it does nothing else")
    return request._replace(names=tuple(names))


def _with_letters(request: Request, letters: str, words: list[str]) -> Request:
    for letter in letters:
        if letter in "fC" and not words:
            raise ValueError(f"option {letter} needs a word after it")
        if letter == "C":
            request = request._replace(folder=words.pop(0))
        elif letter == "f":
            if (file := words.pop(0)) != "-":
                raise ValueError(f"f {file}: this image has no tar, and the one that stands in for it knows only f -")
        else:
            request = _with_option(request, _LETTERS.get(letter, f"-{letter}"))
    return request


def _with_option(request: Request, option: str) -> Request:
    if option not in _OPTIONS:
        raise ValueError(
            f"option {option}: this image has no tar, and the one that stands in for it does not know this"
        )
    return request._replace(**_OPTIONS[option])


def _create(names: Sequence[str], output: BinaryIO) -> str:
    missing = ""
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        for name in names:
            try:
                archive.add(name)
            except FileNotFoundError as error:
                missing += f"tar: {error.filename}: {error.strerror}\n"
    return missing


def _extract(request: Request, given: BinaryIO) -> None:
    is_root = os.geteuid() == 0
    keeps_owners = is_root if request.keeps_owners is None else request.keeps_owners
    keeps_modes = is_root if request.keeps_modes is None else request.keeps_modes
    mask, now = os.umask(0), time.time()
    os.umask(mask)

    def own(member: tarfile.TarInfo, _folder: str) -> tarfile.TarInfo:
        name = member.name.lstrip("/") or "."
        if ".." in name.split("/"):
            raise ValueError(f"{member.name}: leads out of the folder")
        if os.path.lexists(name) and (os.path.islink(name) or not os.path.isdir(name)):
            os.unlink(name)  # What is there may be a link, or run.
        return member.replace(
            name=name,
            mode=member.mode if keeps_modes else member.mode & 0o777 & ~mask,
            uid=member.uid if keeps_owners else os.geteuid(),
            gid=member.gid if keeps_owners else os.getegid(),
            mtime=member.mtime if request.keeps_times else now,
            deep=False,
        )

    with tarfile.open(fileobj=given, mode="r|") as archive:
        archive.extraction_filter = staticmethod(own)
        archive.extractall(numeric_owner=True)  # noqa: S202 - `own` looks at each name.
