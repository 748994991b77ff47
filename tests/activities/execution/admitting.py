"""Proposals on their way into the intent transaction, and what stops them there."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, update

from activities.execution.attempt import Work
from adapters.store import halts
from adapters.store.schema import evaluations
from contracts.effect import Step, idempotency_key
from contracts.messages import DecisionInput, PassInput
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import Proposal, ProposalState
from contracts.safety import Halt, HaltScope
from tests.contracts.samples import BEN
from tests.proposal_stack import EffectStack, resize

S = ProposalState
OPERATOR = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR,))


async def halt(stack: EffectStack) -> Halt:
    async with stack.database.transaction() as connection:
        return await halts.create(
            connection, HaltScope(environment="production"), "stop", actor=OPERATOR, tenant="default"
        )


async def approved(stack: EffectStack) -> str:
    """A proposal that Ben approved and a pass admitted."""
    stack.guard.quorums = [1]
    draft = await stack.create(resize(3))
    await stack.guard.check_proposal(PassInput(proposal_id=draft.id, revision=1, pass_number=1))
    signed = await stack.signed(draft.id, BEN)
    await stack.record(signed)
    await stack.approval.record_decision(DecisionInput(signed=signed))
    await stack.admit(draft.id, 2)
    return draft.id


async def work_of(stack: EffectStack, proposal_id: str, step: Step = Step.FORWARD) -> Work:
    """What an attempt works with that has read the proposal just now."""
    proposal = Proposal.model_validate((await stack.row(proposal_id)).document)
    return Work(
        proposal=proposal,
        step=step,
        key=idempotency_key(proposal_id, 1, step),
        action=proposal.action if step is Step.FORWARD else resize(2),
        pass_number=2,
    )


async def age_pass(stack: EffectStack, age: timedelta) -> None:
    async with stack.database.transaction() as connection:
        await connection.execute(
            update(evaluations)
            .where(evaluations.c.pass_number == 2)
            .values(created_at=func.clock_timestamp() - age)
        )
