"""REQUEST → PROPOSAL: the activities of `RequestWorkflow`. One transaction gives a request its one outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.request.coalescing import coalesce
from activities.request.drafts import draft_of, proposal_id
from activities.request.model_gate import ModelGate
from adapters.store import proposals, requests
from adapters.store.database import Database, database_now
from adapters.store.schema import proposals as proposals_table
from contracts.configuration import ConfigurationSource
from contracts.messages import CloseRequestInput, CloseRequestResult, CreatedProposal, PlanningInput
from contracts.proposal import Draft, Planner
from contracts.request import (
    AgentStep,
    Failed,
    Proposed,
    ProposedAction,
    Refused,
    Request,
    RequestOutcome,
    RequestStatus,
)

MAX_PROPOSALS = 5
"""Proposals of one request, as `Proposed.actions` bounds them."""


class RequestActivities:
    """Marks and closes requests. Local activities: each is one transaction and may be rerun."""

    def __init__(
        self,
        database: Database,
        configuration: ConfigurationSource,
        mode: str,
        gate: ModelGate | None = None,
    ) -> None:
        """`mode` (`practice`, `endpoint`, `google`) is stamped on every proposal.

        `gate` says whether the model may be asked; None: there is no model to keep to a breaker or a budget.
        """
        self._gate = gate
        self._database = database
        self._configuration = configuration
        self._mode = mode

    @activity.defn
    async def mark_request_planning(self, given: PlanningInput) -> CloseRequestResult:
        """Note that a planner takes the request up, unless it has its outcome already; return how it stands."""
        async with self._database.transaction() as connection:
            await requests.mark_planning(connection, given.request_id)
            row = await requests.lock(connection, given.request_id)
            created = await _created(connection, given.request_id)
            status = RequestStatus(row.status)
            if status.is_final:
                # Nobody plans it: what an earlier run of this took for the model is free again.
                await self._leave(connection, Request.model_validate(row.document), (), learns=False)
                return CloseRequestResult(status=status, proposals=created)
            barred = await self._barred(connection, row)
            return CloseRequestResult(status=status, proposals=created, model_barred=barred)

    @activity.defn
    async def close_request(self, given: CloseRequestInput) -> CloseRequestResult:
        """Write the outcome with its proposals. A rerun, or a reset of the workflow, returns what was written first.

        A request that was closed meanwhile (its alert resolved) keeps that outcome, and gets no proposals.
        """
        async with self._database.transaction() as connection:
            return await self._close(connection, given)

    async def _close(self, connection: AsyncConnection, given: CloseRequestInput) -> CloseRequestResult:
        row = await requests.lock(connection, given.request.id)
        # Who asked, and how, is what was received: a message says what its sender chose.
        request, outcome = Request.model_validate(row.document), given.result.outcome
        status = RequestStatus(row.status)
        is_first = not status.is_final
        if is_first:
            made: tuple[tuple[int, ProposedAction], ...] = ()
            joined: tuple[str, ...] = ()
            if isinstance(outcome, Proposed):
                left = await coalesce(connection, request, outcome)
                outcome, made, joined = left.outcome, left.new, left.joined
            status, code = RequestStatus(outcome.outcome), _reason_code(outcome)
            await requests.close(
                connection, request.id, status, outcome.text, code, given.result.steps, joined=joined
            )
            await self._create(connection, request, made, given.result.planner)
        await self._leave(connection, request, given.result.steps, learns=is_first)
        return CloseRequestResult(status=status, proposals=await _created(connection, request.id))

    async def _barred(self, connection: AsyncConnection, row: Row[Any]) -> str | None:
        """Return why the rules planner is to answer, or None: the model may."""
        return None if self._gate is None else await self._gate.enter(connection, row.tenant, row.id)

    async def _leave(
        self, connection: AsyncConnection, request: Request, steps: Sequence[AgentStep], *, learns: bool
    ) -> None:
        if self._gate is not None:
            await self._gate.leave(connection, request, steps, learns=learns)

    async def _create(
        self,
        connection: AsyncConnection,
        request: Request,
        actions: Sequence[tuple[int, ProposedAction]],
        planner: Planner,
    ) -> None:
        now, configuration = await database_now(connection), self._configuration.current
        for index, proposed in actions:
            draft = draft_of(
                request,
                index,
                proposed,
                planner,
                configuration=configuration,
                mode=self._mode,
                now=now,
            )
            await proposals.create(connection, draft)


async def _created(connection: AsyncConnection, request_id: str) -> tuple[CreatedProposal, ...]:
    ids = [proposal_id(request_id, index) for index in range(MAX_PROPOSALS)]
    stored = await connection.execute(
        select(proposals_table.c.id, proposals_table.c.draft).where(proposals_table.c.id.in_(ids))
    )
    drafts = {row.id: Draft.model_validate(row.draft) for row in stored}
    return tuple(_as_created(drafts[one]) for one in ids if one in drafts)


def _as_created(draft: Draft) -> CreatedProposal:
    return CreatedProposal(
        proposal_id=draft.id, revision=draft.revision, action=draft.action, priority=draft.priority
    )


def _reason_code(outcome: RequestOutcome) -> str | None:
    return outcome.reason_code if isinstance(outcome, Refused | Failed) else None
