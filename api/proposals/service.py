"""PROPOSAL over HTTP: create a draft and hand it to Temporal; show one or a page of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import comments, delegations, outbox, proposal_reads, proposals, requests
from adapters.store.database import database_now
from adapters.store.outbox import OutboxKind
from adapters.store.proposal_filters import ProposalFilters
from adapters.store.proposal_reads import EVERYTHING
from api.handoff import HANDOFF_DELAY, hand_off
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import not_found
from api.proposals import cursor
from api.proposals.schemas import Created, ProposalPage, ProposalView, ProposeBody
from api.proposals.view import Stored, summary_view_of, view_of
from contracts.action import Action
from contracts.base import new_id
from contracts.delegation import Delegation, covering
from contracts.messages import ProposalInput
from contracts.principal import Principal
from contracts.proposal import Draft, Planner, PlannerKind, ProposalState
from contracts.request import Channel, Trust

MAX_PAGE = 100
"""Proposals on one page."""


async def propose(
    parts: ApiParts, body: ProposeBody, caller: Principal, channel: Channel, claim: Claim
) -> Answer:
    """Store a direct proposal with its outbox row in one transaction, then try Temporal; 202 either way."""
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        draft = await draft_of(
            parts, connection, body.action, body.reason, caller, channel, dry_run=body.dry_run
        )
        row = await store(connection, draft)
        answer = await claim.keep(connection, Answer.of(202, Created(proposal_id=draft.id)))
    await start(parts, draft, row)
    return answer


async def draft_of(
    parts: ApiParts,
    connection: AsyncConnection,
    action: Action,
    reason: str,
    caller: Principal,
    channel: Channel,
    *,
    dry_run: bool = False,
    undoes: str | None = None,
) -> Draft:
    """Return a fresh draft: the configuration's words about the target, and the database's clock."""
    fresh = parts.configuration.fresh(action.target, await database_now(connection))
    return Draft(
        id=new_id("prp"),
        tenant=parts.tenant,
        revision=1,
        undoes=undoes,
        authors=(caller,),
        channel=channel,
        trust=Trust.TRUSTED,
        action=action,
        reason=reason,
        planner=Planner(kind=PlannerKind.UNDO if undoes else PlannerKind.DIRECT),
        mode=parts.mode,
        dry_run=dry_run,
        **fresh,
    )


async def store(connection: AsyncConnection, draft: Draft) -> int:
    """Insert the draft and its start, in the caller's transaction; return the outbox row's id."""
    await proposals.create(connection, draft)
    return await outbox.put(connection, OutboxKind.START_PROPOSAL, draft.id, delay=HANDOFF_DELAY)


async def start(parts: ApiParts, draft: Draft, row: int) -> None:
    """Try to start the workflow of a committed draft."""
    given = ProposalInput.for_draft(draft, parts.public_keys)
    await hand_off(parts, row, parts.gateway.start_proposal(given))


async def show(parts: ApiParts, proposal_id: str, caller: Principal) -> ProposalView:
    """Return everything about one proposal, as the caller sees it.

    Raises:
        Problem: 404.
    """
    return shown_to(parts, await stored_of(parts, proposal_id), caller)


async def stored_of(parts: ApiParts, proposal_id: str) -> Stored:
    """Return all that the database holds about one proposal.

    Raises:
        Problem: 404.
    """
    async with parts.database.reading() as connection:
        row = await proposal_reads.find(connection, parts.tenant, proposal_id)
        if row is None:
            raise not_found("proposal")
        return Stored(
            row=row,
            evaluation=await proposal_reads.newest_evaluation(connection, proposal_id, row.revision),
            votes=await proposal_reads.votes(connection, proposal_id),
            effects=await proposal_reads.effects(connection, proposal_id),
            events=await proposal_reads.timeline(connection, parts.tenant, proposal_id),
            comments=await comments.of_proposal(connection, proposal_id),
            request=await _request_of(connection, row),
            now=await database_now(connection),
            delegations=await _delegations_of(connection, row),
        )


def shown_to(parts: ApiParts, stored: Stored, caller: Principal) -> ProposalView:
    """Return what is stored as the caller sees it."""
    return view_of(
        stored,
        caller,
        is_production=parts.configuration.is_production(stored.row.environment),
        monthly_threshold=parts.configuration.approval.max_monthly_delta,
    )


async def _delegations_of(connection: AsyncConnection, row: Row[Any]) -> tuple[Delegation, ...]:
    if ProposalState(row.state) is not ProposalState.AWAITING_APPROVAL:
        return ()
    return covering(await delegations.in_force(connection, row.tenant), row.environment, row.team)


async def _request_of(connection: AsyncConnection, row: Row[Any]) -> Row[Any] | None:
    return await requests.find(connection, row.tenant, row.request_id) if row.request_id else None


async def page(
    parts: ApiParts,
    states: Sequence[ProposalState],
    limit: int,
    after: str | None,
    filters: ProposalFilters = EVERYTHING,
) -> ProposalPage:
    """Return one page, newest first.

    Raises:
        Problem: 422, the cursor is not one of ours.
    """
    position = cursor.decode(after) if after is not None else None
    async with parts.database.reading() as connection:
        rows = await proposal_reads.page(
            connection, parts.tenant, states=states, filters=filters, after=position, limit=limit + 1
        )
    shown = rows[:limit]
    more = len(rows) > limit
    last = proposal_reads.Position(shown[-1].created_at, shown[-1].id) if more else None
    return ProposalPage(
        items=tuple(summary_view_of(row) for row in shown),
        next_cursor=cursor.encode(last) if last else None,
    )
