"""Guard mutants of the one effect: the intent transaction, leases and fences, intents, and verification."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_ADMISSION = "tests/activities/execution/test_admission.py"
_HALTS = "tests/activities/execution/test_admission_halts.py"
_VOTES = "tests/activities/execution/test_admission_votes.py"
_LEASES = ("tests/adapters/store/test_leases.py",)
_INTENTS = ("tests/adapters/store/test_intents.py",)

ADMISSION = Group(
    "activities/execution/admission.py",
    Promise.ONE_EFFECT,
    (_ADMISSION,),
    {
        "effect-after-its-last-moment": Change(
            "if facts.now >= proposal.execute_by:",
            "if False:",
            (f"{_ADMISSION}::test_after_execute_by_nothing_starts",),
        ),
        "effect-of-a-dry-run": Change(
            "if proposal.dry_run:",
            "if False:",
            (f"{_ADMISSION}::test_what_was_not_proposed_for_this_provider_is_denied",),
        ),
        "effect-in-another-mode": Change(
            "if proposal.mode != self._mode:",
            "if False:",
            (f"{_ADMISSION}::test_what_was_not_proposed_for_this_provider_is_denied",),
        ),
        "effect-of-another-revision": Change(
            "if not is_due or row.revision != work.proposal.revision:",
            "if not is_due:",
            (f"{_ADMISSION}::test_a_revision_that_was_edited_meanwhile_is_not_executed",),
        ),
        "effect-of-what-is-closed": Change(
            "if not is_due or row.revision != work.proposal.revision:",
            "if row.revision != work.proposal.revision:",
            (f"{_ADMISSION}::test_what_was_closed_since_an_attempt_looked_is_not_executed",),
        ),
        "effect-beside-another-attempt": Change(
            "if facts.is_open:",
            "if facts.is_open and work.step is not Step.FORWARD:",
            (
                f"{_ADMISSION}::test_an_attempt_that_comes_late_to_its_admission_touches_nothing_under_another_one",
            ),
        ),
        "way-back-beside-another-attempt": Change(
            "if facts.is_open:",
            "if facts.is_open and work.step is Step.FORWARD:",
            (f"{_ADMISSION}::test_a_late_attempt_at_the_way_back_touches_nothing_under_another_one",),
        ),
        "effect-by-a-superseded-pass": Change(
            "if last is None or last.number != work.pass_number:",
            "if last is None:",
            (f"{_ADMISSION}::test_a_pass_that_was_never_run_or_did_not_admit_admits_nothing",),
        ),
        "effect-by-a-pass-that-did-not-admit": Change(
            "if not last.result.admitted:",
            "if False:",
            (f"{_ADMISSION}::test_a_pass_that_was_never_run_or_did_not_admit_admits_nothing",),
        ),
        "effect-by-an-old-pass": Change(
            'return None if timedelta(0) <= age <= PASS_LASTS else "pass_too_old"',
            "return None",
            (f"{_ADMISSION}::test_a_pass_older_than_thirty_seconds_admits_nothing",),
        ),
        "effect-by-a-pass-from-before-the-clock-went-back": Change(
            "timedelta(0) <= age <= PASS_LASTS",
            "age <= PASS_LASTS",
            (f"{_ADMISSION}::test_a_pass_of_a_moment_to_come_admits_nothing_when_the_clock_has_gone_back",),
        ),
        "effect-by-a-grant-that-is-over": Change(
            "if not all(one.counts_at(facts.now) for one in facts.grants):",
            "if False:",
            (f"{_HALTS}::test_a_grant_that_is_over_lets_nothing_through_that_a_pass_let_through_by_it",),
        ),
        "effect-after-its-last-moment-once-admitted": Change(
            "begins_within = min(begins_within, work.proposal.execute_by - now)",
            "begins_within = max(begins_within, work.proposal.execute_by - now)",
            (f"{_ADMISSION}::test_an_attempt_that_was_admitted_in_time_does_not_call_after_execute_by",),
        ),
        "effect-although-a-call-may-be-in-flight": Change(
            "wait=max(0.0, wait),",
            "wait=0.0,",
            (f"{_ADMISSION}::test_a_call_that_may_still_be_in_flight_is_waited_for",),
        ),
    },
)
CALLING = Group(
    "activities/execution/activities.py",
    Promise.ONE_EFFECT,
    ("tests/activities/execution/test_crashes.py", "tests/activities/execution/test_effects.py"),
    {
        "effect-of-an-older-fence": Change(
            "if not await intents.is_current(connection, intent.key, intent.fence):", "if False:"
        ),
        "effect-after-its-right-to-call": Change("if _clock() >= granted.expires:", "if False:"),
        "effect-that-is-there-is-made-again": Change("if finding is Finding.AT_TARGET:", "if False:"),
        "effect-on-what-was-changed-meanwhile": Change("if finding is Finding.CHANGED:", "if False:"),
    },
)
BEGUN = Group(
    "activities/execution/activities.py",
    Promise.ONE_EFFECT,
    ("tests/activities/execution/test_crashes.py", "tests/activities/execution/test_effects.py"),
    {
        "effect-that-was-begun-is-begun-again": Change(
            "        if has_begun:\n            issued = await self._recover(work)\n",
            "        if False:\n            issued = await self._recover(work)\n",
        ),
    },
)
RECOGNISED = Group(
    "activities/execution/recognition.py",
    Promise.ONE_EFFECT,
    ("tests/activities/execution/test_recognition.py",),
    {
        "operation-from-before-the-intent-is-adopted": Change(
            "        and operation.started_at >= since - CLOCK_SKEW\n", ""
        ),
        "way-back-goes-over-what-others-changed": Change(
            "if seen.machine_type != prior.machine_type or not _is_ours(effect, prior, seen):",
            "if seen.machine_type != prior.machine_type:",
        ),
    },
)
TAKEN_BACK = Group(
    "activities/verification/activities.py",
    Promise.ONE_EFFECT,
    (
        "tests/activities/verification/test_activities.py"
        "::test_a_way_back_after_which_the_pool_is_not_as_before_is_left_to_a_person",
    ),
    {
        "way-back-that-failed-is-told-as-done": Change(
            "return _S.ROLLED_BACK if judgement.matches else _S.DIRTY", "return _S.ROLLED_BACK"
        ),
    },
)
KEPT = Group(
    "activities/closing.py",
    Promise.SCOPE,
    ("tests/activities/test_closing.py", "tests/activities/execution/test_effects.py"),
    {
        "dirty-frees-its-cluster": Change(
            "    if state is not ProposalState.DIRTY:\n        await leases.free(",
            "    if state:\n        await leases.free(",
        ),
    },
)
VOTES = Group(
    "activities/execution/admission.py",
    Promise.VOTE,
    (_VOTES,),
    {
        "effect-without-votes": Change(
            'return None if eligibility.is_met(wanted, approvers) else (refused, "approvals_invalid")',
            "return None",
            (
                f"{_VOTES}::test_a_vote_whose_signature_is_not_ours_does_not",
                f"{_VOTES}::test_votes_fall_short_of_what_the_newest_pass_asks_for",
            ),
        ),
    },
)
LEASES = Group(
    "adapters/store/leases.py",
    Promise.ONE_EFFECT,
    _LEASES,
    {
        "lease-is-written-over-its-owner": Change(
            "WHERE domain = {domain} AND (owner IS NULL OR owner = {owner})", "WHERE domain = {domain}"
        ),
        "lease-is-released-by-anybody": Change(
            ".where(leases.c.domain == domain, leases.c.owner == owner)\n        .values(owner=None",
            ".where(leases.c.domain == domain)\n        .values(owner=None",
        ),
        "fence-is-given-to-anybody": Change(
            ".where(leases.c.domain == before.c.domain, before.c.owner == owner)",
            ".where(leases.c.domain == before.c.domain)",
        ),
        "fence-is-raised-beside-another-attempt": Change(
            '.with_for_update().cte("before")', '.cte("before")'
        ),
        "fence-does-not-rise": Change("fence=before.c.fence + 1,", "fence=before.c.fence,"),
        "fence-deadline-gets-shorter": Change(
            "call_deadline=func.greatest(older, call_deadline),",
            "call_deadline=call_deadline,",
        ),
        "fence-older-call-is-not-waited-for": Change(
            "wait_until=row.older if in_flight else None", "wait_until=None"
        ),
        "lease-freed-wakes-nobody": Change("    batch.put(outbox.waking(domain))\n", ""),
    },
)
INTENTS = Group(
    "adapters/store/intents.py",
    Promise.ONE_EFFECT,
    _INTENTS,
    {
        "intent-of-a-lower-fence-is-written": Change(
            "WHERE intents.fence < excluded.fence AND intents.receipt IS NULL",
            "WHERE intents.receipt IS NULL",
        ),
        "intent-after-the-receipt-is-written": Change(
            "WHERE intents.fence < excluded.fence AND intents.receipt IS NULL",
            "WHERE intents.fence < excluded.fence",
        ),
        "intent-taken-over-lowers-the-fence": Change(
            "WHERE key = :key AND fence < :fence",
            "WHERE key = :key",
        ),
        "intent-of-an-older-attempt-is-current": Change(
            "SELECT key FROM intents WHERE key = :key AND fence = :fence AND receipt IS NULL",
            "SELECT key FROM intents WHERE key = :key AND :fence > 0 AND receipt IS NULL",
        ),
        "intent-operation-of-an-older-attempt-is-written": Change(
            "SET operation = {operation}, issued_at = {at}, call_deadline = clock_timestamp()\n"
            "    WHERE key = {key} AND fence = {fence} AND",
            "SET operation = {operation}, issued_at = {at}, call_deadline = clock_timestamp()\n"
            "    WHERE key = {key} AND fence >= {fence} AND",
        ),
        "intent-of-a-newer-attempt-is-withdrawn": Change(
            "SET settled_at = clock_timestamp(), call_deadline = clock_timestamp()\n"
            "    WHERE key = {key} AND fence = {fence} AND",
            "SET settled_at = clock_timestamp(), call_deadline = clock_timestamp()\n"
            "    WHERE key = {key} AND fence >= {fence} AND",
        ),
        "intent-receipt-of-an-older-attempt-is-written": Change(
            "SET receipt = CAST({receipt} AS jsonb), call_deadline = clock_timestamp()\n"
            "    WHERE key = {key} AND fence = {fence} AND",
            "SET receipt = CAST({receipt} AS jsonb), call_deadline = clock_timestamp()\n"
            "    WHERE key = {key} AND fence >= {fence} AND",
        ),
        "intent-second-receipt-is-written": Change(
            "SET receipt = CAST({receipt} AS jsonb), call_deadline = clock_timestamp()\n"
            "    WHERE key = {key} AND fence = {fence} AND receipt IS NULL",
            "SET receipt = CAST({receipt} AS jsonb), call_deadline = clock_timestamp()\n"
            "    WHERE key = {key} AND fence = {fence}",
        ),
        "intent-end-of-a-call-ends-a-newer-one": Change(
            'where={"owner": proposal_id, "fence": fence}',
            'where={"owner": proposal_id}',
        ),
        "intent-foreign-operation-is-adopted": Change(
            "intents.c.operation.in_(names), intents.c.key != key",
            "intents.c.operation.in_(names), intents.c.key == key",
        ),
    },
)
VERIFYING = Group(
    "activities/verification/judgement.py",
    Promise.ONE_EFFECT,
    ("tests/activities/verification/test_judgement.py",),
    {
        "verified-by-the-size-that-was-asked-for": Change(
            "if not quiet or any(zone.running != action.node_count for zone in seen.zones):", "if not quiet:"
        ),
        "verified-while-it-moves": Change("if not quiet or any(zone.running", "if any(zone.running"),
        "verified-without-ready-nodes": Change(
            "if ready_nodes is not None and ready_nodes != seen.total_target:", "if False:"
        ),
        "verified-at-another-size": Change(
            "if not seen.zones or any(zone.target_size != action.node_count for zone in seen.zones):",
            "if not seen.zones:",
        ),
    },
)

GROUPS = (ADMISSION, CALLING, BEGUN, RECOGNISED, TAKEN_BACK, KEPT, VOTES, LEASES, INTENTS, VERIFYING)
