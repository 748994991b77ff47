"""Proposals in every state of the table, made by the store's own functions as the path makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from adapters.store import fleet, intents, proposal_reads, proposals, requests
from adapters.store.batch import Batch
from adapters.store.database import database_now
from adapters.store.fleet import Look
from contracts.action import ResizeNodePool
from contracts.base import new_id
from contracts.decision import DecisionKind
from contracts.effect import Intent, Receipt, ReceiptOutcome, Step, idempotency_key
from contracts.evaluation import (
    Evaluation,
    RiskTier,
)
from contracts.observation import AutoscalingBounds, SizesPrecondition
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role
from contracts.proposal import Draft, Planner, PlannerKind, Proposal, ProposalState
from contracts.request import AgentStep, Alert, Channel, Request, RequestStatus, Trust
from tests.api.serving import PEOPLE, Api, observation
from tests.steps import write_intent, write_receipt
from tests.stored_evaluations import keep
from tests.web.proposal.judged import evaluation, verification

S = ProposalState
HATCHED = ("due to a pseudo element", "partially overlaps other elements")
"""Axe cannot judge words beside the hatched edge of unverified text; tests/web_assets checks the contrast there."""
NAME = "acme-prod/europe-west4/serving/inference"
AGENT = Principal(kind=PrincipalKind.AGENT, subject="capacity-agent", roles=(Role.REQUESTER,))
RATIONALE = (
    "The queue of pending inference pods grew from 3 to 41 within ten minutes and no node has room for another pod. "
    "Doubling the pool brings the wait below the target."
)


def person(name: str) -> Principal:
    kind, roles = PEOPLE[name]
    return Principal(kind=kind, subject=name, roles=roles)


@dataclass
class Words:
    """The words of others in a proposal."""

    rationale: str = RATIONALE
    evidence: tuple[str, ...] = ("prometheus: pending_pods{pool='inference'} = 41", "pool status RUNNING")
    request: str = "inference is slow, please add capacity"
    labels: dict[str, str] = field(
        default_factory=lambda: {"alertname": "InferenceQueueHigh", "severity": "page"}
    )
    annotations: dict[str, str] = field(default_factory=lambda: {"summary": "41 pods are waiting"})
    arguments: dict[str, Any] = field(default_factory=lambda: {"query": "sum(pending_pods)", "minutes": 30})


@dataclass
class Stages:
    """Makes proposals on a served API's database."""

    api: Api

    async def draft(
        self,
        *,
        by: str = "ana",
        node_count: int = 4,
        node_pool: str = "inference",
        by_alert: bool = False,
        by_agent: bool = True,
        words: Words | None = None,
        production: bool = True,
        dry_run: bool = False,
    ) -> str:
        """A proposal that nobody has looked at yet."""
        said = words or Words()
        parts = self.api.parts
        requester = person(by)
        async with parts.database.transaction() as connection:
            now = await database_now(connection)
            alert = Alert(
                fingerprint="5d7a",
                starts_at=now,
                status="firing",
                labels=said.labels,
                annotations=said.annotations,
            )
            request = Request(
                id=new_id("req"),
                tenant=parts.tenant,
                requester=requester,
                channel=Channel.EVENT if by_alert else Channel.CHAT,
                text=said.request,
                alert=alert if by_alert else None,
                trust=Trust.UNTRUSTED if by_alert else Trust.TRUSTED,
                received_at=now,
            )
            await requests.create(connection, request)
            steps = [
                AgentStep(
                    kind="model", name="gpt-5-mini", input_tokens=1800, output_tokens=240, cost_usd="0.0021"
                ),
                AgentStep(kind="tool", name="prometheus_query", arguments=said.arguments),
                AgentStep(kind="tool", name="describe_pool", arguments={}, error="deadline exceeded"),
            ]
            await requests.close(connection, request.id, RequestStatus.PROPOSED, None, None, steps)
            draft = Draft(
                id=new_id("prp"),
                tenant=parts.tenant,
                revision=1,
                request_id=request.id,
                authors=(requester, AGENT) if by_agent else (requester,),
                channel=request.channel,
                trust=request.trust,
                action=ResizeNodePool(
                    project="acme-prod",
                    location="europe-west4",
                    cluster="serving",
                    node_pool=node_pool,
                    node_count=node_count,
                ),
                reason=said.rationale,
                confidence=0.82 if by_agent else None,
                evidence=said.evidence,
                planner=Planner(kind=PlannerKind.OPENAI, model="gpt-5-mini", prompt_version="capacity-7")
                if by_agent
                else Planner(kind=PlannerKind.DIRECT),
                environment="production" if production else "development",
                team="inference",
                mode="practice",
                dry_run=dry_run,
                created_at=now,
                decide_by=now + timedelta(hours=4),
                execute_by=now + timedelta(hours=5),
            )
            await proposals.create(connection, draft)
        return draft.id

    async def evaluated(
        self,
        proposal_id: str,
        to: ProposalState = S.AWAITING_APPROVAL,
        *,
        sizes: tuple[int, ...] = (2, 2, 2),
        quorum: int = 1,
        stale: bool = False,
        denied: bool = False,
        autoscaling: AutoscalingBounds | None = None,
    ) -> str:
        """What the first pass does, with the verdicts of a real one."""
        async with self.api.database.transaction() as connection:
            row = await proposals.lock(connection, proposal_id)
            draft = Draft.model_validate(row.draft)
            seen = observation(draft.created_at, sizes).model_copy(update={"autoscaling": autoscaling})
            precondition = SizesPrecondition(machine_type=seen.machine_type, target_sizes=seen.target_sizes)
            proposal = Proposal(**draft.model_dump(), observation=seen, precondition=precondition)
            found = evaluation(proposal, seen, quorum=quorum, stale=stale, denied=denied)
            await keep(connection, found)
            await proposals.move(
                connection,
                row,
                to,
                actor=SYSTEM,
                reason_code="budget_exceeded" if denied else "environment_requires_approval",
                proposal=proposal,
                risk=RiskTier.MEDIUM if proposal.trust is Trust.TRUSTED else RiskTier.HIGH,
            )
        return proposal_id

    async def waiting(self, *, sizes: tuple[int, ...] = (2, 2, 2), quorum: int = 1, **changes: Any) -> str:
        return await self.evaluated(await self.draft(**changes), sizes=sizes, quorum=quorum)

    async def judge_anew(self, proposal_id: str) -> Evaluation:
        """Let the guardrails look again, under a newer policy; a comment tells whoever looks."""
        async with self.api.database.transaction() as connection:
            first = await proposal_reads.newest_evaluation(connection, proposal_id, 1)
            assert first is not None
            second = first.model_copy(update={"pass_number": 2, "policy_revision": "r13"})
            await keep(connection, second)
        said = {"text": "The policy is new: r13."}
        assert (
            await self.api.post(f"/v1/proposals/{proposal_id}/comments", said, by="cleo")
        ).status_code == 201
        return second

    async def decided(self, proposal_id: str, by: str, kind: DecisionKind, **changes: Any) -> None:
        view = await self.api.view(proposal_id, by=by)
        body = {
            "decision": kind.value,
            "revision": view["revision"],
            "digest": view["digest"],
            "reason": "" if kind is DecisionKind.APPROVE else "The queue drains by itself at night.",
        } | changes
        answer = await self.api.post(f"/v1/proposals/{proposal_id}/decisions", body, by=by)
        assert answer.status_code == 200, answer.text

    async def held(self) -> str:
        proposal_id = await self.waiting()
        await self.decided(proposal_id, "ben", DecisionKind.APPROVE)
        await self.api.move(proposal_id, S.READY)
        async with self.api.database.transaction() as connection:
            row = await proposals.lock(connection, proposal_id)
            await proposals.hold(
                connection,
                row,
                "gke.cluster/acme-prod/europe-west4/serving",
                "target_busy",
                "prp_01 is at work on this cluster.",
            )
        return proposal_id

    async def executing(self, **changes: Any) -> str:
        proposal_id = await self.waiting(**changes)
        await self.decided(proposal_id, "ben", DecisionKind.APPROVE)
        await self.api.move(proposal_id, S.READY, S.EXECUTING)
        await self.effect(proposal_id, Step.FORWARD)
        return proposal_id

    async def effect(
        self,
        proposal_id: str,
        step: Step,
        outcome: ReceiptOutcome | None = None,
        *,
        matches: bool | None = None,
        error: str | None = None,
    ) -> None:
        """Write an intent, and with an outcome its receipt and what verification found."""
        parts = self.api.parts
        async with parts.database.transaction() as connection:
            row = await proposals.lock(connection, proposal_id)
            proposal = Proposal.model_validate(row.document)
            key = idempotency_key(proposal_id, 1, step)
            now = await database_now(connection)
            intent = Intent(
                key=key,
                proposal_id=proposal_id,
                revision=1,
                step=step,
                action=proposal.action,
                precondition=proposal.precondition,
                prior=proposal.observation,
                fence=1 if step is Step.FORWARD else 2,
                call_deadline=now + timedelta(minutes=1),
            )
            if await intents.find(connection, key) is None:
                await write_intent(connection, intent, parts.tenant)
                if outcome is not ReceiptOutcome.NO_OP:
                    await intents.issue(
                        connection, intent, f"operation-17{intent.fence}", parts.tenant, now, adopted=False
                    )
            if outcome is None:
                return
            receipt = Receipt(
                key=key,
                proposal_id=proposal_id,
                step=step,
                fence=intent.fence,
                outcome=outcome,
                operation=None if outcome is ReceiptOutcome.NO_OP else f"operation-17{intent.fence}",
                error_code=error,
                mode="practice",
                finished_at=now,
            )
            await write_receipt(connection, receipt, parts.tenant)
            if matches is not None:
                batch = Batch()
                found = verification(proposal, step, matches, now)
                intents.add_verification(batch, found, parts.tenant)
                await batch.send(connection)

    async def in_state(self, name: str) -> str:
        """A proposal in a state of the page, by its name in `STATES`."""
        made: str = await getattr(self, f"_{name}")()
        return made

    async def _evaluating(self) -> str:
        return await self.draft()

    async def _awaiting(self) -> str:
        return await self.waiting()

    async def _alert(self) -> str:
        return await self.waiting(by_alert=True, by="olga", sizes=(2, 3, 2))

    async def _voted(self) -> str:
        proposal_id = await self.waiting(quorum=2)
        await self.decided(proposal_id, "ben", DecisionKind.APPROVE)
        return proposal_id

    async def _held(self) -> str:
        return await self.held()

    async def _executing(self) -> str:
        return await self.executing()

    async def _verifying(self) -> str:
        proposal_id = await self.executing()
        await self.effect(proposal_id, Step.FORWARD, ReceiptOutcome.APPLIED)
        await self.api.move(proposal_id, S.VERIFYING)
        return proposal_id

    async def _succeeded(self) -> str:
        proposal_id = await self.executing()
        await self.effect(proposal_id, Step.FORWARD, ReceiptOutcome.APPLIED, matches=True)
        await self.api.move(proposal_id, S.VERIFYING, S.SUCCEEDED)
        return proposal_id

    async def _no_op(self) -> str:
        proposal_id = await self.waiting()
        await self.api.move(proposal_id, S.READY, S.EXECUTING)
        await self.effect(proposal_id, Step.FORWARD, ReceiptOutcome.NO_OP, matches=True)
        await self.api.move(proposal_id, S.VERIFYING, S.SUCCEEDED)
        return proposal_id

    async def _rolling_back(self) -> str:
        proposal_id = await self.executing()
        await self.effect(
            proposal_id, Step.FORWARD, ReceiptOutcome.OPERATION_FAILED, matches=False, error="GCE_STOCKOUT"
        )
        await self.api.move(proposal_id, S.ROLLING_BACK)
        await self.effect(proposal_id, Step.COMPENSATION)
        return proposal_id

    async def _rolled_back(self) -> str:
        proposal_id = await self._rolling_back()
        await self.effect(proposal_id, Step.COMPENSATION, ReceiptOutcome.APPLIED, matches=True)
        await self.api.move(proposal_id, S.ROLLED_BACK)
        return proposal_id

    async def _denied(self) -> str:
        return await self.evaluated(await self.draft(), S.DENIED, denied=True)

    async def _rejected(self) -> str:
        proposal_id = await self.waiting()
        await self.decided(proposal_id, "ben", DecisionKind.REJECT, reason_name="not_needed")
        await self.api.move(proposal_id, S.REJECTED)
        return proposal_id

    async def _expired(self) -> str:
        proposal_id = await self.waiting()
        await self.api.let_pass(proposal_id, timedelta(hours=4, minutes=1))
        await self.api.move(proposal_id, S.EXPIRED)
        return proposal_id

    async def _cancelled(self) -> str:
        proposal_id = await self.waiting()
        answer = await self.api.post(
            f"/v1/proposals/{proposal_id}/cancel", {"reason": "Solved by a fix."}, by="ana"
        )
        assert answer.status_code == 200
        return proposal_id

    async def _stale(self) -> str:
        proposal_id = await self.waiting()
        await self.api.move(proposal_id, S.READY, S.STALE)
        return proposal_id

    async def _failed(self) -> str:
        proposal_id = await self.executing()
        await self.effect(proposal_id, Step.FORWARD, ReceiptOutcome.REFUSED, error="provider_quota_exceeded")
        await self.api.move(proposal_id, S.FAILED)
        return proposal_id

    async def _dirty(self) -> str:
        proposal_id = await self._rolling_back()
        await self.effect(
            proposal_id,
            Step.COMPENSATION,
            ReceiptOutcome.OPERATION_FAILED,
            matches=False,
            error="GCE_STOCKOUT",
        )
        await self.api.move(proposal_id, S.DIRTY)
        return proposal_id

    async def seen_later(self, proposal_id: str, sizes: tuple[int, ...]) -> None:
        """The fleet was looked at again."""
        parts = self.api.parts
        async with parts.database.transaction() as connection:
            row = await proposals.lock(connection, proposal_id)
            action = Draft.model_validate(row.draft).action
            now = await database_now(connection)
            look = Look(action.target, "production", "inference", observation(now, sizes))
            await fleet.record(connection, parts.tenant, [look], now)


STATES: Sequence[str] = (
    "evaluating", "awaiting", "alert", "voted", "held", "executing", "verifying", "rolling_back", "succeeded",
    "no_op", "rolled_back", "denied", "rejected", "expired", "cancelled", "stale", "failed", "dirty",
)  # fmt: skip
