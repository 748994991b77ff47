"""Change windows as people see them. Reads only: they are declared in the configuration."""

from __future__ import annotations

from dataclasses import asdict
from zoneinfo import ZoneInfo

from adapters.store import held_reads
from adapters.store.database import database_now
from adapters.store.held_reads import Held
from api import words
from api.parts import ApiParts
from api.safety.exception_schemas import Windows, WindowView
from api.safety.openings import openings
from api.safety.schemas import HeldProposal
from contracts.configuration import ChangeWindow, WindowKind
from contracts.holds import on_window
from guardrails.change_window.timetable import Timetable
from guardrails.facts import WindowFacts

_ENDED = "It never comes again: what it covers stays closed unless another window opens it."


async def windows(parts: ApiParts) -> Windows:
    """Return every declared window with what waits for it, at the database's clock."""
    declared = parts.configuration.windows
    async with parts.database.reading() as connection:
        now = await database_now(connection)
        keys = [on_window(window.name) for window in declared]
        held = await held_reads.held(connection, parts.tenant, keys) if keys else {}
    timetable = Timetable(declared)
    return Windows(
        at=now,
        items=tuple(
            _view(window, facts, held[on_window(window.name)]) for window, facts in timetable.every(now)
        ),
        openings=openings(parts.configuration, timetable, now),
    )


def _view(window: ChangeWindow, facts: WindowFacts, held: Held) -> WindowView:
    is_over = window.kind is WindowKind.ALLOW and not facts.lasts and facts.changes_at is None
    return WindowView(
        name=window.name,
        kind=window.kind,
        scope=window.scope,
        time_zone=window.time_zone,
        schedule=schedule_of(window),
        lasts=facts.lasts,
        changes_at=facts.changes_at,
        override_roles=window.override_roles,
        held=tuple(HeldProposal(**asdict(one)) for one in held.first),
        held_count=held.count,
        warning=_ENDED if is_over else "",
    )


def schedule_of(window: ChangeWindow) -> str:
    """Return when a window comes, in its own time zone."""
    if window.cron is not None and window.duration is not None:
        return f"{window.cron} for {words.duration(window.duration.total_seconds())}"
    if window.starts_at is not None and window.ends_at is not None:
        zone = ZoneInfo(window.time_zone)
        return " to ".join(
            f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in (window.starts_at, window.ends_at)
        )
    return f"{window.calendar}, {len(window.events)} events"
