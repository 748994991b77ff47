"""Which entries a verified change comes to. No database."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapters.store.batch import Batch
from adapters.store.ledger.accounts import Balance, LedgerInconsistent, Posting, Subject
from adapters.store.ledger.planning import Share, plan_settlement
from adapters.store.ledger.posting import add_postings

PLACE = ("tenant", "month:2026-11", "USD")


@pytest.mark.parametrize(
    ("committed", "hourly", "gives_back", "rate"),
    [
        ("100", "5", "20", "-2"),
        ("15", "5", "15", "-2"),
        ("100", "1.5", "15", "-1.5"),
    ],
    ids=["what it saves", "no more than was spent", "no more than runs"],
)
def test_a_shrink_gives_back_no_more_than_was_committed_and_runs(
    committed: str, hourly: str, gives_back: str, rate: str
) -> None:
    balance = Balance(*PLACE, Decimal(0), Decimal(committed), Decimal(hourly))
    share = Share(*PLACE, hours=Decimal(10), whole=Decimal(720))
    (posting,) = plan_settlement([], [share], {balance.key: balance}, Decimal(-2))
    assert (posting.kind, posting.gives_back) == ("adjust", True)
    assert (posting.amount, posting.hourly) == (Decimal(gives_back), Decimal(rate))


def test_where_nothing_runs_a_shrink_gives_nothing_back() -> None:
    balance = Balance(*PLACE, Decimal(0), Decimal(100), Decimal(0))
    share = Share(*PLACE, hours=Decimal(10), whole=Decimal(720))
    assert plan_settlement([], [share], {balance.key: balance}, Decimal(-2)) == []


def test_what_is_posted_to_a_window_that_nobody_locked_is_refused() -> None:
    posting = Posting(*PLACE, "reserve", Decimal(1), 1)
    elsewhere = Balance("tenant", "month:2026-12", "USD", Decimal(0), Decimal(0))
    with pytest.raises(LedgerInconsistent):
        add_postings(Batch(), Subject("default", proposal_id="prp_1"), [posting], [elsewhere])
