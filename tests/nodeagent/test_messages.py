"""The message that a container leaves at its end, from its file or from the end of its log."""

from dataclasses import replace
from pathlib import Path

from nodeagent.pods.messages import LOG_BYTES_MAX, MESSAGE_MAX, termination_message
from tests.nodeagent.make import exited

STAMP = "2026-01-02T03:04:05.000000000Z stdout"


def test_the_message_is_what_the_container_wrote_to_its_file(tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_text("x" * (MESSAGE_MAX + 1))

    assert termination_message(replace(exited(exit_code=1), message_file=str(file))) == "x" * MESSAGE_MAX


def test_a_failed_container_that_wrote_none_is_quoted_from_its_log(tmp_path: Path) -> None:
    """A line without an end, as `echo -n` leaves it, gets none here either."""
    log = tmp_path / "0.log"
    log.write_text(f"{STAMP} F one\n{STAMP} P two\n")
    record = replace(exited(exit_code=1), log_path=str(log), message_policy="FallbackToLogsOnError")

    assert termination_message(record) == "one\ntwo"
    assert termination_message(replace(record, exit_code=0)) == ""
    assert termination_message(replace(record, message_policy="File")) == ""


def test_only_the_end_of_a_long_log_is_quoted(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_text("".join(f"{STAMP} F {number:099}\n" for number in range(200)))
    record = replace(exited(exit_code=1), log_path=str(log), message_policy="FallbackToLogsOnError")

    message = termination_message(record)

    assert len(message) == LOG_BYTES_MAX
    assert message.endswith(f"{199:099}\n")
