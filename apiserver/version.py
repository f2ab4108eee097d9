"""Which Kubernetes this server is, as clients are told: they choose what they do by major and minor.

Our own version stands behind the plus sign of gitVersion, as distributions of Kubernetes have it.
Source: kubernetes.io/releases/version-skew-policy; semver.org on build metadata.
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
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": f"v{KUBERNETES}+wherry.{WHERRY}",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-11-20T00:00:00Z",
    "goVersion": f"python{sys.version_info.major}.{sys.version_info.minor}",
    "compiler": platform.python_implementation(),
    "platform": f"{sys.platform}/{_MACHINES.get(platform.machine(), platform.machine())}",
}
