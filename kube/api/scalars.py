"""The scalars of the wire that Python has no type of its own for.

Times are texts in the one form that Kubernetes writes, in UTC (kube.codec brings those of clients into it): few readers
need more than to compare them (see kube.times). The pattern knows the calendar, so that every moment is one.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

import msgspec

_LEAP_YEAR = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY = r"(?:0[1-9]|1[0-9]|2[0-8])"  # That every month has.
_DATE = (
    rf"(?!0000)(?:[0-9]{{4}}-(?:(?:0[1-9]|1[0-2])-{_DAY}|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    rf"|{_LEAP_YEAR}-02-29)"
)
_SECOND = rf"^{_DATE}T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){{2}}"

Time: TypeAlias = Annotated[str, msgspec.Meta(pattern=rf"{_SECOND}Z\Z")]
"""A moment to the second, RFC 3339."""

MicroTime: TypeAlias = Annotated[str, msgspec.Meta(pattern=rf"{_SECOND}\.[0-9]{{6}}Z\Z", title="MicroTime")]
"""A moment to the microsecond, RFC 3339 with six decimals."""

Duration: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
"""A length of time as Go writes it: "1h30m"."""

Int32: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
"""A number that 32 bits hold."""

Int64: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A number that 64 bits hold."""

IntOrString: TypeAlias = Int32 | str
"""A number, or a name or percentage: 8080, "http", "25%"."""

JsonValue: TypeAlias = Any
"""Any JSON value, kept as it is."""

JsonObject: TypeAlias = Mapping[str, Any]
"""Any JSON object, kept as it is."""

RawObject: TypeAlias = msgspec.Raw
"""A JSON object that few look into, kept as its text."""

NO_FIELDS: Final = msgspec.Raw(b"")
"""The RawObject that isn't there."""
