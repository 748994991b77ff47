"""Guard passes that answer as a test says, and write the rows that real passes write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from temporalio import activity

from adapters.store import decisions, proposals
from adapters.store.database import Database, database_now
from adapters.store.guard_pass import stored_result, storing
from adapters.store.schema import proposals as proposals_table
from adapters.store.writes import execute
from contracts.action import ACTION
from contracts.base import sealed
from contracts.decision import DecisionKind, DecisionRules
from contracts.evaluation import ApprovalRequirement, Evaluation, Outcome, Verdict
from contracts.messages import PassInput, PassResult
from contracts.observation import BoundsPrecondition, SizesPrecondition
from contracts.ports import NodePoolReader
from contracts.principal import SYSTEM
from contracts.proposal import Draft, Proposal, ProposalState
from contracts.signature import encode_public_key, key_id_of
from tests.steps import take_lease

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEYS = {key_id_of(KEY.public_key()): encode_public_key(KEY.public_key())}


@dataclass
class ScriptedGuard:
    """Answers as a test says: `quorums` per pass (the last one lasts), `denied`, and how many passes to hold."""

    database: Database
    reader: NodePoolReader
    quorums: list[int] = field(default_factory=lambda: [1])
    denied: bool = False
    holds: int = 0
    fails: list[Exception] = field(default_factory=list)

    @activity.defn
    async def check_proposal(self, given: PassInput) -> PassResult:
        return await self._pass(given, first=True)

    @activity.defn
    async def admit_proposal(self, given: PassInput) -> PassResult:
        return await self._pass(given, first=False)

    async def _pass(self, given: PassInput, *, first: bool) -> PassResult:
        if self.fails:
            raise self.fails.pop(0)
        async with self.database.reading() as connection:
            wanted = select(proposals_table).where(proposals_table.c.id == given.proposal_id)
            row = (await connection.execute(wanted)).one()
        seen = await self.reader.observe(Draft.model_validate(row.draft).action.target)
        async with self.database.transaction() as connection:
            row = await proposals.lock(connection, given.proposal_id)
            state = ProposalState(row.state)
            if state not in (ProposalState.EVALUATING, ProposalState.READY):
                return await stored_result(connection, given) or _result(row, state)
            proposal = _observed(row, seen) if first else Proposal.model_validate(row.document)
            quorum = self.quorums.pop(0) if len(self.quorums) > 1 else self.quorums[0]
            requirement = ApprovalRequirement(quorum=quorum, rules=("test",))
            result, to = await self._answer(connection, row, proposal, requirement, first=first)
            await _store(connection, row, given, requirement, result)
            if to is not state:
                await proposals.move(
                    connection,
                    row,
                    to,
                    actor=SYSTEM,
                    reason_code="test",
                    proposal=proposal if first else None,
                )
            return result

    async def _answer(
        self, connection: Any, row: Any, proposal: Proposal, requirement: ApprovalRequirement, *, first: bool
    ) -> tuple[PassResult, ProposalState]:
        if self.denied:
            return _result(row, ProposalState.DENIED, "denied_by_test"), ProposalState.DENIED
        voted = await decisions.standing(connection, row.id, row.revision)
        approved = sum(one.decision.kind is DecisionKind.APPROVE for one in voted)
        if approved < requirement.quorum:
            rules = DecisionRules(
                proposal_digest=proposal.digest,
                revision=row.revision,
                decide_by=row.decide_by,
                authors=proposal.authors,
                requirement=requirement,
                public_keys=PUBLIC_KEYS,
            )
            waiting = ProposalState.AWAITING_APPROVAL
            return _result(row, waiting).model_copy(update={"rules": rules}), waiting
        if first:
            return _result(row, ProposalState.READY), ProposalState.READY
        domain = proposal.action.target.serialisation_domain
        if self.holds > 0 or not await take_lease(connection, domain, row.id):
            self.holds -= 1
            await proposals.hold(connection, row, domain, "held_by_test", "")
            held = _result(row, ProposalState.READY, "held_by_test")
            return held.model_copy(update={"held_on": domain}), ProposalState.READY
        return _result(row, ProposalState.READY).model_copy(update={"admitted": True}), ProposalState.READY


def _observed(row: Any, seen: Any) -> Proposal:
    if ACTION.validate_python(row.draft["action"]).kind == "gke.node_pool.resize":
        precondition: Any = SizesPrecondition(machine_type=seen.machine_type, target_sizes=seen.target_sizes)
    else:
        precondition = BoundsPrecondition(machine_type=seen.machine_type, bounds=seen.autoscaling)
    return Proposal.model_validate(
        row.draft | {"observation": seen.model_dump(), "precondition": precondition.model_dump()}
    )


def _result(row: Any, state: ProposalState, reason_code: str = "ok") -> PassResult:
    return PassResult(state=state, execute_by=row.execute_by, reason_code=reason_code)


async def _store(
    connection: Any, row: Any, given: PassInput, requirement: ApprovalRequirement, result: PassResult
) -> None:
    evaluation = Evaluation(
        proposal_id=row.id,
        revision=given.revision,
        pass_number=given.pass_number,
        at=await database_now(connection),
        outcome=Outcome.ALLOW,
        verdicts=(
            Verdict(guardrail="test", outcome=Outcome.ALLOW, rule="test", reason_code="ok", message=""),
        ),
        requirement=requirement if requirement.quorum else None,
    )
    await execute(connection, storing(evaluation, sealed(evaluation), result))
