"""GUARDRAIL change window, all of them together: what closes a kind of change now, and when it may take place next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.configuration import ChangeWindow, Configuration, WindowKind
from contracts.proposal import Draft
from guardrails.change_window.timeline import Phase, Timeline
from guardrails.facts import WindowFacts, WindowsFacts

_MOST_STEPS = 200
"""Changes that are looked at in a row. When nothing is open after any of them, no opening is promised."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a window's scope is compared with."""

    environment: str
    team: str
    target_key: str
    action_kind: str

    @classmethod
    def of(cls, draft: Draft) -> Place:
        """Return the place of a draft."""
        target_key = draft.action.target.key
        return cls(draft.environment, draft.team, target_key, draft.action.kind)


_Entries = Sequence[tuple[ChangeWindow, Timeline]]


@dataclass(frozen=True, slots=True)
class _Shut:
    """From `since` to just before `looked_until` something closes."""

    since: datetime
    looked_until: datetime
    opens_at: datetime | None

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether it answers for this moment too."""
        return self.since <= moment < self.looked_until


class Timetable:
    """The declared windows with their schedules read once. Remembers how long they keep a place shut."""

    def __init__(self, windows: Iterable[ChangeWindow]) -> None:
        """Prepare every schedule."""
        self._entries = tuple((window, Timeline(window)) for window in windows)
        self._shut: dict[tuple[str, ...], _Shut] = {}

    def at(self, place: Place, now: datetime) -> WindowsFacts:
        """Return the windows that cover a change at this place, and when it may take place: `now`, later or never."""
        entries = self._covering(place)
        return WindowsFacts(
            windows=tuple(_facts(window, timeline.at(now)) for window, timeline in entries),
            opens_at=self._opening(entries, now),
        )

    def closes_at(self, place: Place, now: datetime) -> datetime | None:
        """Return when all windows together close a place that they leave open; None: no closing is in sight."""
        return _closing(self._covering(place), now)

    def every(self, now: datetime) -> tuple[tuple[ChangeWindow, WindowFacts], ...]:
        """Return each declared window with where it stands."""
        return tuple((window, _facts(window, timeline.at(now))) for window, timeline in self._entries)

    def _opening(self, entries: _Entries, now: datetime) -> datetime | None:
        names = tuple(window.name for window, _ in entries)
        known = self._shut.get(names)
        if known is None or not known.holds_at(now):
            known = self._shut[names] = _shut(entries, now)
        return known.opens_at

    def _covering(self, place: Place) -> _Entries:
        return [
            (window, timeline)
            for window, timeline in self._entries
            if window.scope.covers(
                environment=place.environment,
                team=place.team,
                target_key=place.target_key,
                action_kind=place.action_kind,
            )
        ]


def _facts(window: ChangeWindow, phase: Phase) -> WindowFacts:
    return WindowFacts(
        name=window.name,
        kind=window.kind,
        lasts=phase.lasts,
        changes_at=phase.until,
        override_roles=window.override_roles,
    )


def _shut(entries: _Entries, now: datetime) -> _Shut:
    """Go from change to change until nothing closes. No opening: not within ten years, or within so many changes."""
    moment = now
    for _ in range(_MOST_STEPS):
        if _is_open(entries, moment):
            return _Shut(now, moment, moment)
        later = _next_chance(entries, moment)
        if later is None:
            break
        moment = later
    return _Shut(now, moment, None)


def _is_open(entries: _Entries, moment: datetime) -> bool:
    phases = [(window.kind, timeline.at(moment).lasts) for window, timeline in entries]
    allows = [lasts for kind, lasts in phases if kind is WindowKind.ALLOW]
    return (WindowKind.FREEZE, True) not in phases and (not allows or any(allows))


def _next_chance(entries: _Entries, moment: datetime) -> datetime | None:
    """Return when every freeze that lasts is over, or else the first allow window begins. None: not in ten years."""
    phases = [(window.kind, timeline.at(moment)) for window, timeline in entries]
    freezes = [phase.until for kind, phase in phases if kind is WindowKind.FREEZE and phase.lasts]
    if freezes:
        return None if None in freezes else max(end for end in freezes if end is not None)
    allows = (phase.until for kind, phase in phases if kind is WindowKind.ALLOW)
    return min((begin for begin in allows if begin is not None), default=None)


def _closing(entries: _Entries, now: datetime) -> datetime | None:
    """Go from change to change until something closes. None: not within ten years, or not within so many changes."""
    moment = now
    for _ in range(_MOST_STEPS):
        if not _is_open(entries, moment):
            return moment
        changes = (timeline.at(moment).until for _, timeline in entries)
        later = min((one for one in changes if one is not None), default=None)
        if later is None:
            return None
        moment = later
    return None


class Timetables:
    """The timetable of the configuration in force: schedules are read once per configuration."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: tuple[tuple[ChangeWindow, ...], Timetable] | None = None

    def of(self, configuration: Configuration) -> Timetable:
        """Return the timetable of a configuration. One that was asked for last is not made again."""
        windows = configuration.windows
        if self._known is None or self._known[0] is not windows:
            self._known = (windows, Timetable(windows))
        return self._known[1]
