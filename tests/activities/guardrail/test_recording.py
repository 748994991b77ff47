"""What a pass keeps beside its evaluation: the facts it judged by, and a candidate's word on them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import JsonValue

from contracts.errors import PolicyUnavailable
from contracts.evaluation import Outcome
from contracts.ports import PolicyResult, PolicyViolation
from contracts.proposal import ProposalState
from contracts.shadow import ShadowVerdict
from guardrails.evaluate import evaluate
from guardrails.recording import Record, parse
from tests.activities.guardrail.conftest import Guards
from tests.contracts.samples import resize


class Candidate:
    """A candidate policy that answers as told."""

    def __init__(
        self, *violations: PolicyViolation, failure: Exception | None = None, hangs: bool = False
    ) -> None:
        self.violations, self.failure, self.hangs = violations, failure, hangs
        self.asked: list[Mapping[str, JsonValue]] = []

    async def evaluate(self, document: Mapping[str, JsonValue]) -> PolicyResult:
        self.asked.append(document)
        if self.hangs:
            await asyncio.sleep(60)
        if self.failure is not None:
            raise self.failure
        return PolicyResult(violations=self.violations, rules_evaluated=5, revision="sha256:candidate")


HARD = PolicyViolation(rule="no_more", level="hard", message="No more.")


async def record_of(guards: Guards, proposal: Any, number: int = 1) -> Record:
    (row,) = await guards.rows("evaluations", proposal_id=proposal.id, pass_number=number)
    return parse(row.facts)


async def shadow_of(guards: Guards, proposal: Any) -> ShadowVerdict | None:
    (row,) = await guards.rows("evaluations", proposal_id=proposal.id, pass_number=1)
    return None if row.shadow is None else ShadowVerdict.model_validate(row.shadow)


@pytest.mark.parametrize("nodes", [4, 12, 200])
async def test_the_recorded_facts_of_a_pass_give_its_evaluation_again(guards: Guards, nodes: int) -> None:
    proposal = await guards.propose(action=resize(nodes))
    await guards.check(proposal)
    record = await record_of(guards, proposal)
    assert evaluate(record.facts).digest == (await guards.evaluation(proposal)).digest


async def test_the_recorded_facts_of_an_admission_give_its_evaluation_again(guards: Guards) -> None:
    proposal = await guards.propose_in_development()
    await guards.check(proposal)
    assert (await guards.admit(proposal)).admitted
    record = await record_of(guards, proposal, number=2)
    assert record.facts.admitting
    assert evaluate(record.facts).digest == (await guards.evaluation(proposal, 2)).digest


async def test_what_the_policies_were_asked_is_recorded(guards: Guards) -> None:
    proposal = await guards.propose()
    await guards.check(proposal)
    record = await record_of(guards, proposal)
    assert record.policy_input is not None
    assert record.policy_input["action"] == proposal.action.model_dump(mode="json")
    assert await guards.policy.evaluate(record.policy_input) == record.facts.policy


async def test_an_evaluation_names_the_revision_of_the_configuration(guards: Guards) -> None:
    proposal = await guards.propose()
    await guards.check(proposal)
    evaluation = await guards.evaluation(proposal)
    assert evaluation.configuration_revision == guards.configuration.revision
    assert evaluation.configuration_revision.startswith("sha256:")


async def test_without_a_candidate_nothing_is_recorded_of_one(guards: Guards) -> None:
    proposal = await guards.propose()
    await guards.check(proposal)
    assert await shadow_of(guards, proposal) is None


async def test_a_candidate_that_would_deny_is_recorded_and_decides_nothing(guards: Guards) -> None:
    guards.shadow = candidate = Candidate(HARD)
    proposal = await guards.propose_in_development()
    assert (await guards.check(proposal)).state is ProposalState.READY
    assert (await guards.evaluation(proposal)).outcome is Outcome.ALLOW
    found = await shadow_of(guards, proposal)
    assert found == ShadowVerdict(revision="sha256:candidate", outcome=Outcome.DENY, violations=(HARD,))
    assert candidate.asked == [(await record_of(guards, proposal)).policy_input]


async def test_a_candidate_that_would_allow_does_not_lift_a_denial(guards: Guards) -> None:
    guards.shadow = Candidate()
    proposal = await guards.propose(action=resize(200))
    assert (await guards.check(proposal)).state is ProposalState.DENIED
    found = await shadow_of(guards, proposal)
    assert found is not None
    assert found.outcome is Outcome.DENY  # the scope denies it under any policy


@pytest.mark.parametrize(
    ("candidate", "code"),
    [
        (Candidate(failure=PolicyUnavailable("down")), "shadow_unavailable"),
        (Candidate(failure=ValueError("a fault of its own")), "shadow_unavailable"),
        (Candidate(hangs=True), "shadow_too_slow"),
    ],
    ids=["down", "faulty", "slow"],
)
async def test_a_candidate_without_an_answer_neither_fails_nor_holds_up_a_pass(
    guards: Guards, candidate: Candidate, code: str
) -> None:
    guards.shadow = candidate
    proposal = await guards.propose()
    assert (await guards.check(proposal)).state is ProposalState.AWAITING_APPROVAL
    assert await shadow_of(guards, proposal) == ShadowVerdict(error=code)


async def test_a_pass_whose_facts_cannot_be_recorded_decides_all_the_same(
    guards: Guards, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Record) -> str:
        raise ValueError("no JSON")

    monkeypatch.setattr("activities.guardrail.recording.dump", refuse)
    proposal = await guards.propose()
    assert (await guards.check(proposal)).state is ProposalState.AWAITING_APPROVAL
    (row,) = await guards.rows("evaluations", proposal_id=proposal.id)
    assert row.facts is None
