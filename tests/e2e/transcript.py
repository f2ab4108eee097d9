"""Sessions as a person would have them: commands after a `$`, and below each what it prints.

In a session's text, `<...>` stands for anything within a line, and a line `...` for any lines. `[exit 1]` is how a
command ends where it is not 0. What begins with `[1.27-1.30]` concerns only these versions of kubectl; `## ` is a
remark. How many spaces stand between columns, empty lines, and colours don't count.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

FIRST, LAST = 27, 33
VERSIONS: Final = tuple(f"1.{minor}" for minor in range(FIRST, LAST + 1))
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_ONLY: Final = re.compile(r"\[1\.(\d+)-1\.(\d+)\] ?")


@dataclass
class Step:
    """One command with what it has to print. environ: variables that stand before the command."""

    words: list[str]
    environ: dict[str, str] = field(default_factory=dict)
    expected: list[str] = field(default_factory=list)

    def difference(self, code: int, output: str) -> str:
        """Return what was expected and what came instead, "" where they match."""
        told = [*_lines(output), *([f"[exit {code}]"] if code else [])]
        if re.fullmatch(_pattern(self.expected), "".join(f"{line}\n" for line in told)):
            return ""
        wanted, got = ("\n".join(f"  {line}" for line in lines) for lines in (self.expected, told))
        return f"$ {shlex.join(self.words)}\nshould have printed\n{wanted}\nbut printed\n{got}"


def steps(text: str, version: str) -> Iterator[Step]:
    """Yield the commands of a session that concern a version of kubectl."""
    minor, step = int(version.split(".")[1]), Step([])
    is_meant = False
    for line in text.splitlines():
        only = _ONLY.match(line)
        concerns = only is None or int(only[1]) <= minor <= int(only[2])
        rest = line[only.end() :] if only else line
        if rest.startswith("$ "):
            if is_meant:
                yield step
            is_meant, step = concerns, _step(rest[2:])
        elif concerns and rest.strip() and not rest.startswith("## "):
            step.expected.append(_squeezed(rest))
    if is_meant:
        yield step


def _step(command: str) -> Step:
    words, environ = shlex.split(command), {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environ[name] = value
    assert words[0] == "kubectl", command
    return Step(words, environ)


def _lines(output: str) -> list[str]:
    return [_squeezed(line) for line in _COLOUR.sub("", output).splitlines() if line.strip()]


def _squeezed(line: str) -> str:
    return " ".join(line.split())


def _pattern(expected: Iterable[str]) -> str:
    return "".join(r"(?:.*\n)*?" if line == "..." else f"{_line_pattern(line)}\n" for line in expected)


def _line_pattern(line: str) -> str:
    return ".*?".join(re.escape(part) for part in line.split("<...>"))
