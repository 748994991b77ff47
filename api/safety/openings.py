"""Change windows, all of them together: whether an environment is open for changes, and when that changes. Pure.

A window by itself says little: a change must be outside of every freeze and, where allow windows cover it, inside one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from api.safety.exception_schemas import Opening
from contracts.configuration import ChangeWindow, Configuration
from guardrails.change_window.decision import closing_windows
from guardrails.change_window.timetable import Place, Timetable

_UTC = "UTC"


def openings(configuration: Configuration, timetable: Timetable, now: datetime) -> tuple[Opening, ...]:
    """Return where changes stand in each environment that a window covers; by team where teams differ."""
    return tuple(
        opening
        for environment in configuration.environments
        for opening in _of_environment(configuration, timetable, environment, now)
    )


def _of_environment(
    configuration: Configuration, timetable: Timetable, environment: str, now: datetime
) -> Iterator[Opening]:
    teams = sorted({one.team for one in configuration.targets if one.environment == environment})
    general = _covering(configuration, _place(environment, ""))
    own = {team: _covering(configuration, _place(environment, team)) for team in teams}
    differing = [team for team, windows in own.items() if windows != general]
    if general or not differing:
        yield from _opening(configuration, timetable, environment, None, now)
    for team in differing:
        yield from _opening(configuration, timetable, environment, team, now)


def _opening(
    configuration: Configuration, timetable: Timetable, environment: str, team: str | None, now: datetime
) -> Iterator[Opening]:
    place = _place(environment, team or "")
    windows, narrower = _covering(configuration, place), _narrower(configuration, environment, team)
    if not windows and not narrower:
        return
    found = timetable.at(place, now)
    closed_by = tuple(one.name for one in closing_windows(found.windows))
    zones = {one.time_zone for one in windows}
    yield Opening(
        environment=environment,
        team=team,
        is_open=not closed_by,
        closed_by=closed_by,
        changes_at=found.opens_at if closed_by else timetable.closes_at(place, now),
        time_zone=zones.pop() if len(zones) == 1 else _UTC,
        narrower=narrower,
    )


def _place(environment: str, team: str) -> Place:
    return Place(environment=environment, team=team, target_key="", action_kind="")


def _covering(configuration: Configuration, place: Place) -> tuple[ChangeWindow, ...]:
    return tuple(
        one
        for one in configuration.windows
        if one.scope.covers(
            environment=place.environment,
            team=place.team,
            target_key=place.target_key,
            action_kind=place.action_kind,
        )
    )


def _narrower(configuration: Configuration, environment: str, team: str | None) -> tuple[str, ...]:
    """Names of windows for one target or kind of action there: what they cover stands otherwise."""
    return tuple(
        one.name
        for one in configuration.windows
        if (one.scope.target is not None or one.scope.action_kind is not None)
        and one.scope.environment in (None, environment)
        and (team is None or one.scope.team in (None, team))
    )
