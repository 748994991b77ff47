"""Reads an iCalendar file (RFC 5545) that a change window names, and says of every fault on which line it stands.

Only what tells when an event takes place is kept. What cannot be read for sure is refused, never left out: an event
that got lost would be a freeze that nobody notices is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrulestr
from icalendar import Event
from icalendar.prop import vRecur
from icalendar.timezone import tzp

from contracts.configuration import CalendarEvent

MOST_EVENTS = 1_000
_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
"""Rules that repeat more often are refused: a window is not a clock."""
_REPEATED_ONCE = ("DTSTART", "DTEND", "DURATION", "RRULE", "UID", "RECURRENCE-ID")
_NAME = re.compile(r"[A-Za-z0-9-]+(?=[;:])")
_TZID = re.compile(r"[A-Za-z0-9-]+(?:;[^:;]+)*?;TZID=\"?([^\":;]+)", re.IGNORECASE)
_DAY = timedelta(days=1)
_LONGEST = 36_525
"""Days that an event may last: a hundred years."""
_CYCLE = 400
"""Years after which the calendar repeats itself, weekdays included."""


class CalendarFault(Exception):
    """One thing that is wrong. Whoever reads the configuration words the error."""

    def __init__(self, line: int, where: str, reason: str) -> None:
        """`line` counts from 1; `where` names the property."""
        super().__init__(line, where, reason)
        self.line = line
        self.where = where
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines of one VEVENT, unfolded, each with its number."""

    lines: tuple[tuple[int, str], ...]

    @property
    def first(self) -> int:
        return self.lines[0][0]

    def line_of(self, name: str) -> int:
        found = (number for number, text in self.lines if _name_of(text) == name)
        return next(found, self.first)

    def count(self, name: str) -> int:
        return sum(_name_of(text) == name for _, text in self.lines)


@dataclass(frozen=True, slots=True)
class _Found:
    """One event with what ties it to others of its UID."""

    event: CalendarEvent
    uid: str
    replaces: datetime | None
    is_cancelled: bool


def events_of(text: str, zone: str) -> tuple[CalendarEvent, ...]:
    """Return the events of a calendar. `zone`: IANA name for whole days and for times that name no zone.

    Raises:
        CalendarFault: it is not a calendar, holds no event, or holds one that cannot be read for sure.
    """
    blocks = list(_blocks(text))
    if not blocks:
        raise CalendarFault(1, "", "holds no event")
    if len(blocks) > MOST_EVENTS:
        raise CalendarFault(blocks[MOST_EVENTS].first, "", f"holds more than {MOST_EVENTS} events")
    return tuple(_together([(block, _in_reach(block, zone)) for block in blocks]))


def _together(found: Sequence[tuple[_Block, _Found]]) -> Iterator[CalendarEvent]:
    """Put changed occurrences (RECURRENCE-ID) in the place of those of the rule."""
    moved: dict[str, list[datetime]] = {}
    masters = {one.uid for _, one in found if one.replaces is None}
    for block, one in found:
        if one.replaces is None:
            continue
        if one.uid not in masters:
            raise CalendarFault(
                block.line_of("RECURRENCE-ID"), "RECURRENCE-ID", "changes an event that is not here"
            )
        moved.setdefault(one.uid, []).append(one.replaces)
    for _, one in found:
        if one.is_cancelled:
            continue
        left_out = (*one.event.left_out, *(moved.get(one.uid, ()) if one.replaces is None else ()))
        yield one.event.model_copy(update={"left_out": left_out})


def _blocks(text: str) -> Iterator[_Block]:
    """Yield the lines of each VEVENT without what is nested in it, such as alarms."""
    lines: list[tuple[int, str]] = []
    for number, line, nested in _nested(text):
        begins, ends = (line.upper().startswith(f"{word}:") for word in ("BEGIN", "END"))
        if nested != ("VCALENDAR", "VEVENT"):
            continue
        if not _name_of(line):
            raise CalendarFault(number, "", "is not a property: NAME:value")
        if begins:
            lines = []
        lines.append((number, line))
        if ends:
            yield _Block(tuple(lines))


