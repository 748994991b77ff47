"""GUARDRAIL change window, when: whether a window lasts at a moment, and until when that stays so. Pure.

Spans hold their start and not their end. Local times that a clock skips are read with the offset before the gap, those
that it shows twice are the first (RFC 5545, section 3.3.5); a recurrence in a gap is moved, not dropped: a freeze must
not fall away for a day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from cronsim import CronSim
from dateutil.rrule import rrule, rrulestr

from contracts.configuration import CalendarEvent, ChangeWindow

_DAY = timedelta(days=1)
_LOOK_BACK = (timedelta(hours=1), _DAY, 8 * _DAY)
"""How far back the latest start is looked for first, so that frequent ones are found soon."""
_MARGIN = timedelta(hours=3)
"""More than any clock is put back at once."""
_HORIZON = timedelta(days=3660)
"""A window that does not come for ten years is not waited for."""
_MOST_MERGED = 200
"""Spans in a row without a gap; after so many the end is told too early, and asked for again then."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to just before `end`, both in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Phase:
    """Whether a window lasts at the moment that was asked for, and until when the answer holds."""

    asked: datetime
    lasts: bool
    until: datetime | None
    """None: it does not change within ten years."""

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether it answers for this moment too."""
        return self.asked <= moment and (self.until is None or moment < self.until)


class Timeline:
    """When one window lasts. Remembers its last answers: most questions fall into a phase that is known."""

    def __init__(self, window: ChangeWindow) -> None:
        """Prepare the schedule."""
        self._spans = _spans_of(window)
        self._known: deque[Phase] = deque(maxlen=8)

    def at(self, moment: datetime) -> Phase:
        """Return the phase of a moment."""
        known = next((phase for phase in self._known if phase.holds_at(moment)), None)
        # After ten years of nothing the question is asked anew.
        if known is not None and (known.until is not None or moment - known.asked < _DAY):
            return known
        found = _phase(self._spans, moment)
        self._known.appendleft(found)
        return found


class _Cron:
    """Each match of the expression begins a span of one length."""

    def __init__(self, expression: str, zone: ZoneInfo, lasts: timedelta) -> None:
        self._expression, self._zone, self._lasts = expression, zone, lasts

    def around(self, moment: datetime) -> Iterator[Span]:
        """Yield the last span that began by `moment`, if any lasts still, then those that follow."""
        for back in (*(one for one in _LOOK_BACK if one < self._lasts), self._lasts):
            latest = None
            for start in self._after(moment - back):
                if start > moment:
                    break
                latest = start
            if latest is not None:
                yield self._span(latest)
                break
        yield from (self._span(start) for start in self._after(moment))

    def _after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the starts after a moment. It begins early: a clock that is put back must not hide one."""
        for start in CronSim(self._expression, (moment - _MARGIN).astimezone(self._zone)):
            begins = start.astimezone(UTC)
            if begins > moment:
                yield begins

    def _span(self, start: datetime) -> Span:
        return Span(start, start + self._lasts)


class _Fixed:
    """One span."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def around(self, moment: datetime) -> Iterator[Span]:
        """Yield the span unless it is over."""
        if self._span.end > moment:
            yield self._span


class _Calendar:
    """The occurrences of every event, in the order of their starts."""

    def __init__(self, events: Sequence[CalendarEvent]) -> None:
        self._events = [_Event(event) for event in events]

    def around(self, moment: datetime) -> Iterator[Span]:
        """Yield what is not over at `moment`. It looks further ahead only while nothing comes before."""
        found: list[Span] = []
        for horizon in (40 * _DAY, 400 * _DAY, _HORIZON):
            found = sorted(
                (span for event in self._events for span in event.spans(moment, moment + horizon)),
                key=lambda span: span.start,
            )
            if any(span.start > moment for span in found):
                break
        yield from found


class _Event:
    """One event of a calendar."""

    def __init__(self, event: CalendarEvent) -> None:
        self._event, self._zone = event, ZoneInfo(event.time_zone)
        self._left_out = frozenset(event.left_out)
        self._rule = _rule(event) if event.rule else None

    def spans(self, after: datetime, before: datetime) -> Iterator[Span]:
        """Yield the occurrences that end after one moment and begin before another."""
        first = self._local(after) - timedelta(days=self._event.days) - self._event.elapsed - 2 * _DAY
        for start in self._starts(first, self._local(before)):
            begins = start.replace(tzinfo=self._zone).astimezone(UTC)
            last_day = (start + timedelta(days=self._event.days)).replace(tzinfo=self._zone)
            ends = last_day.astimezone(UTC) + self._event.elapsed
            if begins < before and ends > max(after, begins):
                yield Span(begins, ends)

    def _starts(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """DTSTART always counts, whether the rule names it or not."""
        named = {self._event.start, *self._event.extra}
        repeated = self._rule.xafter(first, inc=True) if self._rule is not None else ()
        for start in chain(sorted(named), (one for one in repeated if one not in named)):
            if start > last and start not in named:
                break
            if first <= start <= last and start not in self._left_out:
                yield start

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone).replace(tzinfo=None, fold=0)


def _rule(event: CalendarEvent) -> rrule:
    found = rrulestr(event.rule, dtstart=event.start)
    if not isinstance(found, rrule):
        raise TypeError("a rule is one RRULE")
    return found


_Spans = _Cron | _Fixed | _Calendar


def _spans_of(window: ChangeWindow) -> _Spans:
    if window.cron is not None and window.duration is not None:
        return _Cron(window.cron, ZoneInfo(window.time_zone), window.duration)
    if window.starts_at is not None:
        return _Fixed(Span(window.moment(window.starts_at), window.moment(window.ends_at)))
    return _Calendar(window.events)


def _phase(spans: _Spans, moment: datetime) -> Phase:
    until: datetime | None = None
    for number, span in enumerate(spans.around(moment)):
        if span.start - moment > _HORIZON:
            break
        if until is None and span.start > moment:
            return Phase(moment, lasts=False, until=span.start)
        if until is not None and (span.start > until or number > _MOST_MERGED):
            break
        until = max(until, span.end) if until is not None else span.end
    return Phase(moment, lasts=until is not None, until=until)
