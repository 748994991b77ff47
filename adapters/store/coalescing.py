"""REQUEST → PROPOSAL: at most one open proposal of machines per target, however many alerts ask for it at once.

Whoever looks for an open proposal before making one holds the target's advisory lock until its transaction ends. Of a
transaction that also locks a request, the request comes first; of one that locks a proposal, the target comes first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Text, exists, func, or_, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.advisory_locks import derived_lock
from adapters.store.schema import proposals, requests
from adapters.store.spelling import spelled
from contracts.action import Action
from contracts.proposal import Draft, ProposalState

OPEN = tuple(state.value for state in ProposalState if not state.is_final)
_IS_OPEN = spelled(proposals.c.state, OPEN)


@dataclass(frozen=True, slots=True)
class OpenProposal:
    """A proposal that has not ended."""

    id: str
    state: ProposalState
    action: Action


async def lock_targets(connection: AsyncConnection, target_keys: Iterable[str]) -> None:
    """Take turns on these targets, in one order everywhere."""
    for number in sorted({derived_lock("coalesce", key) for key in target_keys}):
        await connection.execute(select(func.pg_advisory_xact_lock(number)))


async def open_on(connection: AsyncConnection, tenant: str, target_key: str) -> OpenProposal | None:
    """Return the oldest open proposal on a locked target, whoever made it. A dry run is none."""
    found = await connection.execute(
        select(proposals.c.id, proposals.c.state, proposals.c.draft)
        .where(
            proposals.c.tenant == tenant,
            proposals.c.target_key == target_key,
            _IS_OPEN,
            proposals.c.dry_run.is_(False),
        )
        # No limit: with one, PostgreSQL walks through the whole history for a first that it takes to come soon.
        .order_by(proposals.c.created_at, proposals.c.id)
    )
    row = found.first()
    if row is None:
        return None
    return OpenProposal(row.id, ProposalState(row.state), Draft.model_validate(row.draft).action)


async def is_still_asked_for(connection: AsyncConnection, proposal_id: str) -> bool:
    """Tell whether a person asks for a proposal, or an alert that has not resolved: its own, or one that joined it.

    The proposal's target is locked, so that no other alert joins meanwhile.
    """
    direct = exists().where(proposals.c.id == proposal_id, proposals.c.request_id.is_(None))
    own = exists().where(
        proposals.c.id == proposal_id,
        requests.c.id == proposals.c.request_id,
        requests.c.resolved_at.is_(None),
    )
    joined = exists().where(
        requests.c.joined != array([], type_=Text),
        requests.c.joined.contains([proposal_id]),
        requests.c.resolved_at.is_(None),
    )
    return bool((await connection.execute(select(or_(direct, own, joined)))).scalar_one())


async def lock_target_of(connection: AsyncConnection, proposal_id: str) -> None:
    """Take turns on the target of a proposal."""
    wanted = select(proposals.c.target_key).where(proposals.c.id == proposal_id)
    await lock_targets(connection, [key for (key,) in (await connection.execute(wanted)).all()])
