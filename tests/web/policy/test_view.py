from __future__ import annotations

from decimal import Decimal

import pytest

from api.shadow.schemas import Pair
from api.web.policy import view
from contracts.evaluation import Outcome
from contracts.ports import PolicyDescription


@pytest.mark.parametrize(
    ("said", "word", "more"),
    [
        ("hard", "hard", ""),
        ("soft (an approver of the group)", "soft", "an approver of the group"),
        ("soft (an approver), hard above the target's", "soft", "(an approver), hard above the target's"),
        ("hard, soft while the total is unknown", "hard", "soft while the total is unknown"),
        ("Advisory", "advisory", ""),
    ],
)
def test_a_level_is_marked_and_its_words_are_kept(said: str, word: str, more: str) -> None:
    found = view.level_of(said)
    assert found is not None
    assert (found.word, found.more) == (word, more)


@pytest.mark.parametrize("said", [None, "", "  ", "harder", "denies"])
def test_words_that_begin_with_no_level_are_none(said: str | None) -> None:
    assert view.level_of(said) is None
    (row,) = view.policy_rows([PolicyDescription(name="own", level=said)])
    assert row.level is None


def test_only_disagreements_are_listed_the_most_frequent_first() -> None:
    def pair(live: Outcome, candidate: Outcome, count: int) -> Pair:
        money = {"USD": Decimal(1)}
        return Pair(live=live, candidate=candidate, count=count, unpriced=0, monthly_delta=money)

    found = view.differing(
        [
            pair(Outcome.ALLOW, Outcome.DENY, 1),
            pair(Outcome.ALLOW, Outcome.ALLOW, 9),
            pair(Outcome.DENY, Outcome.ALLOW, 3),
        ]
    )
    assert [(one.live, one.count) for one in found] == [(Outcome.DENY, 3), (Outcome.ALLOW, 1)]


def test_a_revision_is_cut_to_what_one_recognises() -> None:
    assert view.short("sha256:" + "0123456789abcdef" * 4) == "sha256:0123456789ab"
    assert view.short("v1.2.3") == "v1.2.3"
