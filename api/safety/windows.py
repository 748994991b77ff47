"""Change windows as people see them. Reads only: they are declared in the configuration."""

from __future__ import annotations

from adapters.store.database import database_now
from api.parts import ApiParts
from api.safety.exception_schemas import Windows, WindowView
from contracts.configuration import ChangeWindow, WindowKind
from guardrails.change_window.timetable import Timetable
from guardrails.facts import WindowFacts

_ENDED = "It never comes again: what it covers stays closed unless another window opens it."


async def windows(parts: ApiParts) -> Windows:
    """Return every declared window, at the database's clock."""
    async with parts.database.reading() as connection:
        now = await database_now(connection)
    found = Timetable(parts.configuration.windows).every(now)
    return Windows(at=now, items=tuple(_view(window, facts) for window, facts in found))


def _view(window: ChangeWindow, facts: WindowFacts) -> WindowView:
    is_over = window.kind is WindowKind.ALLOW and not facts.lasts and facts.changes_at is None
    return WindowView(
        name=window.name,
        kind=window.kind,
        scope=window.scope,
        time_zone=window.time_zone,
        schedule=_schedule(window),
        lasts=facts.lasts,
        changes_at=facts.changes_at,
        override_roles=window.override_roles,
        warning=_ENDED if is_over else "",
    )


def _schedule(window: ChangeWindow) -> str:
    if window.cron is not None:
        return f"{window.cron} for {window.duration}"
    if window.starts_at is not None and window.ends_at is not None:
        return f"{window.starts_at.isoformat()} to {window.ends_at.isoformat()}"
    return f"{window.calendar}, {len(window.events)} events"
