"""Change windows: when changes may take place, and when nothing may change.

An `allow` window says: what it covers changes only inside it, or inside another allow window that covers it. A `freeze`
always closes. A window without a scope has to say `everything: true`.
"""

from __future__ import annotations

import fnmatch
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from contracts.base import Contract, unsaid
from contracts.configuration.values import Duration, Name, TimeZone
from contracts.principal import Role

LONGEST = timedelta(days=31)
"""Longest time that one start of a cron expression opens or freezes."""
_SHORTEST = timedelta(minutes=1)
_CRON_FIELDS = 5
_SOME_DAY = datetime(2026, 1, 1)  # noqa: DTZ001  only whether the expression ever matches is asked
_OVERRIDING = frozenset({Role.APPROVER, Role.OPERATOR, Role.ADMIN})


class WindowKind(StrEnum):
    """What a window does while it lasts."""

    ALLOW = "allow"
    FREEZE = "freeze"


def _cron(value: str) -> str:
    """Accept five fields that match some day."""
    if len(value.split()) != _CRON_FIELDS:
        raise ValueError("must have five fields: minute, hour, day of month, month, day of week")
    try:
        next(CronSim(value, _SOME_DAY))
    except CronSimError as error:
        raise ValueError(f"is not a cron expression: {error}") from error
    except StopIteration as error:
        raise ValueError("never comes") from error
    return value


Cron = Annotated[str, AfterValidator(_cron)]
"""Five fields in the dialect of Debian's cron, for example `0 9 * * mon-fri`."""


class WindowScope(Contract):
    """What a window covers. Every given field must match; covering everything has to be said."""

    environment: Name | None = None
    team: Name | None = None
    target: str | None = Field(
        default=None, min_length=1, max_length=400, description="Key of a target; `*` and `?` are wildcards."
    )
    action_kind: str | None = Field(default=None, min_length=1, max_length=80)
    everything: bool = False

    @model_validator(mode="after")
    def _everything_is_said_aloud(self) -> Self:
        named = [self.environment, self.team, self.target, self.action_kind]
        if self.everything == any(value is not None for value in named):
            raise ValueError(
                "name at least one of environment, team, target, action_kind, or set everything: true"
            )
        return self

    def covers(self, *, environment: str, team: str, target_key: str, action_kind: str) -> bool:
        """Tell whether a change with these attributes has to mind the window."""
        return (
            self.environment in (None, environment)
            and self.team in (None, team)
            and self.action_kind in (None, action_kind)
            and (self.target is None or fnmatch.fnmatchcase(target_key, self.target))
        )


class CalendarEvent(Contract):
    """One VEVENT of an iCalendar file (RFC 5545), reduced to what tells when it takes place.

    Times are local to `time_zone`, without an offset. An occurrence lasts `days` by the calendar and `elapsed` by the
    clock: a day that is 25 hours long stays one day.
    """

    summary: str = ""
    start: datetime
    time_zone: TimeZone
    days: int = Field(default=0, ge=0)
    elapsed: timedelta = timedelta(0)
    rule: str = Field(default="", exclude_if=lambda value: value == "")
    """RRULE with UNTIL in local time; empty when it takes place once."""
    extra: tuple[datetime, ...] = Field(default=(), exclude_if=unsaid)
    """RDATE: further starts."""
    left_out: tuple[datetime, ...] = Field(default=(), exclude_if=unsaid)
    """EXDATE: starts that do not take place."""


class ChangeWindow(Contract):
    """One change window. Its time is a cron expression with a duration, or two moments, or an iCalendar file."""

    name: Name
    kind: WindowKind
    scope: WindowScope
    time_zone: TimeZone
    cron: Cron | None = None
    duration: Duration | None = None
    starts_at: datetime | None = None
    """Local to `time_zone` unless it names an offset."""
    ends_at: datetime | None = None
    """The first moment after the window."""
    calendar: str | None = Field(default=None, min_length=1, max_length=400)
    """Path of an iCalendar file, from the directory of this file."""
    override_roles: tuple[Role, ...] = (Role.OPERATOR,)
    """Each of them may override the window for one proposal, with a reason; none: nobody may."""
    events: SkipJsonSchema[tuple[CalendarEvent, ...]] = Field(default=(), exclude_if=unsaid)
    """What the calendar holds. `adapters/configuration.py` reads it; nobody writes it here."""

    @field_validator("duration")
    @classmethod
    def _is_bearable(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and not _SHORTEST <= value <= LONGEST:
            raise ValueError(f"must be one minute to {LONGEST.days} days")
        return value

    @field_validator("override_roles")
    @classmethod
    def _may_decide(cls, value: tuple[Role, ...]) -> tuple[Role, ...]:
        if not set(value) <= _OVERRIDING:
            raise ValueError("only approver, operator and admin can override a window")
        return value

    @model_validator(mode="after")
    def _has_one_time(self) -> Self:
        ways = [
            (self.cron, self.duration),
            (self.starts_at, self.ends_at),
            (self.calendar, self.calendar),
        ]
        if [all(way) for way in ways].count(True) != 1 or [any(way) for way in ways].count(True) != 1:
            raise ValueError("needs one of: cron with duration; starts_at with ends_at; calendar")
        if self.starts_at is not None and self.moment(self.starts_at) >= self.moment(self.ends_at):
            raise ValueError("ends_at must be after starts_at")
        return self

    def moment(self, given: datetime | None) -> datetime:
        """Return a moment of this window in UTC. One that names no offset is local to `time_zone`."""
        if given is None:
            raise ValueError("there is no such moment")
        known = given if given.tzinfo is not None else given.replace(tzinfo=ZoneInfo(self.time_zone))
        return known.astimezone(UTC)
