from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts.configuration import RateLimit
from guardrails.rate.bucket import TOKEN, Bucket
from tests.contracts.samples import NOON

LIMITS = st.builds(RateLimit, capacity=st.integers(0, 50), per_hour=st.integers(0, 200))
STEPS = st.lists(
    st.tuples(st.timedeltas(timedelta(hours=-2), timedelta(hours=5)), st.booleans()), max_size=40
)
"""How far the clock goes, also backwards, and whether somebody wants a token then."""


def walk(limit: RateLimit, steps: list[tuple[timedelta, bool]]) -> tuple[Bucket, list[datetime], datetime]:
    """Let takers take whenever there is a token; return the bucket, when tokens were taken, and the time."""
    bucket, now, taken = Bucket(), NOON, []
    for passed, wants in steps:
        now += passed
        if wants and bucket.tokens(now, limit) >= 1:
            bucket = bucket.take(now, limit)
            taken.append(now)
    return bucket, taken, now


@given(LIMITS, STEPS)
def test_there_are_never_more_tokens_than_the_capacity_nor_less_than_none(
    limit: RateLimit, steps: list[tuple[timedelta, bool]]
) -> None:
    bucket, _, now = walk(limit, steps)
    assert 0 <= bucket.tokens(now, limit) <= limit.capacity
    assert 0 <= bucket.deficit_at(now, limit) <= limit.capacity * TOKEN


@given(LIMITS, STEPS)
def test_nobody_gets_more_than_the_burst_and_what_time_brought(
    limit: RateLimit, steps: list[tuple[timedelta, bool]]
) -> None:
    _, taken, _ = walk(limit, steps)
    if not taken:
        return
    # The clock's own span, however it went to and fro.
    passed = (max(taken) - taken[0]) // timedelta(microseconds=1)
    brought = passed * limit.per_hour
    assert len(taken) * TOKEN <= limit.capacity * TOKEN + brought


@given(LIMITS.filter(lambda one: one.per_hour > 0), STEPS)
def test_what_was_taken_and_what_is_left_and_what_time_brought_add_up(
    limit: RateLimit, steps: list[tuple[timedelta, bool]]
) -> None:
    onward = [(abs(passed), wants) for passed, wants in steps]
    bucket, taken, now = walk(limit, onward)
    passed = (now - NOON) // timedelta(microseconds=1)
    lacks = bucket.deficit_at(now, limit)
    assert len(taken) * TOKEN - passed * limit.per_hour <= lacks <= len(taken) * TOKEN


@given(LIMITS, STEPS, st.timedeltas(timedelta(0), timedelta(days=2)))
def test_a_clock_that_goes_backwards_brings_nothing_and_takes_nothing(
    limit: RateLimit, steps: list[tuple[timedelta, bool]], back: timedelta
) -> None:
    bucket, _, now = walk(limit, steps)
    since = bucket.as_of or now
    assert bucket.tokens(since - back, limit) == bucket.tokens(since, limit)
    if bucket.as_of is not None:
        after = bucket.take(since - back, limit)
        assert (after.as_of, after.deficit) == (since, bucket.take(since, limit).deficit)


@given(LIMITS, STEPS, st.timedeltas(timedelta(0), timedelta(days=2)))
def test_time_only_brings_tokens(
    limit: RateLimit, steps: list[tuple[timedelta, bool]], later: timedelta
) -> None:
    bucket, _, now = walk(limit, steps)
    assert bucket.tokens(now + later, limit) >= bucket.tokens(now, limit)


@given(LIMITS, STEPS, st.integers(1, 5))
def test_the_turn_of_each_taker_is_the_first_moment_at_which_it_gets_its_token(
    limit: RateLimit, steps: list[tuple[timedelta, bool]], takers: int
) -> None:
    bucket, _, now = walk(limit, steps)
    at = now
    for taker in range(1, takers + 1):
        turn = bucket.turn_of(1, at, limit)
        assert turn == walked_turn(bucket, at, limit)
        if turn is None:
            assert limit.capacity == 0 or limit.per_hour == 0
            return
        assert turn >= at
        assert bucket.tokens(turn, limit) >= 1
        bucket, at = bucket.take(turn, limit), turn
        assert taker <= takers


def walked_turn(bucket: Bucket, at: datetime, limit: RateLimit) -> datetime | None:
    """The turn, checked from both sides: there is a token then, and was none a microsecond before."""
    turn = bucket.turn_of(1, at, limit)
    if turn is not None and turn > at:
        assert bucket.tokens(turn - timedelta(microseconds=1), limit) == 0
    return turn


@given(LIMITS, STEPS, st.integers(1, 6))
def test_who_waits_behind_others_is_told_the_moment_of_its_own_token(
    limit: RateLimit, steps: list[tuple[timedelta, bool]], place: int
) -> None:
    bucket, _, now = walk(limit, steps)
    told, at = bucket.turn_of(place, now, limit), now
    for _ in range(place):
        turn = bucket.turn_of(1, at, limit)
        if turn is None:
            assert told is None
            return
        bucket, at = bucket.take(turn, limit), turn
    assert told is not None
    # Rounding up to whole microseconds, once per taker ahead.
    assert timedelta(0) <= at - told <= timedelta(microseconds=place)


def test_two_at_once_then_one_every_half_hour() -> None:
    limit, bucket = RateLimit(capacity=2, per_hour=2), Bucket()
    for _ in range(2):
        assert bucket.turn_of(1, NOON, limit) == NOON
        bucket = bucket.take(NOON, limit)
    assert bucket.tokens(NOON, limit) == 0
    assert bucket.turn_of(1, NOON, limit) == NOON + timedelta(minutes=30)
    assert bucket.turn_of(2, NOON, limit) == NOON + timedelta(minutes=60)
    assert bucket.tokens(NOON + timedelta(days=1), limit) == 2


def test_a_bucket_without_room_gives_nothing_however_fast_it_fills() -> None:
    limit = RateLimit(capacity=0, per_hour=10_000)
    assert Bucket().tokens(NOON, limit) == 0
    assert Bucket().turn_of(1, NOON, limit) is None


def test_what_nothing_refills_never_has_another_turn() -> None:
    limit = RateLimit(capacity=1, per_hour=0)
    assert Bucket().turn_of(1, NOON, limit) == NOON
    assert Bucket().turn_of(2, NOON, limit) is None
    assert Bucket().take(NOON, limit).turn_of(1, NOON + timedelta(days=9), limit) is None


def test_a_token_taken_while_the_clock_was_back_brings_none_when_it_is_right_again() -> None:
    limit = RateLimit(capacity=2, per_hour=1)
    bucket = Bucket().take(NOON, limit).take(NOON - timedelta(hours=5), limit)
    assert bucket.tokens(NOON, limit) == 0
    assert bucket.turn_of(1, NOON, limit) == NOON + timedelta(hours=1)


def test_a_lower_limit_holds_at_once_and_lends_nothing() -> None:
    used = Bucket()
    for _ in range(5):
        used = used.take(NOON, RateLimit(capacity=10, per_hour=1))
    assert used.tokens(NOON, RateLimit(capacity=3, per_hour=1)) == 0
    assert used.turn_of(1, NOON, RateLimit(capacity=3, per_hour=1)) == NOON + timedelta(hours=3)
