"""The scalars of the wire that Python has no type of its own for.

Times stay text: what came in goes out unchanged, and few readers need more than to compare them (see kube.times).
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import msgspec

_RFC3339 = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})\Z"

Time: TypeAlias = Annotated[str, msgspec.Meta(pattern=_RFC3339)]
"""A moment to the second, RFC 3339."""

MicroTime: TypeAlias = Annotated[str, msgspec.Meta(pattern=_RFC3339)]
"""A moment to the microsecond, RFC 3339 with six decimals."""

Duration: TypeAlias = str
"""A length of time as Go writes it: "1h30m"."""

IntOrString: TypeAlias = int | str
"""A number, or a name or percentage: 8080, "http", "25%"."""

JsonValue: TypeAlias = Any
"""Any JSON value, kept as it is."""

JsonObject: TypeAlias = Mapping[str, Any]
"""Any JSON object, kept as it is."""
