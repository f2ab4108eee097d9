"""One line per event on standard error: time, level, where, what; as text or as JSON.

The message of a record is the event; what it concerns stands behind it as key=value (the `extra` of the call).
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class TextFormatter(logging.Formatter):
    """2026-01-02T03:04:05.678Z INFO kube.informer: the event key=value"""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line; a traceback follows on lines of its own."""
        pairs = "".join(f" {key}={_quoted(value)}" for key, value in _extra(record).items())
        message = record.getMessage().replace("\n", "\\n")
        line = f"{_moment(record)} {record.levelname} {record.name}: {message}{pairs}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """{"ts": "...", "level": "info", "logger": "kube.informer", "msg": "the event", "key": "value"}"""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line of JSON."""
        entry: dict[str, Any] = {
            "ts": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        entry |= _extra(record)
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


def set_up_logging(level: str = "info", *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Send all records of `level` and above to `stream`, standard error by default. Replaces what was set before."""
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"log level: {level}; use debug, info, warning or error")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(number)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(c in text for c in ' "=\n\t') else text
