"""HOUSEKEEPING of effects whose workflow is gone: terminated, failed for good, or forgotten. Only a person can help.

Whether the provider was called, and what came of it, is not looked at: the target stays locked, and somebody is paged.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, literal

from activities.closing import close_after_failure
from activities.housekeeping.rounds import IsRunning, Rounds
from adapters.store import proposals
from adapters.store.database import Database
from adapters.store.schema import proposals as proposal_rows
from contracts.circuit_breaker import WORKFLOW_LOST
from contracts.configuration import ConfigurationSource
from contracts.messages import proposal_workflow_id
from contracts.proposal import ProposalState

GRACE = timedelta(hours=1)
"""What an effect is left alone for since its last move: whoever ended its workflow by mistake may reset that."""
_S = ProposalState
_BEGUN = (_S.EXECUTING, _S.VERIFYING, _S.ROLLING_BACK)


class LostEffects:
    """A sweep of `HousekeepingActivities`. Processes may run it side by side."""

    def __init__(
        self,
        database: Database,
        configuration: ConfigurationSource,
        is_running: IsRunning,
        *,
        grace: timedelta = GRACE,
    ) -> None:
        """`grace` is what an effect is left alone for."""
        self._database = database
        self._configuration = configuration
        self._grace = grace
        place = (proposal_rows.c.state_since, proposal_rows.c.id)
        self._rounds = Rounds(database, is_running, proposal_workflow_id, *place)

    async def hand_over(self) -> int:
        """Make `dirty` what has begun and has no workflow that would end it, and return how many."""
        wanted = (
            proposal_rows.c.tenant == self._configuration.current.tenant,
            proposal_rows.c.state.in_([literal(one.value, literal_execute=True) for one in _BEGUN]),
            proposal_rows.c.state_since <= func.clock_timestamp() - self._grace,
        )
        return sum([await self._hand_over(one) async for one in self._rounds.without_workflow(*wanted)])

    async def _hand_over(self, proposal_id: str) -> bool:
        """Look again under the lock: it may have moved, and by a workflow that was reset meanwhile."""
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, proposal_id)
            if _S(row.state) not in _BEGUN or row.state_since > row.now - self._grace:
                return False
            limits = self._configuration.current.limits.breaker
            await close_after_failure(connection, row, _S.DIRTY, WORKFLOW_LOST, limits)
        return True
