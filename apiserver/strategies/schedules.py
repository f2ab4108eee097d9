"""Say what is wrong with a cron schedule or a time zone.

Source: kubernetes.io/docs/concepts/workloads/controllers/cron-jobs, the syntax of schedules.
"""

import re
import zoneinfo
from functools import cache
from typing import Final

_FIELDS: Final = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    ("day of week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_MACROS: Final = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_EVERY: Final = re.compile(r"@every ([0-9.]+(ns|us|µs|ms|s|m|h))+")
_PART: Final = re.compile(r"(\*|\?|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]+))?")


@cache
def schedule_problem(schedule: str) -> str:
    """Return what is wrong with a schedule, "" if it is good."""
    text = schedule.strip()
    if text.startswith(("TZ=", "CRON_TZ=")):
        _, _, text = text.partition(" ")
    if text.startswith("@"):
        known = text in _MACROS or _EVERY.fullmatch(text)
        return "" if known else f"unrecognized descriptor: {text}"
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]"
    for field, (name, low, high, words) in zip(fields, _FIELDS, strict=True):
        for part in field.lower().split(","):
            if problem := _part_problem(part, low, high, words):
                return f"{name}: {problem}"
    return ""


def _part_problem(part: str, low: int, high: int, words: tuple[str, ...]) -> str:
    match = _PART.fullmatch(part)
    if match is None:
        return f"failed to parse {part!r}"
    first, last, step = match.groups()
    if step is not None and int(step) == 0:
        return f"step of range should be a positive number: {part}"
    if first in ("*", "?"):
        return "" if last is None else f"failed to parse {part!r}"
    ends = [_number(word, low, words) for word in (first, last) if word is not None]
    for end, word in zip(ends, (first, last), strict=False):
        if end is None:
            return f"failed to parse int from {word}"
        if not low <= end <= high:
            return f"{'beginning' if word == first else 'end'} of range ({end}) is not in {low}-{high}: {part}"
    if len(ends) > 1 and (ends[0] or 0) > (ends[1] or 0):
        return f"beginning of range ({ends[0]}) beyond end of range ({ends[1]}): {part}"
    return ""


def _number(word: str, low: int, words: tuple[str, ...]) -> int | None:
    if word in words:
        return words.index(word) + low
    return int(word) if word.isdigit() else None


@cache
def time_zone_problem(zone: str) -> str:
    """Return what is wrong with the name of a time zone, "" if it is good."""
    if not zone:
        return "timeZone must be nil or non-empty string"
    if zone.lower() == "local":
        return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return f"unknown time zone {zone}"
    return ""
