"""HOUSEKEEPING of windows and break-glass: wakes what may go on, and writes down which grants are over."""

from __future__ import annotations

from sqlalchemy import select

from adapters.store import break_glass, outbox
from adapters.store.database import Database, database_now
from adapters.store.outbox import OutboxKind
from adapters.store.schema import proposals
from contracts.configuration import ConfigurationSource
from contracts.holds import WINDOW
from contracts.proposal import Draft, ProposalState
from guardrails.change_window.decision import closing_windows
from guardrails.change_window.timetable import Place, Timetables


class ExceptionSweeps:
    """Sweeps of `HousekeepingActivities`."""

    def __init__(self, database: Database, configuration: ConfigurationSource) -> None:
        """Windows are those of the configuration in force."""
        self._database = database
        self._configuration = configuration
        self._timetables = Timetables()

    async def wake_opened(self) -> int:
        """Wake every proposal that waits for a window and that no window closes any more; return how many.

        The pass that held it queued a signal for the opening. This is for what nobody could know then: windows that
        were changed or taken away.
        """
        timetable = self._timetables.of(self._configuration.current)
        async with self._database.transaction() as connection:
            now = await database_now(connection)
            found = await connection.execute(
                select(proposals.c.id, proposals.c.draft, proposals.c.held_on)
                .where(
                    proposals.c.state == ProposalState.READY.value,
                    proposals.c.held_on.startswith(WINDOW, autoescape=True),
                )
                .order_by(proposals.c.priority, proposals.c.created_at, proposals.c.id)
            )
            woken = [
                row
                for row in found.all()
                if not closing_windows(timetable.at(Place.of(Draft.model_validate(row.draft)), now).windows)
            ]
            for row in woken:
                await outbox.put(connection, OutboxKind.WAKE, row.id, {"held_on": row.held_on})
        return len(woken)

    async def settle_break_glass(self) -> int:
        """Let unconfirmed grants lapse and open the review of expired ones; return how many."""
        async with self._database.transaction() as connection:
            return await break_glass.settle(connection)
