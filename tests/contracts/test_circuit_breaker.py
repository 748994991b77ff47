"""How a breaker moves, without a store: every order of outcomes, probes, reads, people and clocks."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contracts import circuit_breaker as cb
from contracts.circuit_breaker import Measure, Outcome, Rule, Tally
from contracts.configuration import BreakerLimits
from contracts.configuration.limits import AgentBreakerLimits
from contracts.safety import Breaker, BreakerState
from tests.contracts.samples import AGENT, NOON

TARGET = "target:gke.node_pool/acme-prod/europe-west4/serving/inference"
KIND, MODEL = "kind:gke.node_pool.resize", "model:gpt-5-mini"
PLAIN = BreakerLimits(failures=3, cooldown=timedelta(minutes=5), jitter=0)
MINUTE = timedelta(minutes=1)
OWNERS = ("prp_1", "prp_2", "prp_3")


def closed(name: str = KIND, **changes: object) -> Breaker:
    return Breaker(id=name, state=BreakerState.CLOSED).model_copy(update=changes)


def failed(
    breaker: Breaker, owner: str | None = "prp_1", tally: Tally | None = None, **given: object
) -> Breaker:
    limits = given.get("limits", PLAIN)
    now, draw = given.get("now", NOON), given.get("draw", 0.0)
    assert isinstance(limits, BreakerLimits)
    assert isinstance(now, datetime)
    assert isinstance(draw, float)
    outcome = Outcome(breaker.id, False, "stockout", owner=owner)
    return cb.after_failure(breaker, outcome, tally or Tally(1, 1), limits, now, draw)


def opened(name: str = KIND) -> Breaker:
    found = closed(name)
    for _ in range(3):
        found = failed(found)
    return found


@pytest.mark.parametrize(
    ("in_a_row", "tally", "rule_"),
    [
        (2, Tally(9, 9), Rule.FAILURES),
        (0, Tally(30, 10), Rule.FAILURES_IN_WINDOW),
        (0, Tally(10, 5), Rule.FAILURE_RATE),
        (1, Tally(9, 9), None),
        (1, Tally(100, 9), None),
        (0, Tally(11, 5), None),
    ],
)
def test_each_rule_alone_is_enough_and_none_opens_below_its_threshold(
    in_a_row: int, tally: Tally, rule_: Rule | None
) -> None:
    found = failed(closed(consecutive_failures=in_a_row), tally=tally)
    assert found.rule == (rule_.value if rule_ else None)
    assert (found.state is BreakerState.OPEN) is (rule_ is not None)


@pytest.mark.parametrize(
    ("measure", "tally", "rule_"),
    [
        (Measure.EFFECT, Tally(10, 3), Rule.ROLLBACK_RATE),
        (Measure.EFFECT, Tally(10, 2), None),
        (Measure.EFFECT, Tally(9, 9), None),
        (Measure.REVIEW, Tally(10, 5), Rule.OVERRIDE_RATE),
        (Measure.REVIEW, Tally(10, 4), None),
        (Measure.REVIEW, Tally(9, 9), None),
    ],
)
def test_an_agent_is_judged_by_its_two_rates_only(measure: Measure, tally: Tally, rule_: Rule | None) -> None:
    name = cb.agent_breaker(AGENT)
    outcome = Outcome(name, False, "overridden", measure=measure)
    found = cb.after_failure(closed(name, consecutive_failures=50), outcome, tally, PLAIN, NOON, 0.0)
    assert found.rule == (rule_.value if rule_ else None)


def test_a_failure_that_began_before_neither_extends_nor_shortens_an_open_breaker() -> None:
    before = opened()
    after = failed(before, "prp_early", now=NOON - timedelta(hours=1))
    assert (after.open_until, after.opened_at, after.openings) == (before.open_until, before.opened_at, 1)


def test_only_the_probe_decides_a_half_open_breaker() -> None:
    half_open = cb.probed_by(opened(), "prp_1", NOON + timedelta(hours=1))
    assert failed(half_open, "prp_2").state is BreakerState.HALF_OPEN
    assert cb.after_success(half_open, "prp_2") == half_open
    assert failed(half_open, "prp_1").rule == Rule.PROBE
    assert cb.after_success(half_open, "prp_1").state is BreakerState.CLOSED


def test_a_probe_that_was_replaced_decides_nothing() -> None:
    late = NOON + timedelta(hours=3)
    first = cb.probed_by(opened(), "prp_1", NOON + timedelta(hours=1))
    assert not cb.stops(first, "prp_2", late)
    second = cb.probed_by(first, "prp_2", late)
    assert cb.stops(second, "prp_1", late)
    assert cb.after_success(second, "prp_1") == second


def test_cooldown_doubles_from_opening_to_opening_up_to_its_cap() -> None:
    minutes = [cb.cooldown(PLAIN, openings, 0.0) / MINUTE for openings in range(1, 8)]
    assert minutes == [5, 10, 20, 40, 60, 60, 60]


def test_without_a_cap_of_its_own_a_long_cooldown_is_its_own_cap() -> None:
    limits = BreakerLimits(cooldown=timedelta(hours=3), jitter=0)
    assert cb.cooldown(limits, 5, 0.0) == timedelta(hours=3)


def test_a_cap_below_the_cooldown_is_refused() -> None:
    with pytest.raises(ValueError, match="max_cooldown is below cooldown"):
        BreakerLimits(cooldown=timedelta(minutes=5), max_cooldown=timedelta(minutes=4))


@given(
    openings=st.integers(1, 10_000),
    draw=st.floats(0, 1),
    jitter=st.floats(0, 0.5),
    cooldown=st.timedeltas(timedelta(0), timedelta(days=90)),
    cap=st.timedeltas(timedelta(0), timedelta(days=90)),
)
def test_no_cooldown_is_longer_than_its_cap_or_shorter_than_the_jitter_allows(
    openings: int, draw: float, jitter: float, cooldown: timedelta, cap: timedelta
) -> None:
    assume(cap >= cooldown)
    limits = BreakerLimits(cooldown=cooldown, max_cooldown=cap, jitter=jitter)
    slack = timedelta(milliseconds=1)
    lasts = cb.cooldown(limits, openings, draw)
    assert cooldown * (1 - jitter) - slack <= lasts <= cap + slack
    assert lasts <= cb.cooldown(limits, openings + 1, draw) + slack


@pytest.mark.parametrize(
    ("name", "reads"), [(TARGET, True), ("provider:gke", True), (KIND, False), (MODEL, False)]
)
def test_what_can_be_read_is_read_before_an_effect_probes_it(name: str, reads: bool) -> None:
    found = opened(name)
    assert found.open_until is not None
    cool = found.open_until
    assert cb.is_due_for_read(found, cool) is reads
    assert cb.stops(found, "prp_1", cool) is reads
    assert not cb.stops(cb.made_ready(found, cool), "prp_1", cool)


def test_without_housekeeping_the_probe_goes_in_the_end() -> None:
    found = opened(TARGET)
    assert found.open_until is not None
    last = found.open_until + cb.READ_WITHIN
    assert cb.stops(found, "prp_1", last - timedelta(seconds=1))
    assert not cb.stops(found, "prp_1", last)


def test_a_failed_read_keeps_it_open_for_longer() -> None:
    found = opened(TARGET)
    again = cb.after_failed_read(found, PLAIN, NOON + timedelta(minutes=6), 0.0, "provider_unavailable")
    assert (again.openings, again.rule) == (2, Rule.READ)
    assert again.open_until == NOON + timedelta(minutes=16)


def test_opened_by_hand_it_stays_open_until_a_person_closes_it() -> None:
    found = cb.opened_by_hand(closed(), NOON, None)
    for later in (timedelta(0), timedelta(days=3_650)):
        assert cb.stops(found, "prp_1", NOON + later)
    assert cb.after_success(found, "prp_1") == found
    assert cb.after_success(found, None) == found
    timed = cb.opened_by_hand(closed(), NOON, timedelta(hours=1))
    assert cb.stops(timed, "prp_1", NOON + timedelta(minutes=59))
    assert not cb.stops(timed, "prp_1", NOON + timedelta(hours=1))


@pytest.mark.parametrize("name", ["", "target:", "target: ", "kind", "pool:x", ":x"])
def test_an_id_without_a_known_scope_and_a_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"names nothing|is not a valid BreakerScope"):
        cb.scope_of(name)


def test_the_id_of_a_targets_breaker_spells_the_target() -> None:
    found = cb.target_of(TARGET)
    assert found is not None
    assert f"target:{found.key}" == TARGET
    assert cb.target_of(KIND) is None
    assert cb.target_of("target:gke.node_pool/a") is None
    assert cb.target_of("target:gke.node_pool/ACME/europe-west4/serving/inference") is None


def test_agents_limits_are_their_own() -> None:
    lenient = BreakerLimits(agent=AgentBreakerLimits(rollback_rate=1.0, least_outcomes=1))
    name = cb.agent_breaker(AGENT)
    outcome = Outcome(name, False, "dirty")
    assert cb.after_failure(closed(name), outcome, Tally(2, 1), lenient, NOON, 0.0).rule is None
    assert cb.after_failure(closed(name), outcome, Tally(2, 2), lenient, NOON, 0.0).rule == Rule.ROLLBACK_RATE


class AnyOrder(RuleBasedStateMachine):
    """One breaker, three proposals, a clock that jumps both ways."""

    NAME = TARGET

    def __init__(self) -> None:
        super().__init__()
        self.limits = BreakerLimits(failures=2, cooldown=timedelta(minutes=5), jitter=0.5)
        self.now = NOON
        self.breaker = closed(self.NAME)
        self.admitted: set[str] = set()
        self.outcomes: list[bool] = []

    def _is_last_probe(self, owner: str) -> bool:
        return self.breaker.state is BreakerState.HALF_OPEN and self.breaker.probe_owner == owner

    @rule(minutes=st.integers(-90, 90))
    def the_clock_jumps(self, minutes: int) -> None:
        before = self.breaker
        self.now += minutes * MINUTE
        assert self.breaker is before

    @rule(owner=st.sampled_from(OWNERS))
    def a_proposal_asks(self, owner: str) -> None:
        before = self.breaker
        if cb.stops(before, owner, self.now):
            return
        if before.state is BreakerState.CLOSED:
            return
        if before.state is BreakerState.OPEN:
            assert before.open_until is not None
            assert before.open_until <= self.now
            ready = before.ready_at is not None or before.read_first_until is None
            assert ready or before.open_until + cb.READ_WITHIN <= self.now
        elif before.probe_owner != owner:
            assert before.probe_expires_at is not None
            assert before.probe_expires_at <= self.now
        self.breaker = cb.probed_by(before, owner, self.now)
        for other in OWNERS:
            assert cb.stops(self.breaker, other, self.now) is (other != owner)

    @rule(owner=st.sampled_from(OWNERS))
    def an_effect_succeeds(self, owner: str) -> None:
        before, decides = self.breaker, self._is_last_probe(owner)
        self.outcomes.append(True)
        self.breaker = cb.after_success(before, owner)
        if before.state is BreakerState.CLOSED or decides:
            assert self.breaker.state is BreakerState.CLOSED
            assert (self.breaker.openings, self.breaker.consecutive_failures) == (0, 0)
            if before.state is not BreakerState.CLOSED:
                self.outcomes.clear()
        else:
            assert self.breaker == before

    @rule(owner=st.sampled_from(OWNERS), draw=st.floats(0, 1))
    def an_effect_fails(self, owner: str, draw: float) -> None:
        before, decides = self.breaker, self._is_last_probe(owner)
        self.outcomes.append(False)
        tally = Tally(len(self.outcomes), self.outcomes.count(False))
        outcome = Outcome(before.id, False, "stockout", owner=owner)
        self.breaker = cb.after_failure(before, outcome, tally, self.limits, self.now, draw)
        if decides:
            assert self.breaker.state is BreakerState.OPEN
            self._it_opened(before)
        elif before.state is BreakerState.CLOSED:
            reached = before.consecutive_failures + 1 >= self.limits.failures
            assert self.breaker.state is BreakerState.OPEN or not reached
            if self.breaker.state is BreakerState.OPEN:
                self._it_opened(before)
        else:
            counts = {"consecutive_failures", "last_reason_code"}
            assert self.breaker.model_dump(exclude=counts) == before.model_dump(exclude=counts)

    def _it_opened(self, before: Breaker) -> None:
        assert self.breaker.open_until is not None
        lasts = self.breaker.open_until - self.now
        base = min(self.limits.cooldown * 2 ** min(before.openings, 10), self.limits.max_cooldown)
        assert base / 2 <= lasts <= base
        assert self.breaker.openings == before.openings + 1

    @rule()
    @precondition(lambda self: cb.is_due_for_read(self.breaker, self.now))
    def a_read_succeeds(self) -> None:
        self.breaker = cb.made_ready(self.breaker, self.now)

    @rule(draw=st.floats(0, 1))
    @precondition(lambda self: cb.is_due_for_read(self.breaker, self.now))
    def a_read_fails(self, draw: float) -> None:
        before = self.breaker
        self.breaker = cb.after_failed_read(before, self.limits, self.now, draw, "provider_unavailable")
        self._it_opened(before)

    @rule()
    @precondition(lambda self: self.breaker.state is BreakerState.HALF_OPEN)
    def a_probe_is_given_back(self) -> None:
        self.breaker = cb.given_back(self.breaker)

    @rule(minutes=st.none() | st.integers(1, 600))
    def a_person_opens_it(self, minutes: int | None) -> None:
        lasts = None if minutes is None else minutes * MINUTE
        self.breaker = cb.opened_by_hand(self.breaker, self.now, lasts)

    @rule()
    def a_person_closes_it(self) -> None:
        self.breaker = cb.closed(self.breaker)
        self.outcomes.clear()

    @invariant()
    def an_open_one_lets_nobody_through_before_its_time(self) -> None:
        one = self.breaker
        if one.state is BreakerState.OPEN and (one.open_until is None or one.open_until > self.now):
            assert all(cb.stops(one, owner, self.now) for owner in OWNERS)

    @invariant()
    def at_most_one_probes(self) -> None:
        one = self.breaker
        assert (one.probe_owner is not None) is (one.state is BreakerState.HALF_OPEN)
        assert (one.probe_expires_at is not None) is (one.state is BreakerState.HALF_OPEN)
        if one.state is BreakerState.HALF_OPEN and one.probe_expires_at and one.probe_expires_at > self.now:
            assert sum(not cb.stops(one, owner, self.now) for owner in OWNERS) == 1


class AnyOrderWithoutReads(AnyOrder):
    NAME = KIND


TestAnyOrder = AnyOrder.TestCase
TestAnyOrderWithoutReads = AnyOrderWithoutReads.TestCase
