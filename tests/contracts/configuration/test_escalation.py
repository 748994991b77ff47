"""When steps are due, as an operator writes it; what is no moment is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from contracts.configuration.escalation import Due, Reminders, ReminderStep, due_of


@pytest.mark.parametrize(
    ("point", "due"),
    [
        ("1%", Due(share=0.01)),
        ("99%", Due(share=0.99)),
        ("2h", Due(after=timedelta(hours=2))),
        ("PT5M", Due(after=timedelta(minutes=5))),
        ("never", None),
    ],
)
def test_a_step_is_due_at_a_share_after_a_time_or_never(point: str, due: Due | None) -> None:
    assert due_of(point) == due


@pytest.mark.parametrize("point", ["", "0%", "100%", "-5%", "50.5%", "0s", "-1h", "soon", " ", "NEVER"])
def test_what_is_no_moment_is_refused(point: str) -> None:
    with pytest.raises(ValidationError, match="share of the time to decide"):
        Reminders(page_after=point)


def test_blank_is_not_never() -> None:
    with pytest.raises(ValidationError):
        Reminders.model_validate({"page_after": None})


@pytest.mark.parametrize(
    "given",
    [
        {"remind_after": "80%"},
        {"remind_after": "3h", "escalate_after": "2h"},
        {"escalate_to": {"roles": []}},
        {"escalate_to": {}, "unknown": 1},
    ],
    ids=["shares out of order", "lengths out of order", "nobody is told", "unknown key"],
)
def test_what_does_not_fit_together_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Reminders.model_validate(given)


def test_by_default_each_step_is_due() -> None:
    assert list(Reminders().steps) == list(ReminderStep)
