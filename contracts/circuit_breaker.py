"""GUARDRAILS, circuit breakers: how one moves from state to state. Pure: the store runs it under the breaker's lock.

A row says everything a decision needs. Times are fixed when a breaker opens, its jitter included, and never moved by
what comes later: neither a stray outcome nor a clock that goes backwards changes how long it stays open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from contracts.action import ACTION_KINDS, NodePoolTarget
from contracts.configuration.limits import BreakerLimits
from contracts.errors import ProviderAmbiguous, ProviderUnavailable
from contracts.principal import Principal
from contracts.proposal import MODE_MISMATCH
from contracts.safety import Breaker, BreakerState

PROBE_LASTS = timedelta(hours=1)
"""A probe whose proposal has said nothing for this long gives way to another."""
READ_WITHIN = timedelta(minutes=10)
"""Time that housekeeping has for the read that comes first. Then the probe goes without: it reads before it acts."""
UNREACHABLE = frozenset({ProviderUnavailable.reason_code, ProviderAmbiguous.reason_code})
"""Reason codes that say something of the provider as a whole."""
WORKFLOW_LOST = "workflow_lost"
UNSEEN = frozenset({WORKFLOW_LOST, MODE_MISMATCH, "lease_lost", "operation_unclear", "target_not_registered"})
"""Reason codes of an end at which nobody looked at what the effect came to."""


MODEL_BREAKER_OPEN = "model_breaker_open"
"""Why the rules planner answers a request: the model failed too often, or a person opened its breaker."""
MODEL_BUDGET_EXHAUSTED = "model_budget_exhausted"
"""Why the rules planner answers a request: the model's budget has no room for it."""
MODEL_PRICE_UNKNOWN = "model_price_unknown"
"""Why the rules planner answers a request: there is a budget for models, and no price to keep to it by."""


class BreakerScope(StrEnum):
    """What a breaker guards: the part of its id before the colon."""

    AGENT = "agent"
    KIND = "kind"
    MODEL = "model"
    PROVIDER = "provider"
    TARGET = "target"

    @property
    def is_read_first(self) -> bool:
        """Whether a cheap read can tell something before an effect is risked."""
        return self in (BreakerScope.TARGET, BreakerScope.PROVIDER)


class Measure(StrEnum):
    """What an outcome is an outcome of. Each has a rate of its own."""

    EFFECT = "effect"
    """An effect, a read, or a call of a model."""
    REVIEW = "review"
    """What people made of an agent's proposal."""


class Rule(StrEnum):
    """What opened a breaker. Names are stable."""

    FAILURES = "failures"
    FAILURES_IN_WINDOW = "failures_in_window"
    FAILURE_RATE = "failure_rate"
    ROLLBACK_RATE = "rollback_rate"
    OVERRIDE_RATE = "override_rate"
    PROBE = "probe"
    """The one probe failed."""
    READ = "read"
    """The read before the probe failed."""
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Tally:
    """Outcomes of one measure inside the window, the one that is judged included."""

    outcomes: int = 0
    failures: int = 0

    @property
    def rate(self) -> float:
        """Share of failures; 0 of nothing."""
        return self.failures / self.outcomes if self.outcomes else 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one effect, call or review came to."""

    breaker_id: str
    ok: bool | None
    """None: it says nothing about this breaker, and only gives a probe back."""
    reason_code: str
    owner: str | None = None
    """Proposal or request. None: it counts as the probe's."""
    measure: Measure = Measure.EFFECT


def scope_of(breaker_id: str) -> BreakerScope:
    """Return what a breaker guards.

    Raises:
        ValueError: the id is not `<scope>:<name>` with a known scope.
    """
    scope, _, name = breaker_id.partition(":")
    if not name.strip():
        raise ValueError(f"{breaker_id!r} names nothing")
    return BreakerScope(scope)


def provider_of(action_kind: str) -> str:
    """Return the provider of an action kind: its first word, for example `gke`."""
    return action_kind.partition(".")[0]


PROVIDERS = tuple(dict.fromkeys(provider_of(kind) for kind in ACTION_KINDS))
"""The providers of the catalogue."""


