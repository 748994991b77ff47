"""HOUSEKEEPING of proposals whose workflow is gone: terminated, or failed for good. Their time ends all the same.

A workflow closes its proposal in the second its time is over. What is open long after that has nobody left to do it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.engine import Row

from adapters.store import outbox, proposals
from adapters.store.closing import close_without_effect
from adapters.store.database import Database, database_now
from adapters.store.outbox import OutboxKind
from adapters.store.schema import decisions
from adapters.store.schema import proposals as proposal_rows
from adapters.store.spelling import spelled
from contracts.configuration import ConfigurationSource
from contracts.decision import DecisionStatus
from contracts.proposal import DECIDE_BY_PASSED, EXECUTE_BY_PASSED, ProposalState

GRACE = timedelta(minutes=10)
"""How long a workflow gets to close its proposal itself."""
AT_MOST = 100
"""Proposals closed in one round; the others come in the next."""
_S = ProposalState
_UNDECIDED = (_S.EVALUATING, _S.AWAITING_APPROVAL)


class OverdueProposals:
    """A sweep of `HousekeepingActivities`. Processes may run it side by side."""

    def __init__(
        self, database: Database, configuration: ConfigurationSource, *, grace: timedelta = GRACE
    ) -> None:
        """`grace` is what a proposal is left alone for after its time is over."""
        self._database = database
        self._configuration = configuration
        self._grace = grace

    async def expire(self) -> int:
        """Close what nobody closed in time, wake its workflow in case there is one, and return how many.

        A decision that was stored in time and is still being delivered wins: it is settled first.
        """
        tenant = self._configuration.current.tenant
        async with self._database.reading() as connection:
            before = await database_now(connection) - self._grace
            late = or_(
                and_(spelled(proposal_rows.c.state, _UNDECIDED), proposal_rows.c.decide_by < before),
                and_(spelled(proposal_rows.c.state, [_S.READY]), proposal_rows.c.execute_by < before),
            )
            found = await connection.execute(
                select(proposal_rows.c.id)
                .where(proposal_rows.c.tenant == tenant, late, ~_is_being_decided())
                # By id, PostgreSQL would walk through all that is stored for a hundred that it takes to come soon.
                .order_by(proposal_rows.c.decide_by, proposal_rows.c.id)
                .limit(AT_MOST)
            )
            ids = found.scalars().all()
        return sum([await self._close(one, before) for one in ids])

    async def _close(self, proposal_id: str, before: datetime) -> bool:
        async with self._database.transaction() as connection:
            row = await proposals.lock(connection, proposal_id)
            code = _late(row, before)
            deciding = select(proposal_rows.c.id).where(proposal_rows.c.id == row.id, _is_being_decided())
            if code is None or (await connection.execute(deciding)).one_or_none() is not None:
                return False
            message = "Its time was over, and no workflow closed it."
            await close_without_effect(connection, row, _S.EXPIRED, code, message)
            await outbox.put(connection, OutboxKind.WAKE, row.id, {"reason_code": code})
        return True


def _is_being_decided() -> Any:
    return (
        select(decisions.c.id)
        .where(
            decisions.c.proposal_id == proposal_rows.c.id,
            decisions.c.revision == proposal_rows.c.revision,
            decisions.c.status == DecisionStatus.RECORDED.value,
        )
        .exists()
    )


def _late(row: Row[Any], before: datetime) -> str | None:
    state = ProposalState(row.state)
    if state in _UNDECIDED and row.decide_by < before:
        return DECIDE_BY_PASSED
    return EXECUTE_BY_PASSED if state is _S.READY and row.execute_by < before else None
