"""The list of guardrails: what a grant bypassed, what people have met, and what a window closes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from api.web.proposal.judgements import Judgement, judgements_of
from contracts.break_glass import BYPASS_FACT
from contracts.evaluation import ApprovalRequirement, Outcome, Verdict
from contracts.principal import Principal
from tests.contracts.samples import BEN


def judged(approvers: tuple[Principal, ...] = (), **changes: Any) -> Judgement:
    given = {
        "guardrail": "change_window",
        "outcome": Outcome.ALLOW,
        "rule": "open",
        "reason_code": "ok",
        "message": "Nothing is frozen now.",
    }
    (found,) = judgements_of([Verdict.model_validate(given | changes)], approvers)
    return found


def test_a_verdict_that_a_grant_bypassed_names_the_grant() -> None:
    found = judged(facts={BYPASS_FACT: {"grant": "brg_1", "outcome": "hold"}}, reason_code="break_glass")
    assert (found.is_bypassed, found.grant) == (True, "brg_1")
    assert (judged().is_bypassed, judged().grant) == (False, None)


@pytest.mark.parametrize(
    ("quorum", "approvers", "met"),
    [(1, (), ""), (1, (BEN,), "met: 1 approved"), (2, (BEN,), "")],
    ids=["nobody yet", "enough", "not enough"],
)
def test_a_question_to_people_is_met_by_enough_of_them(
    quorum: int, approvers: tuple[Principal, ...], met: str
) -> None:
    asked = ApprovalRequirement(quorum=quorum)
    assert judged(approvers, outcome=Outcome.REQUIRE_APPROVAL, requirement=asked).met == met


def test_a_question_to_a_group_is_not_met_by_others() -> None:
    asked = ApprovalRequirement(quorum=1, groups=("dba",))
    assert judged((BEN,), outcome=Outcome.REQUIRE_APPROVAL, requirement=asked).met == ""
    dba = BEN.model_copy(update={"groups": ("dba",)})
    assert judged((dba,), outcome=Outcome.REQUIRE_APPROVAL, requirement=asked).met == "met: 1 approved"


def test_a_closed_window_tells_its_name_and_when_it_opens() -> None:
    opens = datetime(2026, 12, 1, 8, tzinfo=UTC)
    found = judged(facts={"closed_by": ["year-end"], "free_at": opens.isoformat()})
    assert (found.closed_by, found.opens_at) == (("year-end",), opens)
    assert judged(facts={"closed_by": [], "free_at": None}).closed_by == ()
    # The rate has a moment of its own, and no window.
    assert judged(facts={"free_at": opens.isoformat()}).opens_at is None
