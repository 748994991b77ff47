"""Guard mutants of what the verdicts come to together, and of break-glass."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_EVALUATE = ("tests/guardrails/test_evaluate.py",)
_BREAK_GLASS = ("tests/guardrails/test_break_glass.py", "tests/guardrails/test_extension.py")
_GRANTS = ("tests/adapters/store/test_break_glass.py",)
_CHECK = "tests/activities/guardrail/test_check_proposal.py"
_ADMIT = "tests/activities/guardrail/test_admit_proposal.py"
_LINE = "tests/activities/guardrail/test_one_at_a_time.py"

EVALUATE = Group(
    "guardrails/evaluate.py",
    Promise.FAIL_CLOSED,
    _EVALUATE,
    {
        "evaluate-failure-allows": Change(
            'return Answers(name).deny("ran", "guardrail_error", message, {"cause": cause})',
            'return Answers(name).allow("ran", message, {"cause": cause})',
        ),
        "evaluate-unsound-verdict-counts": Change("if not is_sound(verdict, name):", "if False:"),
        "evaluate-missing-guardrail-is-no-matter": Change(
            "for name in sorted(REQUIRED.union(facts.required_guardrails) - present)", "for name in ()"
        ),
        "evaluate-missing-extension-is-no-matter": Change(
            "REQUIRED.union(facts.required_guardrails)",
            "REQUIRED",
            ("tests/guardrails/test_extension.py",),
        ),
        "evaluate-silence-allows": Change("if not said or Outcome.DENY in said:", "if Outcome.DENY in said:"),
        "evaluate-denial-is-outvoted": Change("if not said or Outcome.DENY in said:", "if not said:"),
        "evaluate-hold-is-outvoted": Change("if Outcome.HOLD in said:", "if False:"),
        "evaluate-people-are-not-asked": Change(
            "if requirement is not None and not is_met(requirement, approvers):", "if False:"
        ),
        "evaluate-lowest-quorum-counts": Change("quorum=max(one.quorum", "quorum=min(one.quorum"),
        "evaluate-only-the-first-names-roles": Change(
            "roles=tuple(dict.fromkeys(role for one in given for role in one.roles)),",
            "roles=given[0].roles,",
        ),
        "evaluate-groups-are-forgotten": Change(
            "        groups=tuple(dict.fromkeys(group for one in given for group in one.groups)),\n", ""
        ),
        "evaluate-owners-are-forgotten": Change(
            "        excluded=tuple(dict.fromkeys(name for one in given for name in one.excluded)),\n", ""
        ),
        "evaluate-longest-time-counts": Change(
            "return min((one for one in times if one is not None), default=None)",
            "return max((one for one in times if one is not None), default=None)",
        ),
        "evaluate-owners-are-not-excluded": Change(
            "if verdict.requirement is None or not owners:", "if True:"
        ),
        "evaluate-asking-nobody-is-sound": Change("return wants_people == asks_people and ", "return "),
        "evaluate-hold-on-nothing-is-sound": Change(
            " and (verdict.outcome is Outcome.HOLD) == (verdict.held_on is not None)", ""
        ),
        "evaluate-answer-in-anothers-name-is-sound": Change(" or verdict.guardrail != name", ""),
        "evaluate-claims-break-glass-itself": Change(" or BYPASS_FACT in verdict.facts", ""),
    },
)
SETTLING = Group(
    "activities/guardrail/settling.py",
    Promise.FAIL_CLOSED,
    (_ADMIT,),
    {
        "pass-dry-run-goes-on": Change(
            "    if facts.draft.dry_run:\n",
            "    if False:\n",
            (f"{_CHECK}::test_a_dry_run_is_judged_and_closed_with_nothing_reserved",),
        ),
        "pass-without-approvals-is-admitted": Change(
            "if evaluation.outcome is Outcome.ALLOW or evaluation.requirement is None:",
            "if facts.admitting or evaluation.outcome is Outcome.ALLOW:",
            (f"{_ADMIT}::test_without_enough_approvals_nothing_is_admitted",),
        ),
        "pass-asks-people-after-their-time": Change(
            "    if facts.now >= facts.draft.decide_by:\n",
            "    if False:\n",
            (f"{_ADMIT}::test_more_people_asked_for_after_their_time_is_over_means_expiry",),
        ),
        "pass-late-start-is-no-matter": Change(
            "    if now >= row.execute_by:\n",
            "    if False:\n",
            (f"{_ADMIT}::test_past_its_last_moment_it_expires_and_gives_its_budget_back",),
        ),
        "pass-late-decision-is-no-matter": Change(
            "if not admitting and now >= row.decide_by:",
            "if False:",
            (f"{_CHECK}::test_a_proposal_past_its_time_to_decide_is_expired",),
        ),
        "pass-rules-extend-the-time-to-decide": Change(
            "decide_by = min(decide_by, now + requirement.decide_within)",
            "decide_by = now + requirement.decide_within",
            ("tests/activities/guardrail/test_shortened.py",),
        ),
        "pass-rules-extend-the-time-to-execute": Change(
            "execute_by = min(execute_by, decide_by + requirement.execute_within)",
            "execute_by = decide_by + requirement.execute_within",
            ("tests/activities/guardrail/test_shortened.py",),
        ),
        "pass-hold-keeps-the-lease": Change(
            "    if facts.lease_owner == facts.draft.id:\n        await leases",
            "    if False:\n        await leases",
            (f"{_LINE}::test_a_hold_gives_the_lease_back_and_keeps_the_reservation",),
        ),
    },
)
PASSES = Group(
    "activities/guardrail/activities.py",
    Promise.FAIL_CLOSED,
    (_CHECK,),
    {
        "pass-of-another-revision-judges": Change(
            "return bool(row.state == wanted.value and row.revision == given.revision)",
            "return bool(row.state == wanted.value)",
            (f"{_CHECK}::test_a_pass_of_another_revision_judges_nothing",),
        ),
        "pass-judges-what-is-closed": Change(
            "return bool(row.state == wanted.value and row.revision == given.revision)",
            "return bool(row.revision == given.revision)",
            (f"{_CHECK}::test_a_cancel_during_the_pass_wins",),
        ),
    },
)
REPEATED = Group(
    "activities/guardrail/activities.py",
    Promise.ONE_OUTCOME,
    (_CHECK,),
    {
        "pass-that-is-stored-runs-again": Change(
            "if loaded.stored is not None:",
            "if False:",
            (f"{_CHECK}::test_a_rerun_returns_what_was_stored_and_writes_nothing",),
        ),
        "pass-that-another-run-stored-is-told-otherwise": Change(
            "return stored or _as_it_stands(locked.row)",
            "return _as_it_stands(locked.row)",
            (f"{_CHECK}::test_a_run_that_another_overtakes_answers_what_that_one_stored",),
        ),
    },
)

OPENED = Group(
    "guardrails/break_glass.py",
    Promise.BREAK_GLASS,
    _BREAK_GLASS,
    {
        "glass-opens-any-reason": Change(
            "if verdict.reason_code in codes else verdict", "if codes else verdict"
        ),
        "glass-opens-what-a-guardrail-of-ones-own-keeps-shut": Change(
            "else declared\n", "else frozenset({verdict.reason_code})\n"
        ),
        "glass-opens-a-hard-cap": Change(
            "_ONLY_ASKS = frozenset({BypassableGate.BUDGET})", "_ONLY_ASKS = frozenset[BypassableGate]()"
        ),
        "glass-opens-what-nobody-declared": Change("        and gate in declared.gates\n", ""),
        "glass-opens-every-gate": Change("        and gate in grant.gates\n", ""),
        "glass-opens-after-its-time": Change("        and grant.counts_at(facts.now)\n", ""),
        "glass-opens-everywhere": Change("and grant.scope.covers(", "and dict("),
        "glass-needs-no-declaration": Change(
            "        declared is not None\n        and gate in declared.gates\n", "        gate\n"
        ),
        "glass-raises-the-quorum": Change("not 0 < floor < asked.quorum", "not 0 < floor"),
    },
)
GRANTS = Group(
    "contracts/break_glass.py",
    Promise.BREAK_GLASS,
    _GRANTS,
    {
        "glass-one-person-confirms-their-own": Change(
            "return SAME_PERSON if second.same_as(grant.opened_by) else None", "return None"
        ),
        "glass-machine-confirms": Change("if second.kind is not PrincipalKind.HUMAN:", "if False:"),
        "glass-late-confirmation-counts": Change(" or now >= grant.confirm_by:", ":"),
        "glass-is-confirmed-again": Change(
            "if grant.status is not BreakGlassStatus.AWAITING_SECOND or", "if"
        ),
        "glass-who-took-part-reviews": Change(
            "return SAME_PERSON if any(one is not None and reviewer.same_as(one) for one in took_part) else None",
            "return None",
        ),
        "glass-machine-reviews": Change("if reviewer.kind is not PrincipalKind.HUMAN:", "if False:"),
        "glass-is-reviewed-while-it-lasts": Change(
            "if grant.status is not BreakGlassStatus.REVIEW_OPEN:", "if False:"
        ),
        "glass-active-by-one-person": Change(
            " or self.confirmed_by.same_as(self.opened_by)\n", "\n", _BREAK_GLASS
        ),
        "glass-never-expires": Change(" and now < self.expires_at\n", "\n", _GRANTS),
    },
)
KEPT = Group(
    "adapters/store/break_glass.py",
    Promise.BREAK_GLASS,
    _GRANTS,
    {
        "glass-of-another-tenant-is-found": Change(
            "where(break_glass.c.id == grant_id, break_glass.c.tenant == tenant)",
            "where(break_glass.c.id == grant_id)",
        ),
        "glass-that-nobody-confirms-waits-for-ever": Change(".where(waiting | active)", ".where(active)"),
        "glass-that-expired-is-reviewed-by-nobody": Change(".where(waiting | active)", ".where(waiting)"),
        "glass-that-nobody-confirmed-is-reviewed": Change(
            "if grant.status is _S.AWAITING_SECOND:", "if False:"
        ),
        "glass-that-expired-is-counted-as-active": Change(
            "break_glass.c.status == _S.ACTIVE.value, break_glass.c.expires_at > func.clock_timestamp()",
            "break_glass.c.status == _S.ACTIVE.value",
        ),
        "glass-wakes-nothing": Change("    await _wake_covered(connection, active)\n", ""),
        "glass-wakes-what-a-halt-holds": Change('not (row.held_on or "").startswith(HALT) and ', ""),
        "glass-wakes-what-it-does-not-cover": Change(" and halts.covers(grant.scope, row)", ""),
        "glass-is-not-audited": Change("    await audit_log.append(connection, event)\n", ""),
        "glass-is-told-to-nobody": Change(
            "    await outbox.put(connection, OutboxKind.NOTIFY, grant.id, told)\n", ""
        ),
    },
)

GROUPS = (EVALUATE, SETTLING, PASSES, REPEATED, OPENED, GRANTS, KEPT)
