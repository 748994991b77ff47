"""What waits for what: proposals in a line each, by the key that holds them (`proposals.held_on`). Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.schema import proposals
from contracts.messages import summary_of
from contracts.proposal import Draft, ProposalState

MOST_HELD = 20
"""Proposals listed per key. The count is of all of them."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One proposal, in a line."""

    id: str
    state: ProposalState
    summary: str
    target: str


@dataclass(frozen=True, slots=True)
class Held:
    """What one key holds, in the order in which it goes on."""

    count: int
    first: tuple[Waiting, ...]


async def held(connection: AsyncConnection, tenant: str, keys: Sequence[str]) -> dict[str, Held]:
    """Return what each of these keys holds: a breaker's, or a window's."""
    place = func.row_number().over(
        partition_by=proposals.c.held_on,
        order_by=(proposals.c.priority, proposals.c.created_at, proposals.c.id),
    )
    ranked = (
        select(proposals, place.label("place"), func.count().over(partition_by=proposals.c.held_on).label("total"))
        .where(
            proposals.c.tenant == tenant,
            proposals.c.held_on.in_(list(keys)),
            proposals.c.state == ProposalState.READY.value,
        )
        .subquery()
    )  # fmt: skip
    rows = await connection.execute(
        select(ranked).where(ranked.c.place <= MOST_HELD).order_by(ranked.c.held_on, ranked.c.place)
    )
    found = {key: Held(0, ()) for key in keys}
    for row in rows.all():
        before = found[row.held_on]
        found[row.held_on] = Held(row.total, (*before.first, _waiting(row)))
    return found


async def named(connection: AsyncConnection, tenant: str, proposal_ids: Sequence[str]) -> dict[str, Waiting]:
    """Return these proposals in a line each; those that are not there are left out."""
    wanted = select(proposals).where(proposals.c.tenant == tenant, proposals.c.id.in_(proposal_ids))
    return {row.id: _waiting(row) for row in (await connection.execute(wanted)).all()}


def _waiting(row: Row[Any]) -> Waiting:
    return Waiting(
        id=row.id,
        state=ProposalState(row.state),
        summary=summary_of(Draft.model_validate(row.draft).action),
        target=row.target_key,
    )
