"""The times of the rules that asked are fixed with the digest, and nothing ever makes them longer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.guardrail.settling import shortened
from contracts.evaluation import ApprovalRequirement
from tests.contracts.samples import NOON, proposal

MINUTES = st.none() | st.integers(1, 2_000).map(lambda minutes: timedelta(minutes=minutes))


def asked(decide: timedelta | None = None, execute: timedelta | None = None) -> ApprovalRequirement:
    return ApprovalRequirement(quorum=1, decide_within=decide, execute_within=execute)


@pytest.mark.parametrize(
    ("requirement", "decide", "execute"),
    [
        (None, 240, 300),
        (asked(), 240, 300),
        (asked(timedelta(minutes=15)), 15, 300),
        (asked(timedelta(minutes=15), timedelta(minutes=5)), 15, 20),
        (asked(None, timedelta(minutes=5)), 240, 245),
        (asked(timedelta(days=2), timedelta(days=2)), 240, 300),
    ],
)
def test_rules_shorten_the_times_of_a_proposal(
    requirement: ApprovalRequirement | None, decide: int, execute: int
) -> None:
    found = shortened(proposal(), requirement, NOON)
    assert found.decide_by == NOON + timedelta(minutes=decide)
    assert found.execute_by == NOON + timedelta(minutes=execute)
    assert (found.digest == proposal().digest) == ((decide, execute) == (240, 300))


@given(decide=MINUTES, execute=MINUTES, late=st.integers(-600, 600))
def test_no_rule_and_no_clock_extends_them(
    decide: timedelta | None, execute: timedelta | None, late: int
) -> None:
    before = proposal()
    after = shortened(before, asked(decide, execute), NOON + timedelta(minutes=late))
    assert after.decide_by <= before.decide_by
    assert after.execute_by <= before.execute_by
