"""What a `pip install` brings."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("apiserver", "controllers", "kube", "nodeagent", "proto", "scheduler", "wherry")


def test_every_package_is_listed() -> None:
    """The list is explicit, so that nothing is shipped by accident; so nothing may be forgotten either."""
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])

    found = {
        ".".join(path.parent.relative_to(ROOT).parts) for room in ROOMS for path in (ROOT / room).rglob("__init__.py")
    }

    assert listed == found
