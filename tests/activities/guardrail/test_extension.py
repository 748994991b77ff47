"""A guardrail of one's own in a real pass: its verdict is decided by, stored and audited like the others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.configuration import parse
from contracts.evaluation import Outcome, Verdict
from contracts.proposal import ProposalState
from guardrails import registry
from guardrails.answers import Answers
from guardrails.extension import Extension
from guardrails.facts import Facts
from tests.activities.guardrail.conftest import CONFIGURATION, Guards
from tests.guardrails.distribution import restored

clean_registry = pytest.fixture(autouse=True)(restored)
NAME = "acme-freeze/tidy"
ANSWER = Answers(NAME, revision="3")


def denies(_: Facts) -> Verdict:
    return ANSWER.deny("tidy", "untidy", "Not like this.", remedy="Tidy up.")


def holds(facts: Facts) -> Verdict:
    if not facts.admitting:
        return ANSWER.allow("tidy", "Fine so far.")
    free_at = (facts.now + timedelta(minutes=5)).isoformat()
    return ANSWER.hold("tidy", "untidy", "Not yet.", held_on="acme:tidy", facts={"free_at": free_at})


def never_kept(_: Facts) -> Verdict:
    return ANSWER.allow("tidy", "Fine.", {"big": 2**60})


async def test_its_deny_ends_the_proposal_and_the_evaluation_names_its_version(guards: Guards) -> None:
    registry.install([Extension(NAME, "acme-freeze", "1.2.0", denies)])
    proposal = await guards.propose_in_development()
    result = await guards.check(proposal)
    assert (result.state, result.reason_code) == (ProposalState.DENIED, "untidy")
    worst = (await guards.evaluation(proposal)).worst
    assert (worst.guardrail, worst.rule_revision) == (NAME, "acme-freeze 1.2.0, rules 3")


async def test_its_hold_keeps_the_proposal_ready_and_wakes_it_when_it_ends(guards: Guards) -> None:
    registry.install([Extension(NAME, "acme-freeze", "1.2.0", holds)])
    proposal = await guards.propose_in_development()
    assert (await guards.check(proposal)).state is ProposalState.READY
    result = await guards.admit(proposal)
    assert (result.state, result.admitted, result.held_on) == (ProposalState.READY, False, "acme:tidy")
    (wake,) = await guards.rows("outbox", kind="wake")
    assert wake.due_at is not None


async def test_an_answer_that_could_not_be_kept_is_a_stored_denial_not_a_pass_that_never_ends(
    guards: Guards,
) -> None:
    registry.install([Extension(NAME, "acme-freeze", "1.2.0", never_kept)])
    proposal = await guards.propose_in_development()
    assert (await guards.check(proposal)).reason_code == "guardrail_error"
    assert (await guards.evaluation(proposal)).outcome is Outcome.DENY


async def test_a_process_without_the_required_guardrail_allows_nothing(guards: Guards) -> None:
    guards.configuration = parse(f"{CONFIGURATION}\nguardrails: {{required: [{NAME}]}}\n")
    proposal = await guards.propose_in_development()
    assert (await guards.check(proposal)).reason_code == "guardrail_missing"
