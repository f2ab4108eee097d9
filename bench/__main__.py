"""`make bench`: run every measurement in turn, or those that are named. Each prints its own table."""

import subprocess
import sys
from pathlib import Path


def main(wanted: list[str]) -> int:
    """Run each measurement in a process of its own; return how many failed, or 2 where one doesn't exist."""
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"bench: no measurement called {', '.join(unknown)}; there is: {', '.join(known)}", file=sys.stderr)
        return 2
    failed = 0
    for name in wanted or known:
        print(f"\n== {name}", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
