"""Show how far a pull is: one line that changes on a terminal, a line for each layer that is there elsewhere."""

from collections.abc import Sequence
from typing import TextIO

from nodeagent.cri.values import LayerProgress
from wherry.output import human_size

_ERASE = "\r\x1b[K"
_DIGEST_LENGTH = 12


class PullDisplay:
    """What is shown of one pull."""

    def __init__(self, name: str, out: TextIO) -> None:
        self._name = name
        self._out = out
        self._is_terminal = out.isatty()
        self._shown: set[str] = set()

    def show(self, layers: Sequence[LayerProgress]) -> None:
        """Show the state of all layers."""
        if self._is_terminal:
            self._write(f"{_ERASE}{self._name}: {_summary(layers)}")
            return
        for layer in layers:
            if layer.is_here and layer.digest not in self._shown:
                self._shown.add(layer.digest)
                short = layer.digest.removeprefix("sha256:")[:_DIGEST_LENGTH]
                self._write(f"{self._name}: layer {short}, {human_size(layer.size_bytes)}, is here\n")

    def close(self) -> None:
        """Leave the line to whatever is said next."""
        if self._is_terminal:
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _summary(layers: Sequence[LayerProgress]) -> str:
    done, size = (
        sum(counts) for counts in zip(*((layer.done_bytes, layer.size_bytes) for layer in layers), strict=True)
    )
    here = sum(layer.is_here for layer in layers)
    return f"{human_size(done)} of {human_size(size)}, {here} of {len(layers)} layers"
