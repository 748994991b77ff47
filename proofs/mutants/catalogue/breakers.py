"""Guard mutants of the circuit breakers."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_ADMIT = "tests/activities/guardrail/test_breakers_of_passes.py"

DECISION = Group(
    "guardrails/circuit_breaker/decision.py",
    Promise.BREAKER,
    ("tests/guardrails/circuit_breaker/test_decision.py",),
    {
        "breaker-stops-nothing": Change("if stops(breaker, facts.draft.id, facts.now)]", "if False]"),
        "breaker-that-outlasts-does-not-deny": Change(
            "if worst.state is BreakerState.OPEN and outlasts:", "if False:"
        ),
        "breaker-does-not-hold-the-effect": Change("if not facts.admitting:", "if True:"),
        "breaker-of-an-agent-asks-nobody": Change("    if agents:", "    if False:"),
        "breaker-shortest-is-named": Change(
            "    return max(\n        stopping,", "    return min(\n        stopping,"
        ),
    },
)
MACHINE = Group(
    "contracts/circuit_breaker.py",
    Promise.BREAKER,
    ("tests/contracts/test_circuit_breaker.py",),
    {
        "breaker-opened-by-hand-lets-through": Change(
            "return breaker.open_until is None or breaker.open_until > now or awaits_read(breaker, now)",
            "return breaker.open_until is not None and (breaker.open_until > now or awaits_read(breaker, now))",
        ),
        "breaker-probes-before-its-time": Change(
            "breaker.open_until > now or awaits_read(breaker, now)", "awaits_read(breaker, now)"
        ),
        "breaker-probes-before-the-read": Change(" or awaits_read(breaker, now)\n", "\n"),
        "breaker-lets-two-probe": Change("if breaker.probe_owner in (None, owner):", "if True:"),
        "breaker-probe-lasts-for-ever": Change(
            "return breaker.probe_expires_at is None or breaker.probe_expires_at > now", "return True"
        ),
        "breaker-any-success-closes": Change(
            "if breaker.state is BreakerState.CLOSED or _is_probe(breaker, owner):", "if True:"
        ),
        "breaker-anybody-is-the-probe": Change(
            "return breaker.state is BreakerState.HALF_OPEN and owner in (None, breaker.probe_owner)",
            "return breaker.state is BreakerState.HALF_OPEN",
        ),
        "breaker-failed-probe-changes-nothing": Change(
            "    elif _is_probe(breaker, outcome.owner):", "    elif False:"
        ),
        "breaker-one-more-failure-passes": Change(
            "if breaker.consecutive_failures >= limits.failures:",
            "if breaker.consecutive_failures > limits.failures:",
        ),
        "breaker-does-not-count-in-its-window": Change(
            "if tally.failures >= limits.failures_in_window:", "if False:"
        ),
        "breaker-has-no-failure-rate": Change(
            "enough = tally.outcomes >= limits.least_outcomes", "enough = False"
        ),
        "breaker-opens-by-one-of-one": Change(
            "enough = tally.outcomes >= limits.least_outcomes", "enough = True"
        ),
        "breaker-overrides-are-no-matter": Change(
            "return Rule.OVERRIDE_RATE if tally.rate >= limits.agent.override_rate else None", "return None"
        ),
        "breaker-rollbacks-are-no-matter": Change(
            "return Rule.ROLLBACK_RATE if tally.rate >= limits.agent.rollback_rate else None", "return None"
        ),
        "breaker-cooldown-never-grows": Change("* 2.0 ** min(", "* 1.0 ** min("),
        "breaker-cooldown-has-no-cap": Change(
            "base = min(doubled, limits.longest_cooldown.total_seconds())", "base = doubled"
        ),
        "breaker-failed-read-lets-probe": Change(
            "return _reopened(breaker, Rule.READ, limits, now, draw, reason_code)", "return breaker"
        ),
        "breaker-needs-no-read": Change(
            '"read_first_until": until + READ_WITHIN if until is not None and reads else None,',
            '"read_first_until": None,',
        ),
    },
)
STORED = Group(
    "adapters/store/breakers.py",
    Promise.BREAKER,
    ("tests/adapters/store/test_breakers.py",),
    {
        "breaker-window-never-ends": Change("        breaker_outcomes.c.at > now - window,\n", ""),
        "breaker-remembers-after-closing": Change("        await _forget(connection, after.id)\n", ""),
        "breaker-agents-proposal-counts-twice": Change(
            "func.count(breaker_outcomes.c.subject.distinct()) if is_agent else func.count()", "func.count()"
        ),
        "breaker-read-of-before-counts": Change(
            "if not found or found[0].opened_at != read.opened_at or not circuit_breaker.is_cool(found[0], now):",
            "if not found:",
        ),
        "breaker-that-is-due-is-passed-on-to-nobody": Change(
            'return not circuit_breaker.stops(found, "", now)',
            "return False",
            (
                f"{_ADMIT}::test_whoever_is_held_by_something_else_when_it_might_probe_leaves_that_to_the_next",
            ),
        ),
        "breaker-that-is-probed-is-passed-on": Change(
            'return not circuit_breaker.stops(found, "", now)',
            "return True",
            (f"{_ADMIT}::test_nobody_is_woken_for_a_breaker_that_somebody_probes",),
        ),
        "breaker-opens-in-silence": Change("if _opens(before, after):", "if False:"),
        "breaker-probe-goes-without-its-read": Change(
            "if read is None and circuit_breaker.awaits_read(breaker, now):", "if False:"
        ),
        "breaker-rows-are-not-locked": Change(
            "select(breakers).where(breakers.c.id.in_(list(ids))).order_by(breakers.c.id).with_for_update()",
            "select(breakers).where(breakers.c.id.in_(list(ids))).order_by(breakers.c.id)",
        ),
    },
)
PROBING = Group(
    "activities/guardrail/settling.py",
    Promise.BREAKER,
    (_ADMIT,),
    {
        "breaker-probe-is-not-taken": Change(
            "if is_due_for_probe(breaker, facts):",
            "if False:",
            (f"{_ADMIT}::test_when_a_breaker_is_due_exactly_one_proposal_probes_it",),
        ),
        "breaker-probe-is-not-given-back": Change(
            "if any(breaker.probe_owner == facts.draft.id for breaker in facts.breakers):",
            "if False:",
            (f"{_ADMIT}::test_a_hold_gives_the_probe_to_the_next",),
        ),
    },
)
TURNS = Group(
    "adapters/store/proposals.py",
    Promise.BREAKER,
    ("tests/activities/guardrail/test_recovering.py",),
    {
        "breaker-turns-count-what-came-before-it": Change("max(began, stopped_since or began)", "began"),
        "breaker-lets-all-go-at-once": Change("min(SLOWER * gathered, TURNS_WITHIN)", "0 * gathered"),
    },
)
OPENINGS = Group(
    "adapters/store/breaker_openings.py",
    Promise.BREAKER,
    ("tests/activities/guardrail/test_recovering.py",),
    {"breaker-turns-count-from-its-last-opening": Change("if row is None:", "if True:")},
)

_RETRIES = ("tests/agents/planners/test_retries.py",)
BUDGET = Group(
    "agents/planners/retries.py",
    Promise.BREAKER,
    _RETRIES,
    {
        "retries-of-the-model-have-no-end": Change("if self._tokens < PER_RETRY:", "if False:"),
        "retries-are-taken-from-nothing": Change("        self._tokens -= PER_RETRY\n", ""),
        "retry-that-helped-is-spent": Change("(PER_RETRY if retried else PER_ANSWER)", "PER_ANSWER"),
        "answer-earns-a-whole-retry": Change("(PER_RETRY if retried else PER_ANSWER)", "PER_RETRY"),
        "answers-earn-retries-without-end": Change(
            "min(MOST_TOKENS, self._tokens + (PER_RETRY if retried else PER_ANSWER))",
            "self._tokens + (PER_RETRY if retried else PER_ANSWER)",
        ),
    },
)
PLANNER = Group(
    "agents/planners/openai.py",
    Promise.BREAKER,
    _RETRIES,
    {
        "retries-are-not-paid-for": Change(" or not self._retries.take()", ""),
        "answers-earn-no-retry": Change("        self._retries.answered(retried=_attempt() > 1)\n", ""),
        "attempts-are-not-counted": Change(
            "_attempt() >= MODEL_ATTEMPTS or not self._retries.take()", "not self._retries.take()"
        ),
    },
)

GROUPS = (DECISION, MACHINE, STORED, PROBING, TURNS, OPENINGS, BUDGET, PLANNER)
