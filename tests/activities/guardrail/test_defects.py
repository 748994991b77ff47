"""A pass that breaks again and again, for a defect of ours: it decides nothing, and it ends."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import update

from adapters.store.schema import proposals
from contracts.action import NodePoolTarget
from contracts.base import utc_now
from contracts.observation import NodePoolObservation
from contracts.proposal import Proposal, ProposalState
from tests.activities.guardrail.conftest import Guards


async def over(guards: Guards, proposal: Proposal, deadline: str) -> None:
    async with guards.database.transaction() as connection:
        wanted = update(proposals).where(proposals.c.id == proposal.id)
        await connection.execute(wanted.values({deadline: utc_now()}))


@pytest.mark.parametrize(
    ("deadline", "reason_code"), [("decide_by", "decide_by_passed"), ("execute_by", "execute_by_passed")]
)
async def test_a_first_pass_with_a_defect_ends_once_its_time_is_over(
    guards: Guards, deadline: str, reason_code: str
) -> None:
    proposal = await guards.propose()
    guards.provider.failure = RuntimeError("a defect of ours")
    with pytest.raises(RuntimeError):
        await guards.check(proposal)
    assert (await guards.row(proposal)).state == ProposalState.EVALUATING
    await over(guards, proposal, deadline)
    result = await guards.check(proposal, attempt=7)
    assert (result.state, result.reason_code) == (ProposalState.EXPIRED, reason_code)
    row = await guards.row(proposal)
    assert (row.state, row.reason_code) == (ProposalState.EXPIRED, reason_code)


async def test_a_pass_whose_time_ends_while_it_asks_judges_nothing(guards: Guards) -> None:
    proposal = await guards.propose_in_development()
    asked = guards.provider.observe

    async def slow(target: NodePoolTarget) -> NodePoolObservation:
        await over(guards, proposal, "decide_by")
        return await asked(target)

    guards.provider.observe = slow  # type: ignore[method-assign]  # as long as nobody answers, time goes on
    result = await guards.check(proposal)
    assert (result.state, result.reason_code) == (ProposalState.EXPIRED, "decide_by_passed")
    assert await guards.rows("evaluations") == []


async def test_a_second_pass_with_a_defect_ends_at_its_last_moment_and_not_before(
    guards: Guards, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = await guards.propose_in_development()
    assert (await guards.check(proposal)).state is ProposalState.READY

    def broken(*_: object) -> None:
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr(guards.prices, "node_price", broken)
    await over(guards, proposal, "decide_by")
    with pytest.raises(RuntimeError):
        await guards.admit(proposal)
    assert (await guards.row(proposal)).state == ProposalState.READY
    await over(guards, proposal, "execute_by")
    result = await guards.admit(proposal)
    assert (result.state, result.reason_code) == (ProposalState.EXPIRED, "execute_by_passed")
    assert {row.reserved for row in await guards.rows("budget_windows")} == {Decimal(0)}
