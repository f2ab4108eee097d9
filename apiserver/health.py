"""How the server is: /livez, /readyz and /healthz, with their checks one by one.

Source: kubernetes.io/docs/reference/using-api/health-checks
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from apiserver.options import Query

Check = Callable[[], str]
"""Returns "" if all is well, else what is wrong."""

ENDPOINTS: Final = ("healthz", "livez", "readyz")


class Health:
    """The checks. Those of liveness say whether a restart would help, those of readiness whether requests may come."""

    def __init__(self, live: Mapping[str, Check], ready: Mapping[str, Check]) -> None:
        """ready: beyond the checks of liveness."""
        self._checks: Mapping[str, Mapping[str, Check]] = {
            "livez": live,
            "readyz": {**live, **ready},
            "healthz": {**live, **ready},
        }

    def answer(self, path: str, query: Query) -> tuple[str, int] | None:
        """Return the text and status code for a path, None where it is none of these."""
        parts = path.strip("/").split("/")
        if parts[0] not in ENDPOINTS or len(parts) > 2:
            return None
        endpoint = parts[0]
        checks = self._checks[endpoint]
        if len(parts) == 2:
            if parts[1] not in checks:
                return None
            wrong = checks[parts[1]]()
            return (f"internal server error: {wrong}", 500) if wrong else ("ok", 200)
        return _summary(endpoint, checks, query.get("exclude", ()), verbose="verbose" in query)


def _summary(endpoint: str, checks: Mapping[str, Check], excluded: Sequence[str], *, verbose: bool) -> tuple[str, int]:
    lines, failed = [], False
    for name, check in checks.items():
        if name in excluded:
            lines.append(f"[+]{name} excluded: ok")
            continue
        wrong = check()
        failed = failed or bool(wrong)
        lines.append(f"[-]{name} failed: {wrong}" if wrong else f"[+]{name} ok")
    if failed:
        return "\n".join([*lines, f"{endpoint} check failed"]) + "\n", 500
    return ("\n".join([*lines, f"{endpoint} check passed"]) + "\n", 200) if verbose else ("ok", 200)
