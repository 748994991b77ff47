"""HOUSEKEEPING of proposals whose workflow is gone: terminated, failed for good, or forgotten.

What was to begin is closed, so that what waits behind it goes on. What has begun only a person can help: whether the
provider was called, and what came of it, is not looked at; the target stays locked, and somebody is paged.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func

from activities.closing import close_after_failure
from activities.housekeeping.rounds import IsRunning, Rounds
from adapters.store import proposals
from adapters.store.closing import close_without_effect
from adapters.store.database import Database
from adapters.store.schema import proposals as proposal_rows
from adapters.store.spelling import spelled
from contracts.circuit_breaker import WORKFLOW_LOST
from contracts.configuration import ConfigurationSource
from contracts.messages import proposal_workflow_id
from contracts.proposal import ProposalState

GRACE = timedelta(hours=1)
"""What a proposal is left alone for since its last move: whoever ended its workflow by mistake may reset that."""
_S = ProposalState
_BEGUN = (_S.EXECUTING, _S.VERIFYING, _S.ROLLING_BACK)
_WAITING = (_S.READY,)
_MESSAGE = "No workflow went on with it."


class LostProposals:
    """A sweep of `HousekeepingActivities`. Processes may run it side by side."""

    def __init__(
        self,
        database: Database,
        configuration: ConfigurationSource,
        is_running: IsRunning,
        *,
        grace: timedelta = GRACE,
    ) -> None:
        """`grace` is what a proposal is left alone for."""
        self._database = database
        self._configuration = configuration
        self._grace = grace
        place = (proposal_rows.c.state_since, proposal_rows.c.id)
        # In rounds of their own: what waits, however much, delays nothing that has begun.
        self._rounds = {
            states: Rounds(database, is_running, proposal_workflow_id, *place)
            for states in (_BEGUN, _WAITING)
        }

    async def hand_over(self) -> int:
        """Make `dirty` what has begun, and close what has not, where no workflow goes on with it; return how many."""
        done = 0
        for states, rounds in self._rounds.items():
            wanted = (
                proposal_rows.c.tenant == self._configuration.current.tenant,
                spelled(proposal_rows.c.state, states),
                proposal_rows.c.state_since <= func.clock_timestamp() - self._grace,
            )
            done += sum([await self._hand_over(one) async for one in rounds.without_workflow(*wanted)])
        return done

    async def _hand_over(self, proposal_id: str) -> bool:
        """Look again under the lock: it may have moved, and by a workflow that was reset meanwhile."""
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, proposal_id)
            state = _S(row.state)
            if state not in (*_BEGUN, *_WAITING) or row.state_since > row.now - self._grace:
                return False
            if state in _WAITING:
                await close_without_effect(connection, row, _S.CANCELLED, WORKFLOW_LOST, _MESSAGE)
            else:
                limits = self._configuration.current.limits.breaker
                await close_after_failure(connection, row, _S.DIRTY, WORKFLOW_LOST, limits)
        return True
