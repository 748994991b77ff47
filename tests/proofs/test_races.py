"""Approval races, a few of them: sound code has no fault, planted bugs are found; `make proof-races` runs 10,000."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.audit import AuditEvent, AuditType
from contracts.base import sealed
from contracts.decision import DecisionKind
from contracts.evaluation import ApprovalRequirement, Evaluation, Outcome, Verdict
from contracts.principal import SYSTEM, Principal
from contracts.proposal import ProposalState
from contracts.signature import sign
from proofs.judgement import ballots
from proofs.judgement.records import Records
from proofs.races.__main__ import SEED, batches, figures
from proofs.races.course import Tally, run
from proofs.races.drawing import Kind, chance_of, draw
from proofs.races.plants import PLANTS
from proofs.simulation.ground import ANA, BEN, CARLA, KEY, PUBLIC_KEYS
from tests.contracts.ballots import decided
from tests.contracts.samples import proposal

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


async def test_races_of_sound_code_have_no_fault(tmp_path: Path, migrated_database_url: str) -> None:
    tally = await run(tmp_path, migrated_database_url, islice(batches(15), 1), races=None, seed=SEED)
    assert tally.faults == []
    assert (tally.proposals, tally.ends.total(), tally.deadlocks) == (15, 15, 0)
    assert tally.across > 0


@pytest.mark.parametrize("plant", [name for name in PLANTS if name])
async def test_a_planted_bug_is_found(tmp_path: Path, migrated_database_url: str, plant: str) -> None:
    tally = await run(
        tmp_path, migrated_database_url, islice(batches(20), 6), races=None, seed=SEED, plant=plant
    )
    assert tally.faults
    assert tally.stories


def test_too_few_races_effects_or_races_between_processes_are_too_little() -> None:
    enough = Tally(races=100, across=50, effects=5)
    for tally, holds in (
        (enough, True),
        (replace(enough, across=49), False),
        (replace(enough, races=99), False),
        (replace(enough, effects=4), False),
    ):
        assert all(one.holds for one in figures(tally, 100)) is holds


def test_a_seed_draws_the_same_calls_again_and_no_process_is_alone() -> None:
    for number in range(50):
        for state in (ProposalState.EVALUATING, ProposalState.AWAITING_APPROVAL, ProposalState.READY):
            calls = draw(chance_of(SEED, number), state, 0)
            assert calls == draw(chance_of(SEED, number), state, 0)
            one_place = {call.process for call in calls} == {0}
            assert len(calls) > 1
            assert not one_place or {call.kind for call in calls} == {Kind.EXECUTE}


class Story:
    """Events of one proposal, told by hand."""

    def __init__(self) -> None:
        self.proposal = proposal(authors=(ANA,))
        self.events: list[AuditEvent] = []
        self.add(AuditType.PROPOSAL_CREATED, authors=[ANA.model_dump(mode="json")])
        self.asks_for(2)
        self.add(
            AuditType.PROPOSAL_MOVED,
            proposal=self.proposal.model_dump(mode="json"),
            digest=self.proposal.digest,
            **{"from": "evaluating", "to": "awaiting_approval"},
        )

    def add(self, kind: AuditType, **payload: Any) -> None:
        self.events.append(
            AuditEvent(
                id=f"evt_{len(self.events)}", type=kind, tenant="default", subject="prp_1", actor=SYSTEM,
                payload=payload, at=NOON,
            )
        )  # fmt: skip

    def approves(self, reviewer: Principal, *, digest: str | None = None, times: int = 1) -> None:
        said = decided(reviewer, DecisionKind.APPROVE, 1).decision
        changed = said.model_copy(
            update={
                "proposal_digest": digest or self.proposal.digest,
                "key_id": next(iter(PUBLIC_KEYS)),
                "id": f"dec_{reviewer.subject}",
            }
        )
        payload = sign(changed, KEY).model_dump(mode="json")
        self.add(AuditType.DECISION_RECORDED, **payload)
        for _ in range(times):
            self.add(AuditType.DECISION_APPLIED, **payload)

    def asks_for(self, quorum: int) -> None:
        verdict = Verdict(guardrail="t", outcome=Outcome.ALLOW, rule="t", reason_code="ok", message="")
        evaluation = Evaluation(
            proposal_id="prp_1",
            revision=1,
            pass_number=1,
            at=NOON,
            outcome=Outcome.REQUIRE_APPROVAL,
            verdicts=(verdict,),
            requirement=ApprovalRequirement(quorum=quorum),
        )
        self.add(AuditType.PROPOSAL_EVALUATED, **sealed(evaluation).document)

    def goes_on(self) -> None:
        self.add(AuditType.PROPOSAL_MOVED, **{"from": "awaiting_approval", "to": "ready"})

    def faults(self) -> list[str]:
        fields: dict[str, Any] = dict.fromkeys(Records.__dataclass_fields__, ())
        fields |= {"proposals": [SimpleNamespace(id="prp_1")], "events": self.events}
        return ballots.faults(Records(**fields), PUBLIC_KEYS)


def test_two_people_at_the_digest_are_enough() -> None:
    story = Story()
    story.approves(BEN)
    story.approves(CARLA)
    story.goes_on()
    assert story.faults() == []


def test_one_vote_that_counts_twice_is_found() -> None:
    story = Story()
    story.approves(BEN, times=2)
    assert story.faults() == ["prp_1: dec_ben counted twice"]


def test_going_on_with_fewer_people_than_a_later_pass_asks_for_is_found() -> None:
    story = Story()
    story.approves(BEN)
    story.asks_for(3)
    story.approves(CARLA)
    story.goes_on()
    assert story.faults() == ["prp_1: went on with 2 of 3 valid approvals"]


@pytest.mark.parametrize("second", ["author", "other digest", "nobody"])
def test_going_on_without_enough_people_is_found(second: str) -> None:
    story = Story()
    story.approves(BEN)
    if second == "author":
        story.approves(ANA)
    elif second == "other digest":
        story.approves(CARLA, digest="sha256:other")
    story.goes_on()
    assert story.faults()[-1] == "prp_1: went on with 1 of 2 valid approvals"


def test_a_quorum_that_nothing_comes_of_is_found() -> None:
    story = Story()
    story.approves(BEN)
    story.approves(CARLA)
    assert len(story.faults()) == 1
    assert "nothing came of them" in story.faults()[0]