def agent_breaker(agent: Principal) -> str:
    """Return the id of an agent's breaker."""
    return f"{BreakerScope.AGENT}:{agent.spelled}"


def model_breaker(model: str) -> str:
    """Return the id of a model's breaker."""
    return f"{BreakerScope.MODEL}:{model}"


def provider_breaker(action_kind: str) -> str:
    """Return the id of the breaker of a kind's provider."""
    return f"{BreakerScope.PROVIDER}:{provider_of(action_kind)}"


def effect_breakers(target_key: str, action_kind: str) -> tuple[str, ...]:
    """Return the breakers that an effect counts against, in the order in which they are locked."""
    return (
        f"{BreakerScope.KIND}:{action_kind}",
        provider_breaker(action_kind),
        f"{BreakerScope.TARGET}:{target_key}",
    )


def target_of(breaker_id: str) -> NodePoolTarget | None:
    """Return the target that a `target:` breaker guards; None when the id spells none."""
    parts = breaker_id.removeprefix(f"{BreakerScope.TARGET}:").split("/")
    names = ("kind", "project", "location", "cluster", "node_pool")
    if not breaker_id.startswith(f"{BreakerScope.TARGET}:") or len(parts) != len(names):
        return None
    try:
        return NodePoolTarget.model_validate(dict(zip(names, parts, strict=True)))
    except ValueError:
        return None


def stops(breaker: Breaker, owner: str, now: datetime) -> bool:
    """Tell whether a breaker stops this proposal or request at `now`. What does not stop, probes, unless closed."""
    if breaker.state is BreakerState.CLOSED:
        return False
    if breaker.state is BreakerState.OPEN:
        return breaker.open_until is None or breaker.open_until > now or awaits_read(breaker, now)
    if breaker.probe_owner in (None, owner):
        return False
    return breaker.probe_expires_at is None or breaker.probe_expires_at > now


def awaits_read(breaker: Breaker, now: datetime) -> bool:
    """Tell whether a read must succeed before an effect may probe."""
    return breaker.read_first_until is not None and breaker.read_first_until > now


def is_cool(breaker: Breaker, now: datetime) -> bool:
    """Tell whether an open breaker's time is over, and nobody was told yet."""
    is_over = breaker.open_until is not None and breaker.open_until <= now
    return breaker.state is BreakerState.OPEN and is_over and breaker.ready_at is None


def is_due_for_read(breaker: Breaker, now: datetime) -> bool:
    """Tell whether the read that comes before the probe is due."""
    return is_cool(breaker, now) and awaits_read(breaker, now)


def made_ready(breaker: Breaker, now: datetime) -> Breaker:
    """Return an open breaker whose probe may go: its time is over, and its read succeeded or is not asked for."""
    return breaker.model_copy(update={"ready_at": now, "read_first_until": None})


def probed_by(breaker: Breaker, owner: str, now: datetime) -> Breaker:
    """Return the breaker half-open, with its one probe given to `owner`. The caller found that it does not stop it."""
    changes = {
        "state": BreakerState.HALF_OPEN,
        "probe_owner": owner,
        "probe_expires_at": now + PROBE_LASTS,
    }
    return breaker.model_copy(update=changes)


def given_back(breaker: Breaker) -> Breaker:
    """Return a half-open breaker whose probe came to nothing: the next one may go at once."""
    changes = {"state": BreakerState.OPEN, "probe_owner": None, "probe_expires_at": None}
    return breaker.model_copy(update=changes)


def closed(breaker: Breaker) -> Breaker:
    """Return the breaker closed, with nothing counted."""
    return Breaker(id=breaker.id, state=BreakerState.CLOSED, last_reason_code=breaker.last_reason_code)


def opened_by_hand(breaker: Breaker, now: datetime, lasts: timedelta | None) -> Breaker:
    """Return the breaker opened by a person; without `lasts` until a person closes it."""
    return _open(breaker, Rule.OPERATOR, now, lasts, "opened_by_operator")


