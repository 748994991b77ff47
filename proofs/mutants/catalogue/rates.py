"""Guard mutants of execution budgets, rests, storms, oscillation and circles."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_DECISION = ("tests/guardrails/rate/test_decision.py",)
_DIRECTION = ("tests/guardrails/rate/test_direction.py",)
_STORM = ("tests/guardrails/rate/test_storm.py",)
_RATES = "tests/activities/guardrail/test_rates.py"
_MACHINE = ("tests/activities/guardrail/test_rate_machine.py",)

RATE = Group(
    "guardrails/rate/decision.py",
    Promise.RATE,
    _DECISION,
    {
        "rate-missing-budget-is-full": Change("if not _is_whole(facts):", "if False:"),
        "rate-agents-need-no-budget": Change("needed.add(RateScope.AGENT)", "needed.add(RateScope.FLEET)"),
        "rate-storm-passes": Change("storm = storm_in(facts)", "storm = None", _STORM),
        "rate-repeats-pass": Change(
            "if facts.agent is not None and facts.repeats >= limit.proposals:", "if False:", _STORM
        ),
        "rate-one-more-repeat-passes": Change(
            "facts.repeats >= limit.proposals:", "facts.repeats > limit.proposals:", _STORM
        ),
        "rate-capacity-on-its-way-is-forgotten": Change(
            "if not nodes or not grows or is_named_by_person(facts.draft):", "if True:", _DIRECTION
        ),
        "rate-capacity-not-yet-running-is-forgotten": Change(
            "return max(missing, sum(one.nodes for one in facts.arriving))",
            "return sum(one.nodes for one in facts.arriving)",
            _DIRECTION,
        ),
        "rate-capacity-accepted-is-forgotten": Change(
            "return max(missing, sum(one.nodes for one in facts.arriving))", "return missing", _DIRECTION
        ),
        "rate-growth-nobody-knows-is-none": Change(
            "grows = direction is None or direction > 0",
            "grows = direction is not None and direction > 0",
            _DIRECTION,
        ),
        "rate-waits-for-ever": Change(
            "return wait.until is None or wait.until > facts.draft.execute_by", "return False"
        ),
        "rate-shortest-wait-counts": Change("return max(waits, key=", "return min(waits, key="),
        "rate-waits-do-not-hold": Change("if waits and (facts.admitting or ", "if waits and (False or "),
        "rate-oscillation-passes": Change("if oscillates(facts, direction):", "if False:", _DIRECTION),
    },
)
WAITS = Group(
    "guardrails/rate/waits.py",
    Promise.RATE,
    _DECISION,
    {
        "rate-empty-bucket-passes": Change("if turn is not None and turn <= facts.now:", "if facts.now:"),
        "rate-token-is-taken-from-who-waits": Change("turn_of(rate.ahead + 1,", "turn_of(1,"),
        "rate-no-cooldown": Change("found += [_for_rest(facts), _for_reversal", "found += [_for_reversal"),
        "rate-no-rest-before-turning": Change(", _for_reversal(facts, direction)]", "]", _DIRECTION),
        "rate-anybody-undoes-without-a-rest": Change(
            "if facts.draft.undoes is not None and is_named_by_person(facts.draft):",
            "if facts.draft.undoes is not None:",
            _DIRECTION,
        ),
        "rate-unknown-direction-is-no-turn": Change(
            "direction not in (None, -last.direction)", "direction != -last.direction", _DIRECTION
        ),
    },
)
BUCKET = Group(
    "guardrails/rate/bucket.py",
    Promise.RATE,
    ("tests/guardrails/rate/test_bucket.py",),
    {
        "bucket-clock-that-goes-back-brings-tokens": Change(
            "passed = max((now - self.as_of) // _MICROSECOND, 0)",
            "passed = abs((now - self.as_of) // _MICROSECOND)",
        ),
        "bucket-fills-above-its-capacity": Change(
            "return max(self.deficit - passed * limit.per_hour, 0)",
            "return self.deficit - passed * limit.per_hour",
        ),
        "bucket-gives-for-nothing": Change(
            "return Bucket(self.deficit_at(now, limit) + TOKEN, since)",
            "return Bucket(self.deficit_at(now, limit), since)",
        ),
        "bucket-time-counts-twice": Change(
            "since = max(now, self.as_of or now)\n        return Bucket", "since = now\n        return Bucket"
        ),
        "bucket-without-room-gives": Change("if limit.capacity == 0:", "if False:"),
        "bucket-rounds-in-favour": Change(
            "microseconds=-(-lacking // limit.per_hour)", "microseconds=lacking // limit.per_hour"
        ),
    },
)
OSCILLATION = Group(
    "guardrails/rate/oscillation.py",
    Promise.RATE,
    _DIRECTION,
    {
        "oscillation-one-more-turn-passes": Change(
            "return turns + 1 >= limit.turns", "return turns + 1 > limit.turns"
        ),
        "oscillation-never-forgets": Change(
            "if change.direction and change.at > since]", "if change.direction]"
        ),
        "oscillation-unknown-direction-is-no-turn": Change("direction == 0 or", "not direction or"),
    },
)
STORM = Group(
    "guardrails/rate/storm.py",
    Promise.RATE,
    _STORM,
    {
        "storm-one-more-proposal-passes": Change(
            "if proposals > storm.proposals:", "if proposals > storm.proposals + 1:"
        ),
        "storm-own-change-is-not-counted": Change("this_one = 1 if", "this_one = 0 if"),
        "storm-of-an-agent-halts-everybody": Change("if name is not None:", "if False:"),
        "storm-halts-again-and-again": Change(
            "if not found or any(halt.scope == found.scope for halt in facts.halts):", "if not found:"
        ),
    },
)
PERSON = Group(
    "guardrails/rate/direction.py",
    Promise.RATE,
    _DIRECTION,
    {
        "rate-alert-counts-as-a-person": Change("        and draft.channel not in _BY_MACHINES\n", ""),
        "rate-model-counts-as-a-person": Change(
            "        and draft.planner.kind is not PlannerKind.OPENAI\n", ""
        ),
        "rate-agent-counts-as-a-person": Change(
            "draft.requester.kind is PrincipalKind.HUMAN\n        and ", ""
        ),
    },
)
TAKING = Group(
    "activities/guardrail/rating.py",
    Promise.RATE,
    (_RATES,),
    {
        "rate-token-is-taken-twice": Change(
            "for one in (() if facts.is_counted else facts.rates)",
            "for one in facts.rates",
            (f"{_RATES}::test_a_token_is_taken_once_however_often_a_proposal_is_admitted",),
        ),
        "storm-is-not-halted": Change(
            "    if found is None:\n        return\n",
            "    if True:\n        return\n",
            (f"{_RATES}::test_a_storm_is_denied_and_its_agent_halted_once_until_a_person_ends_that",),
        ),
        "storm-of-dry-runs-is-halted": Change(
            "found = None if facts.draft.dry_run else _storm(evaluation)",
            "found = _storm(evaluation)",
            (f"{_RATES}::test_a_dry_run_halts_nothing",),
        ),
        "rate-who-waits-is-not-woken": Change(
            "if until is not None and (locked.row.held_on",
            "if until is None and (locked.row.held_on",
            (f"{_RATES}::test_who_is_held_is_woken_at_the_very_moment_and_once",),
        ),
    },
)
BUCKETS_STORED = Group(
    "adapters/store/rate.py",
    Promise.RATE,
    _MACHINE,
    {
        "rate-tokens-are-not-written": Change(
            "SET deficit = CAST(after.deficit AS bigint), as_of", "SET as_of"
        ),
    },
)
BUCKETS_LOCKED = Group(
    "adapters/store/guard_pass/passes.py",
    Promise.RATE,
    ("tests/adapters/store/test_guard_pass.py",),
    {
        "rate-buckets-are-not-locked": Change(
            "ON CONFLICT (key) DO UPDATE SET key = excluded.key", "ON CONFLICT (key) DO NOTHING"
        ),
        "lease-is-not-locked-by-a-pass": Change(
            "ON CONFLICT (domain) DO UPDATE SET domain = excluded.domain", "ON CONFLICT (domain) DO NOTHING"
        ),
        "breakers-are-not-locked-by-a-pass": Change("ORDER BY b.id FOR UPDATE", "ORDER BY b.id"),
    },
)

GROUPS = (RATE, WAITS, BUCKET, OSCILLATION, STORM, PERSON, TAKING, BUCKETS_STORED, BUCKETS_LOCKED)
