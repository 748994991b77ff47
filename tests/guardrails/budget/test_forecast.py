from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from guardrails.budget.forecast import Commit, Span, forecast, spent

START = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
MID = datetime(2026, 11, 16, tzinfo=UTC)
MINUTES = int((END - START).total_seconds()) // 60

amounts = st.decimals(min_value=0, max_value=10**9, places=2, allow_nan=False, allow_infinity=False)
moments = st.integers(0, MINUTES).map(lambda minutes: START + timedelta(minutes=minutes))
spans = moments.map(lambda now: Span(START, END, now))
commits = st.lists(st.builds(Commit, at=moments, amount=amounts), max_size=20)


def standing_of(made: list[Commit], reserved: Decimal = Decimal(0)) -> Decimal:
    return sum((one.amount for one in made), reserved)


@given(commits, amounts, amounts, spans)
def test_it_is_never_below_what_is_committed_and_reserved(
    made: list[Commit], reserved: Decimal, limit: Decimal, span: Span
) -> None:
    standing = standing_of(made, reserved)
    assert forecast(made, standing=standing, limit=limit, span=span).at_end >= standing


@given(amounts, amounts, spans)
def test_without_any_commit_it_is_what_stands(standing: Decimal, limit: Decimal, span: Span) -> None:
    assert forecast([], standing=standing, limit=limit, span=span).at_end == standing


@given(commits, st.builds(Commit, at=moments, amount=amounts), amounts, spans)
def test_another_commit_never_lowers_it(made: list[Commit], one: Commit, limit: Decimal, span: Span) -> None:
    before = forecast(made, standing=standing_of(made), limit=limit, span=span)
    after = forecast([*made, one], standing=standing_of([*made, one]), limit=limit, span=span)
    assert after.at_end >= before.at_end


@given(commits, amounts, spans)
def test_it_runs_out_exactly_when_it_ends_above_the_limit(
    made: list[Commit], limit: Decimal, span: Span
) -> None:
    found = forecast(made, standing=standing_of(made), limit=limit, span=span)
    assert (found.exhausted_at is not None) == (found.at_end > limit)
    if found.exhausted_at is not None:
        assert span.now <= found.exhausted_at <= span.ends_at


@given(commits, spans)
def test_spent_grows_from_nothing_to_all_that_was_committed(made: list[Commit], span: Span) -> None:
    used = spent(made, span)
    assert 0 <= used <= standing_of(made)
    assert spent(made, Span(START, END, END)) == standing_of(made)
    later = Span(START, END, min(END, span.now + timedelta(hours=1)))
    assert spent(made, later) >= used


def test_a_steady_pace_over_half_a_month_adds_a_quarter_of_what_it_would_cost_over_all_of_it() -> None:
    # 1 USD per hour more, made at the very start: 720 USD until the end. 360 h elapsed, 360 h to go:
    # pace 1/360 per hour, growth 360² / 2 / 360 = 180.
    made = [Commit(START, Decimal(720))]
    found = forecast(made, standing=Decimal(720), limit=Decimal(1_000), span=Span(START, END, MID))
    assert (found.at_end, found.exhausted_at) == (Decimal(900), None)
    assert spent(made, Span(START, END, MID)) == Decimal(360)


def test_the_moment_the_limit_is_reached_is_told() -> None:
    made = [Commit(START, Decimal(720))]
    found = forecast(made, standing=Decimal(720), limit=Decimal(855), span=Span(START, END, MID))
    # 135 of the 180 are left: 360² - r² = 2 * 135 * 360, so r = 180 hours before the end.
    assert found.exhausted_at == END - timedelta(hours=180)


def test_a_limit_that_is_overrun_is_exhausted_now() -> None:
    found = forecast([], standing=Decimal(11), limit=Decimal(10), span=Span(START, END, MID))
    assert found.exhausted_at == MID


def test_the_first_change_of_a_month_is_no_trend() -> None:
    early = START + timedelta(minutes=5)
    found = forecast(
        [Commit(START, Decimal(720))],
        standing=Decimal(720),
        limit=Decimal(10_000),
        span=Span(START, END, early),
    )
    assert found.at_end < Decimal(720) * 6