def _nested(text: str) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield each content line with the components that it stands in; BEGIN and END stand in their own."""
    open_ones: list[str] = []
    number = 1
    for number, line in _unfolded(text):
        word, _, value = line.partition(":")
        named = value.strip().upper()
        if word.upper() == "BEGIN":
            open_ones.append(named)
        if open_ones[:1] != ["VCALENDAR"]:
            raise CalendarFault(number, "", "is not an iCalendar file: it begins with BEGIN:VCALENDAR")
        yield number, line, tuple(open_ones)
        if word.upper() == "END":
            if open_ones[-1] != named:
                raise CalendarFault(number, "END", f"ends {named}, which did not begin last")
            open_ones.pop()
    if open_ones:
        raise CalendarFault(number, "", f"{open_ones[-1]} does not end")


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Yield content lines with the number of their first line (RFC 5545, section 3.1)."""
    waiting: tuple[int, str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if line[:1] in (" ", "\t") and waiting is not None:
            waiting = (waiting[0], waiting[1] + line[1:])
            continue
        if waiting is not None and waiting[1].strip():
            yield waiting
        waiting = (number, line)
    if waiting is not None and waiting[1].strip():
        yield waiting


def _name_of(line: str) -> str:
    found = _NAME.match(line)
    return found.group().upper() if found else ""


def _in_reach(block: _Block, zone: str) -> _Found:
    try:
        return _found(block, zone)
    except OverflowError as error:
        raise CalendarFault(block.first, "", "names a time beyond the years 1 to 9999") from error


def _found(block: _Block, zone: str) -> _Found:
    for name in _REPEATED_ONCE:
        if block.count(name) > 1:
            raise CalendarFault(block.line_of(name), name, "is given twice")
    if block.count("EXRULE"):
        raise CalendarFault(block.line_of("EXRULE"), "EXRULE", "is not supported; name the dates with EXDATE")
    _knows_zones(block)
    event = _parsed(block)
    if "DTSTART" not in event:
        raise CalendarFault(block.first, "DTSTART", "is missing")
    start = _read(block, "DTSTART", event)
    is_date = not isinstance(start, datetime)
    local = _zone_of(block, "DTSTART", start, zone)
    days, elapsed = _length(block, event, start, zone)
    made = CalendarEvent(
        summary=str(event.get("SUMMARY", ""))[:200],
        start=_local(start, local),
        time_zone=local,
        days=days,
        elapsed=elapsed,
        rule=_rule(block, event, _local(start, local), local, is_date=is_date),
        extra=_dates(block, "RDATE", event, local, start),
        left_out=_dates(block, "EXDATE", event, local, start),
    )
    return _Found(
        event=made,
        uid=str(event.get("UID", f"line {block.first}")),
        replaces=_replaced(block, event, local),
        is_cancelled=str(event.get("STATUS", "")).upper() == "CANCELLED",
    )


def _knows_zones(block: _Block) -> None:
    """Refuse a zone that is not known: the library would read its times as if they named none."""
    for number, line in block.lines:
        named = _TZID.match(line)
        if named is not None and tzp.timezone(named.group(1)) is None:
            reason = f"{named.group(1)!r} is not a time zone of the IANA database"
            raise CalendarFault(number, _name_of(line), reason)


def _parsed(block: _Block) -> Event:
    text = "\r\n".join(line for _, line in block.lines) + "\r\n"
    try:
        event = Event.from_ical(text)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise CalendarFault(block.first, "", "this event cannot be read") from error
    if not isinstance(event, Event):
        raise CalendarFault(block.first, "", "this event cannot be read")
    for name, reason in event.errors:
        raise CalendarFault(block.line_of(str(name).upper()), str(name), f"cannot be read: {reason}")
    return event


def _read(block: _Block, name: str, event: Mapping[str, Any]) -> date | datetime:
    value = getattr(event[name], "dt", None)
    if not isinstance(value, date):
        raise CalendarFault(block.line_of(name), name, "is neither a date nor a time")
    return value


def _zone_of(block: _Block, name: str, moment: date | datetime, default: str) -> str:
    """Return the IANA zone of a moment; one that the system does not know is refused, whatever VTIMEZONE says."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        return default
    if moment.tzinfo is UTC:
        return "UTC"
    key = str(getattr(moment.tzinfo, "key", moment.tzinfo))
    try:
        ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise CalendarFault(
            block.line_of(name), name, f"{key!r} is not a time zone of the IANA database"
        ) from error
    return key


def _local(moment: date | datetime, zone: str) -> datetime:
    """Return a moment as the clocks of a zone show it, without an offset."""
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time())
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def _length(
    block: _Block, event: Mapping[str, Any], start: date | datetime, default: str
) -> tuple[int, timedelta]:
    """Return days by the calendar and time by the clock (RFC 5545, section 3.8.5.3)."""
    if "DTEND" in event and "DURATION" in event:
        raise CalendarFault(block.line_of("DURATION"), "DURATION", "stands beside DTEND: give one of them")
    is_date = not isinstance(start, datetime)
    if "DURATION" in event:
        lasts: timedelta = event["DURATION"].dt
        days, elapsed = divmod(lasts, _DAY)
        where = "DURATION"
    elif "DTEND" in event:
        end = _read(block, "DTEND", event)
        if isinstance(end, datetime) is is_date:
            raise CalendarFault(
                block.line_of("DTEND"), "DTEND", "and DTSTART must both be dates, or both times"
            )
        where = "DTEND"
        if is_date:
            days, elapsed = (end - start).days, timedelta(0)
        else:
            days, elapsed = 0, _instant(end, default) - _instant(start, default)
    else:
        days, elapsed, where = int(is_date), timedelta(0), "DTSTART"
    if days < 0 or elapsed < timedelta(0) or (not days and not elapsed):
        raise CalendarFault(
            block.line_of(where), where, "the event lasts no time: it needs an end after its start"
        )
    if days + elapsed.days > _LONGEST:
        raise CalendarFault(block.line_of(where), where, "the event lasts longer than a hundred years")
    return days, elapsed


def _instant(moment: date | datetime, default: str) -> datetime:
    if not isinstance(moment, datetime):
        raise TypeError("a date is no moment")
    known = moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(default))
    return known.astimezone(UTC)


def _rule(block: _Block, event: Mapping[str, Any], start: datetime, zone: str, *, is_date: bool) -> str:
    """Return the rule with UNTIL in local time; empty when there is none."""
    recur = event.get("RRULE")
    if recur is None:
        return ""
    line = block.line_of("RRULE")
    if not isinstance(recur, vRecur) or not recur.get("FREQ"):
        raise CalendarFault(line, "RRULE", "cannot be read")
    if str(recur["FREQ"][0]).upper() not in _FREQUENCIES:
        raise CalendarFault(line, "RRULE", "may repeat by DAILY, WEEKLY, MONTHLY or YEARLY")
    if any(interval < 1 for interval in recur.get("INTERVAL", [])):
        raise CalendarFault(line, "RRULE", "the interval must be 1 or more")
    parts = [one for one in _text_of(recur).split(";") if not one.upper().startswith("UNTIL=")]
    endless = ";".join(parts)
    for until in recur.get("UNTIL", []):
        last = _local(until, zone)
        if not isinstance(until, datetime) and not is_date:
            last += _DAY - timedelta(seconds=1)
        parts.append(f"UNTIL={last:%Y%m%dT%H%M%S}")
    rule = ";".join(parts)
    try:
        rrulestr(rule, dtstart=start)
        comes = _comes(endless, start)
    except (ValueError, TypeError, IndexError) as error:
        raise CalendarFault(line, "RRULE", f"cannot be read: {error}") from error
    if not comes:
        raise CalendarFault(line, "RRULE", "never comes")
    return rule


def _comes(rule: str, start: datetime) -> bool:
    """Tell whether a rule ever comes. The library looks to the year 9999, so it is asked about the last centuries."""
    last = start.replace(year=start.year + (MAXYEAR - start.year) // _CYCLE * _CYCLE)
    return next(iter(rrulestr(rule, dtstart=last)), None) is not None


def _text_of(recur: vRecur) -> str:
    written: bytes = recur.to_ical()  # type: ignore[no-untyped-call]
    return written.decode()


def _dates(
    block: _Block, name: str, event: Mapping[str, Any], zone: str, start: date | datetime
) -> tuple[datetime, ...]:
    """Return RDATE or EXDATE. A whole day beside a start with a time means that start on the day."""
    given = event.get(name)
    if given is None:
        return ()
    found = []
    for value in given if isinstance(given, list) else [given]:
        for one in value.dts:
            if not isinstance(one.dt, date):
                raise CalendarFault(block.line_of(name), name, "may hold dates and times, not periods")
            local = _local(one.dt, zone)
            if not isinstance(one.dt, datetime) and isinstance(start, datetime):
                local = datetime.combine(one.dt, _local(start, zone).time())
            found.append(local)
    return tuple(found)


def _replaced(block: _Block, event: Mapping[str, Any], zone: str) -> datetime | None:
    if "RECURRENCE-ID" not in event:
        return None
    if str(event["RECURRENCE-ID"].params.get("RANGE", "")):
        raise CalendarFault(block.line_of("RECURRENCE-ID"), "RECURRENCE-ID", "RANGE is not supported")
    return _local(_read(block, "RECURRENCE-ID", event), zone)
