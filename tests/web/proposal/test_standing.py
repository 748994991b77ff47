"""What the headline of a proposal's page claims."""

from __future__ import annotations

import pytest

from api.web.proposal.standing import progress_of, standing_of
from contracts.proposal import ProposalState
from tests.cli.views import view


@pytest.mark.parametrize("code", ["late_call", "lateness_unknown"])
def test_nothing_is_claimed_of_what_ran_where_a_call_was_made_too_late_or_may_have_been(code: str) -> None:
    standing = standing_of(view(ProposalState.STALE, row={"reason_code": code}))
    assert (standing.tone, "Nothing ran" in standing.title) == ("danger", False)
    assert standing.next_steps == ("Compare the pool with what was decided before you propose it again.",)


def test_a_target_that_changed_meanwhile_says_that_nothing_ran() -> None:
    standing = standing_of(view(ProposalState.STALE, row={"reason_code": "target_changed"}))
    assert standing.title == "Out of date. Nothing ran"


def test_what_was_held_for_too_long_is_not_said_to_have_waited_for_a_decision() -> None:
    held = view(ProposalState.EXPIRED, row={"reason_code": "execute_by_passed"})
    assert "decided" not in standing_of(held).text
    assert "It could not start in time" in standing_of(held).text
    assert [stage.name for stage in progress_of(held) if stage.state == "wrong"] == ["Execution"]


def test_what_nobody_decided_in_time_says_so() -> None:
    waited = view(ProposalState.EXPIRED, row={"reason_code": "decide_by_passed"})
    assert standing_of(waited).text == "Nobody decided in time. Expiry counts as a rejection."
    assert [stage.name for stage in progress_of(waited) if stage.state == "wrong"] == ["Approval"]


@pytest.mark.parametrize(
    ("state", "title", "left"),
    [
        (ProposalState.SUCCEEDED, "Resolved as succeeded", "as asked"),
        (ProposalState.ROLLED_BACK, "Resolved as rolled back", "as before"),
        (ProposalState.FAILED, "Resolved as failed", "in another state"),
    ],
)
def test_what_an_operator_resolved_is_theirs_to_vouch_for(
    state: ProposalState, title: str, left: str
) -> None:
    standing = standing_of(view(state, row={"reason_code": "resolved_by_operator"}))
    assert (standing.title, left in standing.text) == (title, True)
    assert "verified" not in f"{standing.title} {standing.text}".lower()
