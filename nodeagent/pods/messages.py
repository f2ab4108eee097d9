"""Read the message that a container leaves at its end.

Reads the file that was mounted at its terminationMessagePath, or the end of its log.
Source: kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure.
"""

from pathlib import Path
from typing import Final

from nodeagent.cri.values import ContainerRecord

MESSAGE_MAX: Final = 4096
LOG_BYTES_MAX: Final = 2048
LOG_LINES_MAX: Final = 80


def termination_message(record: ContainerRecord) -> str:
    """Return the message of an ended container, "" where it left none."""
    text = _file_end(Path(record.message_file)) if record.message_file else ""
    if text or record.exit_code == 0 or record.message_policy != "FallbackToLogsOnError":
        return text
    return _log_end(Path(record.log_path)) if record.log_path else ""


def _file_end(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MESSAGE_MAX).decode(errors="replace")
    except OSError:
        return ""


def _log_end(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 4 * LOG_BYTES_MAX))
            lines = file.read().splitlines()
    except OSError:
        return ""
    texts = [_text(line) for line in lines[-LOG_LINES_MAX:] if line.count(b" ") >= 3]
    return b"".join(texts)[-LOG_BYTES_MAX:].decode(errors="replace")


def _text(line: bytes) -> bytes:
    """Return what a container wrote, from a line of its log: one that is tagged P had no end yet."""
    _, _, tag, text = line.split(b" ", 3)
    return text if tag == b"P" else text + b"\n"