def after_success(breaker: Breaker, owner: str | None) -> Breaker:
    """Return the breaker after a success. Only its probe closes an open one: what began before proves nothing."""
    if breaker.state is BreakerState.CLOSED or _is_probe(breaker, owner):
        return closed(breaker)
    return breaker


def after_failure(
    breaker: Breaker, outcome: Outcome, tally: Tally, limits: BreakerLimits, now: datetime, draw: float
) -> Breaker:
    """Return the breaker after a failure. `draw` is the jitter's share, 0 to 1.

    A closed one opens when any rule says so; a half-open one when its probe failed; an open one stays as it is.
    """
    changes = {
        "consecutive_failures": breaker.consecutive_failures + 1,
        "last_reason_code": outcome.reason_code,
    }
    counted = breaker.model_copy(update=changes)
    rule: Rule | None = None
    if breaker.state is BreakerState.CLOSED:
        rule = opening_rule(counted, outcome.measure, tally, limits)
    elif _is_probe(breaker, outcome.owner):
        rule = Rule.PROBE
    if rule is None:
        return counted
    return _reopened(counted, rule, limits, now, draw, outcome.reason_code)


def after_failed_read(
    breaker: Breaker, limits: BreakerLimits, now: datetime, draw: float, reason_code: str
) -> Breaker:
    """Return an open breaker whose read failed: it stays open for its next, longer time."""
    return _reopened(breaker, Rule.READ, limits, now, draw, reason_code)


def opening_rule(breaker: Breaker, measure: Measure, tally: Tally, limits: BreakerLimits) -> Rule | None:
    """Return the first rule that opens a closed breaker whose newest failure is counted, or None."""
    if scope_of(breaker.id) is BreakerScope.AGENT:
        return _agent_rule(measure, tally, limits)
    if breaker.consecutive_failures >= limits.failures:
        return Rule.FAILURES
    if tally.failures >= limits.failures_in_window:
        return Rule.FAILURES_IN_WINDOW
    enough = tally.outcomes >= limits.least_outcomes
    return Rule.FAILURE_RATE if enough and tally.rate >= limits.failure_rate else None


def _agent_rule(measure: Measure, tally: Tally, limits: BreakerLimits) -> Rule | None:
    if tally.outcomes < limits.agent.least_outcomes:
        return None
    if measure is Measure.REVIEW:
        return Rule.OVERRIDE_RATE if tally.rate >= limits.agent.override_rate else None
    return Rule.ROLLBACK_RATE if tally.rate >= limits.agent.rollback_rate else None


def cooldown(limits: BreakerLimits, openings: int, draw: float) -> timedelta:
    """Return how long the nth opening in a row lasts: doubled each time, capped, less a drawn share of it."""
    doubled = limits.cooldown.total_seconds() * 2.0 ** min(max(openings, 1) - 1, 64)
    base = min(doubled, limits.longest_cooldown.total_seconds())
    return timedelta(seconds=base * (1 - limits.jitter * min(max(draw, 0.0), 1.0)))


def _reopened(
    breaker: Breaker, rule: Rule, limits: BreakerLimits, now: datetime, draw: float, reason_code: str
) -> Breaker:
    openings = breaker.openings + 1
    counted = breaker.model_copy(update={"openings": openings})
    return _open(counted, rule, now, cooldown(limits, openings, draw), reason_code)


def _open(breaker: Breaker, rule: Rule, now: datetime, lasts: timedelta | None, reason_code: str) -> Breaker:
    until = None if lasts is None else now + lasts
    reads = until is not None and scope_of(breaker.id).is_read_first
    changes = {
        "state": BreakerState.OPEN,
        "opened_at": now,
        "open_until": until,
        "rule": rule.value,
        "read_first_until": until + READ_WITHIN if until is not None and reads else None,
        "ready_at": None,
        "probe_owner": None,
        "probe_expires_at": None,
        "last_reason_code": reason_code,
    }
    return breaker.model_copy(update=changes)


def _is_probe(breaker: Breaker, owner: str | None) -> bool:
    return breaker.state is BreakerState.HALF_OPEN and owner in (None, breaker.probe_owner)
