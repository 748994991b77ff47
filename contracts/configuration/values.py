"""The values that the operator's file is made of: names, patterns, lengths of time."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, TypeGuard
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Pattern = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[a-z0-9*?-]+$")]

Owner = Annotated[str, Field(pattern=r"^\S(.{0,198}\S)?$")]
"""A person or group as people write it; blank is refused."""
Label = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
LabelValue = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,63}$")]

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def _duration(value: object) -> object:
    """Read `1d12h`, `90m`, `0s`. Everything else is left to Pydantic: ISO 8601, seconds, a timedelta."""
    if isinstance(value, bool):
        raise ValueError("must be a length of time, for example 5m")  # noqa: TRY004  pydantic takes ValueError only
    found = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if found is None:
        return value
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": ["string", "number"], "examples": ["30s", "4h", "1d12h", "PT5M"]}),
]
"""A length of time: `30s`, `5m`, `4h`, `1d12h`, or ISO 8601 as `PT5M`."""


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{value!r} is not a time zone of the IANA database") from error
    return value


def is_time_zone(value: object) -> TypeGuard[str]:
    """Tell whether a value names a time zone of the IANA database."""
    try:
        return isinstance(value, str) and bool(_time_zone(value))
    except ValueError:
        return False


TimeZone = Annotated[str, AfterValidator(_time_zone)]
"""Name of a time zone in the IANA database, for example `Europe/Berlin`."""
