"""Which Kubernetes this server is, as clients are told.

Source: wherry's version stands in gitVersion's build part; clients read major, minor and gitVersion.
"""

import platform
import sys
from typing import Final

KUBERNETES: Final = "1.36.0"
WHERRY: Final = "0.1.0"
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}

VERSION: Final = {
    "major": "1",
    "minor": "36",
    "gitVersion": f"v{KUBERNETES}+wherry.{WHERRY}",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-11-20T00:00:00Z",
    "goVersion": f"python{sys.version_info.major}.{sys.version_info.minor}",
    "compiler": platform.python_implementation(),
    "platform": f"{sys.platform}/{_MACHINES.get(platform.machine(), platform.machine())}",
}
