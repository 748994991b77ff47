"""Guard mutants of scope, halts, change windows, policy and blast radius."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_SAFETY = ("tests/contracts/test_safety.py",)
_ADMIT = "tests/activities/guardrail/test_one_at_a_time.py"
_ADMISSION = "tests/activities/execution/test_admission_halts.py"
_WINDOWS = ("tests/guardrails/change_window/test_decision.py",)
_CLOSED_GATES = "tests/activities/guardrail/test_closed_gates.py"
_ENGINE = tuple(
    f"tests/adapters/opa/test_engine.py::test_{name}"
    for name in (
        "the_question_is_strict_about_errors_of_built_in_functions",
        "whatever_is_not_a_whole_answer_is_none",
        "only_status_200_is_an_answer",
        "an_answer_without_end_is_none_however_whole",
        "requiring_no_policy_is_refused",
    )
)

SCOPE = Group(
    "guardrails/scope/decision.py",
    Promise.SCOPE,
    ("tests/guardrails/scope/test_decision.py",),
    {
        "scope-unregistered-target-passes": Change(
            "    if facts.target is None:\n        return _ANSWER.deny(",
            "    if facts.target is None:\n        return None\n        return _ANSWER.deny(",
        ),
        "scope-moved-target-passes": Change(
            "if registered != proposed or facts.environment is None:", "if facts.environment is None:"
        ),
        "scope-undeclared-environment-passes": Change(
            "if registered != proposed or facts.environment is None:", "if registered != proposed:"
        ),
        "scope-other-mode-passes": Change("if facts.draft.mode == facts.mode:", "if facts.mode:"),
        "scope-bound-is-off-by-one": Change("if wanted <= limit:", "if wanted <= limit + 1:"),
        "scope-unobserved-target-passes": Change(
            "    if facts.observation is None:\n        code =",
            "    if facts.observation is None:\n        return None\n        code =",
        ),
        "scope-pool-without-zones-passes": Change(
            "if not facts.observation.zones:\n        return _A", "if False:\n        return _A"
        ),
        "scope-autoscaled-pool-is-resized": Change(
            "        if bounds is None:\n            return None", "        if True:\n            return None"
        ),
        "scope-pool-wide-bounds-pass": Change("if bounds.is_pool_wide:", "if False:"),
        "scope-pool-with-errors-needs-nobody": Change(
            "if status == _WITH_ERRORS:", "if status == _WITH_ERRORS:\n        return None\n    if False:"
        ),
        "scope-stopped-pool-passes": Change(
            '    return _ANSWER.deny("pool_status", "pool_is_not_running"',
            '    return None\n    return _ANSWER.deny("pool_status", "pool_is_not_running"',
        ),
        "scope-busy-cluster-passes": Change("if facts.lease_owner is not None:", "if False:"),
        "scope-newcomer-overtakes": Change(
            "if facts.ahead:",
            "if False:",
            (f"{_ADMIT}::test_a_newcomer_does_not_overtake_who_waits_already",),
        ),
        "scope-agents-need-nobody": Change(
            "if any(author.kind is not PrincipalKind.AGENT for author in facts.draft.authors):",
            "if facts.draft.authors:",
        ),
        "scope-mildest-rule-wins": Change("return max(found, key=", "return min(found, key="),
    },
)

HALT = Group(
    "guardrails/halt/decision.py",
    Promise.HALT,
    ("tests/guardrails/halt/test_decision.py",),
    {
        "halt-stops-nothing": Change("if covering is None:", "if facts.mode:"),
        "halt-before-the-effect-denies": Change("if facts.admitting:", "if not facts.admitting:"),
    },
)
HALT_SCOPE = Group(
    "contracts/safety.py",
    Promise.HALT,
    _SAFETY,
    {
        "halt-of-nothing-said-covers-all": Change(
            "if self.everything == any(value is not None for value in named):",
            "if self.everything and any(value is not None for value in named):",
        ),
        "halt-of-a-tenant-covers-nothing": Change("self.tenant in (None, tenant)", "self.tenant is None"),
        "halt-of-an-environment-covers-nothing": Change(
            "and self.environment in (None, environment)", "and self.environment is None"
        ),
        "halt-of-a-kind-covers-nothing": Change(
            "and self.action_kind in (None, action_kind)", "and self.action_kind is None"
        ),
        "halt-of-a-prefix-covers-one-target": Change(
            'return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern',
            "return key == pattern",
        ),
        "halt-of-an-agent-covers-nothing": Change(
            "(self.agent is None or any(_is_agent(self.agent, author) for author in authors))",
            "self.agent is None",
        ),
        "halt-of-an-agent-covers-its-first-proposals-only": Change(
            "any(_is_agent(self.agent, author) for author in authors)",
            "all(_is_agent(self.agent, author) for author in authors)",
        ),
    },
)
HALTS_STORED = Group(
    "adapters/store/halts.py",
    Promise.HALT,
    ("tests/adapters/store/test_halts.py",),
    {
        "halt-intents-do-not-lock-it-out": Change(
            "pg_advisory_xact_lock_shared({HALT_LOCK:d})", "now() AS unlocked"
        ),
        "halt-does-not-wait-for-intents": Change(
            "select(func.pg_advisory_xact_lock(HALT_LOCK))", "select(func.now())"
        ),
        "halt-drains-nothing": Change(
            "if any(covers(halt.scope, effect) for effect in in_flight):", "if False:"
        ),
        "halt-drains-past-calls-only": Change(
            "intents.c.call_deadline > func.clock_timestamp()",
            "intents.c.call_deadline < func.clock_timestamp()",
        ),
        "halt-that-drains-stops-nothing-yet": Change(
            "select(halts).where(halts.c.status != HaltStatus.ENDED.value)",
            "select(halts).where(halts.c.status == HaltStatus.EFFECTIVE.value)",
        ),
        "halt-end-wakes-nobody": Change(
            "    await wake_released(connection)\n    return halt\n", "    return halt\n"
        ),
        "halt-end-misses-what-a-pass-holds-after-it": Change(
            "    await settle(connection)\n    await wake_released(connection)\n",
            "    await settle(connection)\n",
        ),
        "halt-end-wakes-again-and-again": Change(" AND held_until IS NULL", ""),
        "halt-end-wakes-what-another-halt-holds": Change(" AND h.status = 'ended'", ""),
    },
)
HALTS_IN_A_PASS = Group(
    "adapters/store/guard_pass/halts.py",
    Promise.HALT,
    ("tests/activities/guardrail/test_check_proposal.py::test_an_open_halt_denies",),
    {"halt-that-drains-is-not-among-the-facts": Change("h.status <> 'ended'", "h.status = 'effective'")},
)
HALTS_AT_THE_EFFECT = Group(
    "activities/execution/admission.py",
    Promise.HALT,
    (_ADMISSION,),
    {
        "halt-between-pass-and-effect-is-not-seen": Change(
            "if halts.covering(facts.halts, row) is not None:",
            "if False:",
            (f"{_ADMISSION}::test_a_halt_between_pass_and_effect_stops_it",),
        ),
        "halt-and-intent-do-not-take-turns": Change(
            "row = await halts.lock_out(connection, work.proposal.id)\n            is_due",
            "row = await proposals.lock(connection, work.proposal.id)\n            is_due",
            (f"{_ADMISSION}::test_an_intent_waits_for_a_halt_that_is_being_written",),
        ),
        "halt-does-not-hold-the-way-back": Change(
            "if halt is not None:",
            "if False:",
            (f"{_ADMISSION}::test_a_halt_holds_the_way_back_and_pages_once",),
        ),
    },
)

WINDOW = Group(
    "guardrails/change_window/decision.py",
    Promise.WINDOW,
    _WINDOWS,
    {
        "window-unread-is-open": Change(
            'return _ANSWER.deny("open", "windows_unknown", "Nobody read the change windows; nothing is allowed.")',
            'return _ANSWER.allow("open", "No window.")',
        ),
        "window-freeze-is-ignored": Change(
            "window.kind is WindowKind.FREEZE and window.lasts", "window.kind is WindowKind.FREEZE and False"
        ),
        "window-outside-is-inside": Change(
            "if any(window.lasts for window in allows) else allows", "if allows else allows"
        ),
        "window-every-allow-window-must-last": Change(
            "if any(window.lasts for window in allows)", "if all(window.lasts for window in allows)"
        ),
        "window-one-freeze-overridden-is-all": Change(
            "names <= set(one.windows)", "names & set(one.windows)"
        ),
        "window-anybody-overrides": Change("        and roles & set(one.actor.roles)\n", ""),
        "window-author-overrides": Change(
            "        and not _has_a_hand_in(one.actor, facts)\n",
            "",
        ),
        "window-override-by-either-role": Change(
            "shared &= set(window.override_roles)", "shared = set(window.override_roles)"
        ),
        "window-too-late-still-waits": Change(
            "if given.opens_at is None or given.opens_at >= facts.draft.execute_by:",
            "if given.opens_at is None:",
        ),
        "window-closed-does-not-hold": Change(
            "    if not facts.admitting:\n        return _ANSWER.allow(rule",
            "    if True:\n        return _ANSWER.allow(rule",
        ),
    },
)

POLICY = Group(
    "guardrails/policy/decision.py",
    Promise.POLICY,
    ("tests/guardrails/policy/test_decision.py",),
    {
        "policy-without-answer-allows": Change(
            'return Answers(_NAME).deny("policy_answered", code, "The policy engine gave no answer.")',
            'return Answers(_NAME).allow("policy_answered", "No answer.")',
        ),
        "policy-unknown-level-is-ignored": Change(
            "if any(violation.level not in _LEVELS for violation in result.violations):", "if False:"
        ),
        "policy-hard-is-ignored": Change("if hard:", "if False:"),
        "policy-soft-is-ignored": Change("if soft:", "if False:"),
        "policy-lowest-quorum-counts": Change("quorum=max(violation.quorum", "quorum=min(violation.quorum"),
        "policy-roles-are-forgotten": Change("roles=_roles(soft),", "roles=_OVERRIDE[:1],"),
        "policy-groups-are-forgotten": Change("groups=_groups(soft),", ""),
    },
)
OPA = Group(
    "adapters/opa/engine.py",
    Promise.POLICY,
    _ENGINE,
    {
        "opa-missing-policy-is-no-matter": Change("if missing:", "if False:"),
        "opa-declared-policy-may-be-missing": Change(
            "self._required.union(answer.declared) - evaluated", "self._required - evaluated"
        ),
        "opa-errors-of-functions-are-undefined": Change("?strict-builtin-errors=true", ""),
        "opa-any-status-is-an-answer": Change(
            "    if response.status != 200:\n        raise PolicyUnavailable",
            "    if False:\n        raise PolicyUnavailable",
        ),
        "opa-undefined-violations-are-none": Change(
            "violations: list[_Violation]", "violations: list[_Violation] = []"
        ),
        "opa-any-level-is-one": Change('level: Literal["advisory", "soft", "hard"]', "level: str"),
        "opa-answer-has-no-bound": Change("if len(content) > _MOST_BYTES:", "if False:"),
        "opa-nothing-is-required": Change("if not self._required:", "if False:"),
    },
)

BLAST_RADIUS = Group(
    "guardrails/blast_radius/decision.py",
    Promise.BLAST_RADIUS,
    ("tests/guardrails/blast_radius/test_decision.py",),
    {
        "blast-unknown-size-passes": Change(
            'return _ANSWER.deny(\n            "known_size", "blast_radius_unknown", "Without',
            'return _ANSWER.allow(\n            "known_size", "Without',
        ),
        "blast-one-way-change-needs-nobody": Change(
            "if not change.is_reversible:\n        rules", "if False:\n        rules"
        ),
        "blast-share-is-not-limited": Change("if share > limit:", "if False:"),
        "blast-shrinking-counts-for-nothing": Change(
            "abs(change.delta) / max(", "max(change.delta, 0) / max("
        ),
    },
)

GROUPS = (
    SCOPE,
    HALT,
    HALT_SCOPE,
    HALTS_STORED,
    HALTS_IN_A_PASS,
    HALTS_AT_THE_EFFECT,
    WINDOW,
    POLICY,
    OPA,
    BLAST_RADIUS,
)
