"""GUARDRAIL change window, all of them together: what closes a kind of change now, and when it may take place next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.configuration import ChangeWindow, Configuration, WindowKind
from contracts.proposal import Draft
from guardrails.change_window.timeline import Phase, Timeline
from guardrails.facts import WindowFacts, WindowsFacts

_MOST_STEPS = 1_000
"""Openings that are looked at in a row. When none of them is free of every freeze, no opening is promised."""


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


class Timetable:
    """The declared windows with their schedules read once."""

    def __init__(self, windows: Iterable[ChangeWindow]) -> None:
        """Prepare every schedule."""
        self._entries = tuple((window, Timeline(window)) for window in windows)

    def at(self, place: Place, now: datetime) -> WindowsFacts:
        """Return the windows that cover a change at this place, and when it may take place: `now`, later or never."""
        entries = self._covering(place)
        return WindowsFacts(
            windows=tuple(_facts(window, timeline.at(now)) for window, timeline in entries),
            opens_at=_opening(entries, now),
        )

    def closes_at(self, place: Place, now: datetime) -> datetime | None:
        """Return when all windows together close a place that they leave open; None: no closing is in sight."""
        return _closing(self._covering(place), now)

    def every(self, now: datetime) -> tuple[tuple[ChangeWindow, WindowFacts], ...]:
        """Return each declared window with where it stands."""
        return tuple((window, _facts(window, timeline.at(now))) for window, timeline in self._entries)

    def _covering(self, place: Place) -> list[tuple[ChangeWindow, Timeline]]:
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


def _opening(entries: Sequence[tuple[ChangeWindow, Timeline]], now: datetime) -> datetime | None:
    """Go from change to change until nothing closes. None: not within ten years, or not within so many changes."""
    moment = now
    for _ in range(_MOST_STEPS):
        phases = [(window.kind, timeline.at(moment)) for window, timeline in entries]
        freezes = [phase for kind, phase in phases if kind is WindowKind.FREEZE and phase.lasts]
        allows = [phase for kind, phase in phases if kind is WindowKind.ALLOW]
        if freezes:
            ends = [phase.until for phase in freezes]
            later = None if None in ends else max(end for end in ends if end is not None)
        elif allows and not any(phase.lasts for phase in allows):
            later = min((phase.until for phase in allows if phase.until is not None), default=None)
        else:
            return moment
        if later is None:
            return None
        moment = later
    return None


def _closing(entries: Sequence[tuple[ChangeWindow, Timeline]], now: datetime) -> datetime | None:
    """Go from change to change until something closes. None: not within ten years, or not within so many changes."""
    moment = now
    for _ in range(_MOST_STEPS):
        if _opening(entries, moment) != moment:
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
