"""Moments and lengths of time as the API writes them and as people read them.

Source: RFC 3339; Go's time.ParseDuration; the ages that kubectl prints.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final


def to_time(moment: datetime) -> str:
    """Return a moment as the API writes it, to the second: "2026-01-02T15:04:05Z". The moment has a time zone."""
    utc = _in_utc(moment)
    return _second(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second)


@lru_cache(maxsize=64)
def _second(*parts: int) -> str:
    """Return a second of UTC as text: that of now is asked for by every write."""
    return "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(*parts)


def to_micro_time(moment: datetime) -> str:
    """Return a moment as the API writes it where microseconds count: "2026-01-02T15:04:05.000000Z"."""
    return f"{_in_utc(moment).isoformat(timespec='microseconds')[:26]}Z"


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d{1,100})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


@lru_cache(maxsize=4096)
def parse_time(text: str) -> datetime:
    """Return the moment that an RFC 3339 text names, in UTC, cut to microseconds. Raises ValueError."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}": is not a time; write it as 2026-01-02T15:04:05Z')
    date, time, fraction, zone = match.groups()
    zone = "+00:00" if zone in "Zz" else zone
    moment = datetime.fromisoformat(f"{date}T{time}{(fraction or '')[:7].ljust(7, '0') if fraction else ''}{zone}")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f'"{text}": lies outside the years 1 to 9999 in UTC') from error


def seconds_between(earlier: str | datetime, later: str | datetime) -> float:
    """Return how many seconds lie between two moments, negative where `later` is the earlier one."""
    start = parse_time(earlier) if isinstance(earlier, str) else earlier
    end = parse_time(later) if isinstance(later, str) else later
    return (end - start).total_seconds()


def human_duration(seconds: float) -> str:
    """Return a length of time in at most two units, as kubectl's AGE column has it: "5s", "3m12s", "2d3h", "3y10d"."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    if days < 2920:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(number: int, unit: str, rest: int, rest_unit: str) -> str:
    return f"{number}{unit}{rest}{rest_unit}" if rest else f"{number}{unit}"


def human_duration_since(text: str | None, now: datetime) -> str:
    """Return how long ago a moment was, "<unknown>" where there is none."""
    return human_duration(seconds_between(text, now)) if text else "<unknown>"


_UNITS: Final = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "μs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
DURATION_MAX_LENGTH: Final = 100  # Far beyond what anybody writes; the pattern is slow on what never ends.
_DURATION_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Return the length of time that Go writes as `text`: "1h30m", "1.5s", "-2m", "0". Raises ValueError."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if digits == "0":
        return timedelta(0)
    if not digits or len(digits) > DURATION_MAX_LENGTH or _DURATION_PART.sub("", digits):
        raise ValueError(f'"{text[:DURATION_MAX_LENGTH]}": is not a length of time; write it as 1h30m, 90s or 500ms')
    seconds = sum(Decimal(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(digits))
    return timedelta(microseconds=int(sign * seconds * 1_000_000))


def to_duration(length: timedelta) -> str:
    """Return a length of time as Go writes it: "1h30m0s", "1.5s", "500ms"."""
    micros = round(length.total_seconds() * 1_000_000)
    if micros == 0:
        return "0s"
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    if micros < 1000:
        return f"{sign}{micros}µs"
    if micros < 1_000_000:
        return f"{sign}{_decimal(micros, 1000)}ms"
    minutes, rest = divmod(micros, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_decimal(rest, 1_000_000)}s"


def _decimal(number: int, divisor: int) -> str:
    whole, rest = divmod(number, divisor)
    return f"{whole}.{rest:0{len(str(divisor)) - 1}d}".rstrip("0") if rest else str(whole)
