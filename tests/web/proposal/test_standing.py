"""What the headline of a proposal's page claims."""

from __future__ import annotations

import pytest

from api.web.proposal.standing import standing_of
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
