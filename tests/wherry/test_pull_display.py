"""What a person sees of a pull: on a terminal, and in a log."""

import io

from nodeagent.cri.values import LayerProgress
from wherry.pull_display import PullDisplay

_FIRST = LayerProgress("sha256:0123456789abcdef", 12_100_000, 12_100_000, True)
_SECOND = LayerProgress("sha256:fedcba9876543210", 48_000_000, 1_000_000, False)


class Terminal(io.StringIO):
    """A stream that is one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_one_line_that_changes_and_goes() -> None:
    out = Terminal()
    display = PullDisplay("web:1", out)

    display.show([_SECOND])
    display.show([_FIRST, _SECOND])
    display.close()

    shown = [line for line in out.getvalue().split("\r\x1b[K") if line]
    assert shown == ["web:1: 1 MB of 48 MB, 0 of 1 layers", "web:1: 13.1 MB of 60.1 MB, 1 of 2 layers"]
    assert "\n" not in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[K")


def test_a_log_has_a_line_for_each_layer_that_is_there_once() -> None:
    out = io.StringIO()
    display = PullDisplay("web:1", out)

    display.show([_FIRST, _SECOND])
    display.show([_FIRST, _SECOND])
    display.close()

    assert out.getvalue() == "web:1: layer 0123456789ab, 12.1 MB, is here\n"
