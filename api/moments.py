"""Moments as callers send them: RFC 3339 times with an offset, in UTC from here on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("in UTC there is no such moment") from error


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment that PostgreSQL can keep: the first and the last day of the calendar end elsewhere than in UTC."""
