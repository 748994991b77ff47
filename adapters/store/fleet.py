"""The fleet as it was last seen: one row per registered node pool. It informs people, and policies of its total.

Of their own target a guard pass and an effect read the provider themselves. `FleetWorkflow` writes here, the API reads.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Text, delete, func, literal, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.schema import observed_pools, proposals
from contracts.action import NodePoolTarget
from contracts.messages import summary_of
from contracts.observation import NodePoolObservation
from contracts.proposal import Draft, ProposalState

MOST_PENDING = 500
"""Open proposals that a reader of the whole fleet gets."""
_OPEN = [state.value for state in ProposalState if not state.is_final] + [ProposalState.DIRTY.value]
"""`dirty` is over, and its target stays locked: a person has to know."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at one pool found: an observation, or why there is none."""

    target: NodePoolTarget
    environment: str
    team: str
    observation: NodePoolObservation | None = None
    reason_code: str | None = None


@dataclass(frozen=True, slots=True)
class SeenPool:
    """A registered pool as it was last seen."""

    target: NodePoolTarget
    environment: str
    team: str
    observation: NodePoolObservation | None
    """The newest there is; None when no look ever succeeded."""
    reason_code: str | None
    """Why the newest look failed."""
    looked_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """An open proposal for a pool."""

    id: str
    state: ProposalState
    summary: str
    requester: str
    reason_code: str | None
    held_on: str | None
    created_at: datetime


async def record(connection: AsyncConnection, tenant: str, looks: Sequence[Look], at: datetime) -> None:
    """Keep what was seen at `at`. A failed look keeps the last observation; an older look changes nothing."""
    for look in sorted(looks, key=lambda one: one.target.key):
        seen = look.observation
        values = {
            "target": look.target.model_dump(mode="json"),
            "environment": look.environment,
            "team": look.team,
            "reason_code": look.reason_code,
            "looked_at": at,
        }
        if seen is not None:
            values["document"] = seen.model_dump(mode="json")
        await connection.execute(
            insert(observed_pools)
            .values(tenant=tenant, target_key=look.target.key, **values)
            .on_conflict_do_update(
                index_elements=[observed_pools.c.tenant, observed_pools.c.target_key],
                set_=values,
                where=observed_pools.c.looked_at <= at,
            )
        )


async def forget(connection: AsyncConnection, tenant: str, target_keys: Collection[str]) -> None:
    """Leave out pools that nobody registers any more, or that are gone for long."""
    await connection.execute(
        delete(observed_pools).where(
            observed_pools.c.tenant == tenant, observed_pools.c.target_key.in_(list(target_keys))
        )
    )


async def pools(connection: AsyncConnection, tenant: str) -> tuple[SeenPool, ...]:
    """Return every pool that was ever looked at, by key."""
    wanted = select(observed_pools).where(observed_pools.c.tenant == tenant)
    rows = await connection.execute(wanted.order_by(observed_pools.c.target_key.collate("C")))
    return tuple(_seen(row) for row in rows.all())


async def pending(
    connection: AsyncConnection, tenant: str, target_keys: Collection[str]
) -> dict[str, tuple[Change, ...]]:
    """Return the proposals for these pools that are not over, or are `dirty`, oldest first."""
    # State by state, as `ix_proposals_by_state` has them: in one go, PostgreSQL walks through all that is over, from
    # the oldest on, for a first page that it takes to be full soon.
    states = func.unnest(literal(_OPEN, ARRAY(Text))).table_valued("state", name="states").render_derived()
    oldest = (
        select(proposals)
        .where(
            proposals.c.tenant == tenant,
            proposals.c.target_key.in_(list(target_keys)),
            proposals.c.state == states.c.state,
        )
        .order_by(proposals.c.created_at, proposals.c.id)
        .limit(MOST_PENDING)
        .lateral("oldest")
    )
    wanted = (
        select(oldest)
        .join_from(states, oldest, true())
        .order_by(oldest.c.created_at, oldest.c.id)
        .limit(MOST_PENDING)
    )
    found: dict[str, list[Change]] = {key: [] for key in target_keys}
    for row in (await connection.execute(wanted)).all():
        found[row.target_key].append(_change(row))
    return {key: tuple(changes) for key, changes in found.items()}


def _seen(row: Row[Any]) -> SeenPool:
    document = row.document
    return SeenPool(
        target=NodePoolTarget.model_validate(row.target),
        environment=row.environment,
        team=row.team,
        observation=None if document is None else NodePoolObservation.model_validate(document),
        reason_code=row.reason_code,
        looked_at=row.looked_at,
    )


def _change(row: Row[Any]) -> Change:
    return Change(
        id=row.id,
        state=ProposalState(row.state),
        summary=summary_of(Draft.model_validate(row.draft).action),
        requester=row.requester,
        reason_code=row.reason_code,
        held_on=row.held_on,
        created_at=row.created_at,
    )
