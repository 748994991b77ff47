"""Deliveries to Temporal: starts, decisions and wakes, built anew from the rows they speak of.

Temporal forgets a workflow's id after its retention. So what is settled in the database is not sent again.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from adapters.dispatch.delivery import Delivery
from adapters.store import decisions
from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from adapters.store.outbox_queue import OutboxRow
from adapters.store.schema import decisions as decision_rows
from adapters.store.schema import proposals, requests
from contracts.decision import DecisionStatus, SignedDecision
from contracts.errors import DecisionNotAccepted, NotFound, WorkflowUnavailable
from contracts.messages import ProposalInput, RequestInput
from contracts.ports import WorkflowGateway
from contracts.principal import service
from contracts.proposal import Draft, ProposalState
from contracts.request import Request, RequestStatus

DISPATCHER = service("sluice-dispatcher")
"""Actor of refusals that come back from the workflow."""


class WorkflowDeliveries:
    """Reads a row, then calls the gateway with no transaction open."""

    def __init__(self, database: Database, gateway: WorkflowGateway, public_keys: Mapping[str, str]) -> None:
        """`public_keys` (key id → base64 raw Ed25519 key) go into every workflow's input."""
        self._database = database
        self._gateway = gateway
        self._public_keys = dict(public_keys)

    def by_kind(self) -> dict[OutboxKind, Delivery]:
        """Return the delivery of each kind of row."""
        return {
            OutboxKind.START_REQUEST: self.start_request,
            OutboxKind.START_PROPOSAL: self.start_proposal,
            OutboxKind.DECIDE: self.decide,
            OutboxKind.WAKE: self.wake,
        }

    async def start_request(self, row: OutboxRow) -> None:
        """Start the workflow of a request that is still open."""
        async with self._database.reading() as connection:
            wanted = select(requests.c.document, requests.c.status).where(requests.c.id == row.subject)
            found = (await connection.execute(wanted)).one_or_none()
        if found is None:
            raise NotFound(f"there is no request {row.subject}")
        if not RequestStatus(found.status).is_final:
            request = Request.model_validate(found.document)
            await self._gateway.start_request(RequestInput(request=request, public_keys=self._public_keys))

    async def start_proposal(self, row: OutboxRow) -> None:
        """Start the workflow of a proposal that is still open."""
        async with self._database.reading() as connection:
            wanted = select(proposals.c.draft, proposals.c.state).where(proposals.c.id == row.subject)
            found = (await connection.execute(wanted)).one_or_none()
        if found is None:
            raise NotFound(f"there is no proposal {row.subject}")
        if not ProposalState(found.state).is_final:
            draft = Draft.model_validate(found.draft)
            await self._gateway.start_proposal(ProposalInput.for_draft(draft, self._public_keys))

    async def decide(self, row: OutboxRow) -> None:
        """Deliver a decision that is still `recorded`. A refusal marks it, so that the voter can be told.

        One that is applied although nobody heard so was applied by a worker that may have died before it could tell the
        workflow, and an Update that was not answered is forgotten: the workflow is woken, to look.
        """
        async with self._database.reading() as connection:
            wanted = select(
                decision_rows.c.document, decision_rows.c.status, decision_rows.c.proposal_id
            ).where(decision_rows.c.id == row.subject)
            found = (await connection.execute(wanted)).one_or_none()
        if found is None:
            raise NotFound(f"there is no decision {row.subject}")
        if found.status == DecisionStatus.APPLIED.value:
            await self._gateway.wake(found.proposal_id)
        if found.status != DecisionStatus.RECORDED.value:
            return
        try:
            await self._gateway.decide(SignedDecision.model_validate(found.document))
        except DecisionNotAccepted as refusal:
            decision = SignedDecision.model_validate(found.document).decision
            async with self._database.transaction() as connection:
                if await decisions.is_ahead(connection, decision, refusal.code):
                    raise WorkflowUnavailable(f"{decision.proposal_id}: its workflow is behind") from refusal
                await decisions.refuse(connection, row.subject, refusal.code, DISPATCHER)

    async def wake(self, row: OutboxRow) -> None:
        """Signal a proposal's workflow."""
        await self._gateway.wake(row.subject)
