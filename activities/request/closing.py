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
from adapters.store import breakers, model_gate, proposals, requests
from adapters.store.database import Database, database_now
from adapters.store.schema import proposals as proposals_table
from contracts.configuration import ConfigurationSource
from contracts.messages import CloseRequestInput, CloseRequestResult, CreatedProposal, PlanningInput
from contracts.proposal import Draft
from contracts.request import Failed, Proposed, ProposedAction, Refused, RequestOutcome, RequestStatus

MAX_PROPOSALS = 5
"""Proposals of one request, as `Proposed.actions` bounds them."""


class RequestActivities:
    """Marks and closes requests. Local activities: each is one transaction and may be rerun."""

    def __init__(
        self, database: Database, configuration: ConfigurationSource, mode: str, model: str | None = None
    ) -> None:
        """`mode` (`practice`, `endpoint`, `google`) is stamped on every proposal.

        `model` is the name under which the agent's process asks its model; None: there is no breaker to ask about.
        """
        self._model = model
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
            barred = None if status.is_final else await self._barred(connection, row)
            return CloseRequestResult(status=status, proposals=created, model_barred=barred)

    @activity.defn
    async def close_request(self, given: CloseRequestInput) -> CloseRequestResult:
        """Write the outcome with its proposals. A rerun, or a reset of the workflow, returns what was written first.

        A request that was closed meanwhile (its alert resolved) keeps that outcome, and gets no proposals.
        """
        async with self._database.transaction() as connection:
            return await self._close(connection, given)

    async def _close(self, connection: AsyncConnection, given: CloseRequestInput) -> CloseRequestResult:
        request, outcome = given.request, given.result.outcome
        row = await requests.lock(connection, request.id)
        status = RequestStatus(row.status)
        if status.is_final:
            await breakers.release_probes(connection, request.id, tenant=request.tenant)
        else:
            made: tuple[tuple[int, ProposedAction], ...] = ()
            joined: tuple[str, ...] = ()
            if isinstance(outcome, Proposed):
                left = await coalesce(connection, request, outcome)
                outcome, made, joined = left.outcome, left.new, left.joined
            status, code = RequestStatus(outcome.outcome), _reason_code(outcome)
            await requests.close(
                connection, request.id, status, outcome.text, code, given.result.steps, joined=joined
            )
            await self._create(connection, given, made)
            await self._learn(connection, given)
        return CloseRequestResult(status=status, proposals=await _created(connection, request.id))

    async def _barred(self, connection: AsyncConnection, row: Row[Any]) -> str | None:
        """Return why the rules planner is to answer, or None: the model may."""
        if self._model is None:
            return None
        now = await database_now(connection)
        return await model_gate.barred(connection, self._model, row.id, now, tenant=row.tenant)

    async def _learn(self, connection: AsyncConnection, given: CloseRequestInput) -> None:
        if self._model is None:
            return
        request, limits = given.request, self._configuration.current.limits.breaker
        now = await database_now(connection)
        await model_gate.learn(
            connection, self._model, request.id, given.result.steps, limits, now, tenant=request.tenant
        )

    async def _create(
        self,
        connection: AsyncConnection,
        given: CloseRequestInput,
        actions: Sequence[tuple[int, ProposedAction]],
    ) -> None:
        now, configuration = await database_now(connection), self._configuration.current
        for index, proposed in actions:
            draft = draft_of(
                given.request,
                index,
                proposed,
                given.result.planner,
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
