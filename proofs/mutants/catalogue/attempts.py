"""Guard mutants of one attempt at an effect: what it may begin or follow up, by whose word, and when it may call."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_ADMISSION = "tests/activities/execution/test_admission.py"
_CRASHES = "tests/activities/execution/test_crashes.py"
_EFFECTS = "tests/activities/execution/test_effects.py"
_HALTS = "tests/activities/execution/test_admission_halts.py"
_VOTES = "tests/activities/execution/test_admission_votes.py"
_DECISIONS = "tests/activities/approval/test_activities.py"
_TOO_OLD = (f"{_ADMISSION}::test_a_pass_older_than_thirty_seconds_admits_nothing",)
_ELSEWHERE = (
    f"{_ADMISSION}::test_a_worker_that_reaches_something_else_takes_nothing_back_and_calls_a_person",
)

ATTEMPT = Group(
    "activities/execution/activities.py",
    Promise.ONE_EFFECT,
    (_CRASHES, _EFFECTS),
    {
        "attempt-at-another-revision-is-begun": Change(
            "if state not in expected or row.revision != given.revision:",
            "if state not in expected:",
            (f"{_EFFECTS}::test_an_attempt_at_another_revision_than_the_present_one_makes_no_call",),
        ),
        "attempt-goes-on-after-the-receipt": Change(
            "if row.receipt is not None:",
            "if False:",
            (f"{_EFFECTS}::test_a_stock_out_is_resized_back_and_verified",),
        ),
        "attempt-takes-back-in-another-mode": Change(
            "if proposal.mode != self._mode:", "if False:", _ELSEWHERE
        ),
        "attempt-takes-back-what-is-not-registered": Change(
            "if self._configuration.current.registered(proposal.action.target)", "if proposal", _ELSEWHERE
        ),
        "attempt-follows-up-in-another-mode": Change(
            "if has_begun or given.step is Step.COMPENSATION else None",
            "if given.step is Step.COMPENSATION else None",
            (f"{_ADMISSION}::test_a_worker_of_another_mode_does_not_follow_up_what_was_begun",),
        ),
        "attempt-looks-while-the-older-call-may-be-in-flight": Change(
            "if grant.wait_until is not None:",
            "if False:",
            (f"{_CRASHES}::test_a_successor_waits_out_the_call_deadline_of_the_dead",),
        ),
        "attempt-without-an-answer-called-nothing": Change(
            "except (ProviderAmbiguous, asyncio.CancelledError):",
            "except asyncio.CancelledError:",
            (f"{_EFFECTS}::test_a_time_out_after_the_effect_is_adopted_and_not_repeated",),
        ),
        "attempt-sends-after-its-call-deadline": Change(
            "asyncio.timeout(timeout.total_seconds())",
            "asyncio.timeout(None)",
            (f"{_CRASHES}::test_nothing_goes_out_after_the_time_out_of_the_call",),
        ),
        "attempt-on-what-is-not-as-approved": Change(
            "holds=proposal.precondition.holds_for(seen)",
            "holds=True",
            (f"{_EFFECTS}::test_a_pool_that_somebody_changed_makes_the_proposal_stale",),
        ),
    },
)
ADMITTED = Group(
    "activities/execution/admission.py",
    Promise.ONE_EFFECT,
    (_ADMISSION,),
    {
        "way-back-of-what-is-left-to-a-person": Change(
            "if ProposalState(row.state) is not _S.ROLLING_BACK:",
            "if False:",
            (f"{_ADMISSION}::test_what_was_left_to_a_person_since_an_attempt_looked_is_not_taken_back",),
        ),
    },
)
STEPPED_BACK = Group(
    "activities/execution/admission.py",
    Promise.ENDS,
    (_HALTS,),
    {
        "step-back-keeps-the-lease": Change(
            "    await leases.release(connection, work.domain, row.id)\n",
            "",
            (f"{_HALTS}::test_a_halt_between_pass_and_effect_stops_it",),
        ),
        "step-back-keeps-the-probe": Change(
            "    await breakers.release_probes(connection, row.id, tenant=row.tenant)\n",
            "",
            (f"{_ADMISSION}::test_a_new_pass_gives_the_probe_of_the_old_one_to_whoever_comes_first",),
        ),
        "way-back-that-is-halted-is-told-again-and-again": Change(
            "    if row.held_on == key:\n",
            "    if False:\n",
            (f"{_HALTS}::test_however_often_a_halted_way_back_is_asked_for_it_is_told_once",),
        ),
        "way-back-that-is-halted-is-told-to-nobody": Change(
            "    await outbox.put(connection, OutboxKind.NOTIFY,",
            "    dict(connection=connection) or (OutboxKind.NOTIFY,",
            (f"{_HALTS}::test_however_often_a_halted_way_back_is_asked_for_it_is_told_once",),
        ),
    },
)
APPROVED = Group(
    "contracts/observation.py",
    Promise.ONE_EFFECT,
    ("tests/contracts/test_observation.py",),
    {
        "approved-size-holds-under-an-autoscaler": Change("seen.autoscaling is None\n            and ", ""),
        "approved-size-holds-on-another-machine-type": Change(
            "            and seen.machine_type == self.machine_type\n", ""
        ),
        "approved-size-holds-at-another-size": Change(
            "            and seen.target_sizes == self.target_sizes\n", ""
        ),
        "approved-bounds-hold-on-another-machine-type": Change(
            "return seen.machine_type == self.machine_type and seen.autoscaling == self.bounds",
            "return seen.autoscaling == self.bounds",
        ),
        "approved-bounds-hold-beside-others": Change(
            "return seen.machine_type == self.machine_type and seen.autoscaling == self.bounds",
            "return seen.machine_type == self.machine_type",
        ),
    },
)
FRESH = Group(
    "activities/execution/attempt.py",
    Promise.ONE_EFFECT,
    _TOO_OLD,
    {
        "pass-admits-for-an-hour": Change(
            "PASS_LASTS = timedelta(seconds=30)", "PASS_LASTS = timedelta(hours=1)"
        ),
    },
)
ADMITTING = Group(
    "adapters/store/admitting.py",
    Promise.ONE_EFFECT,
    (_ADMISSION,),
    {
        "effect-by-a-pass-over-another-revision": Change(
            '        evaluations.c.revision == bindparam("revision"),\n',
            "",
            (f"{_ADMISSION}::test_a_pass_over_an_older_revision_admits_nothing",),
        ),
        "effect-by-the-oldest-pass": Change(
            "evaluations.c.pass_number.desc()",
            "evaluations.c.pass_number",
            (f"{_ADMISSION}::test_a_pass_that_was_never_run_or_did_not_admit_admits_nothing",),
        ),
    },
)
STANDING = Group(
    "adapters/store/decisions.py",
    Promise.VOTE,
    (_VOTES, _DECISIONS),
    {
        "vote-that-does-not-stand-counts": Change(
            "            decisions.c.status == DecisionStatus.APPLIED.value,\n            ~is_changed,\n",
            "            ~is_changed,\n",
            (f"{_VOTES}::test_a_vote_that_does_not_stand_does_not",),
        ),
        "vote-counts-beside-a-newer-word-of-its-person": Change(
            "            ~is_changed,\n",
            "",
            (
                f"{_DECISIONS}::test_an_approval_does_not_count_beside_a_newer_word_of_its_person_that_is_under_way",
            ),
        ),
        "vote-is-refused-after-it-was-applied": Change(
            "decisions.c.id == decision_id, decisions.c.status == DecisionStatus.RECORDED.value)",
            "decisions.c.id == decision_id,)",
            (f"{_DECISIONS}::test_what_was_applied_is_not_refused_any_more",),
        ),
        "vote-that-was-refused-is-voided": Change(
            ".where(*which, decisions.c.status == DecisionStatus.APPLIED.value)",
            ".where(*which)",
            (f"{_DECISIONS}::test_a_request_for_change_leaves_what_was_refused_refused",),
        ),
        "vote-takes-those-of-others-away": Change(
            "AND reviewer = :reviewer AND status",
            "AND CAST(:reviewer AS text) <> '' AND status",
            (f"{_DECISIONS}::test_the_votes_of_two_people_stand_beside_each_other",),
        ),
        "vote-is-measured-by-the-first-pass": Change(
            "ORDER BY pass_number DESC LIMIT 1",
            "ORDER BY pass_number LIMIT 1",
            (f"{_DECISIONS}::test_a_vote_is_measured_by_what_the_newest_pass_asks_for",),
        ),
    },
)
DECIDED = Group(
    "activities/approval/activities.py",
    Promise.VOTE,
    (_DECISIONS,),
    {
        "decision-that-is-settled-otherwise-counts": Change(
            "return None if is_open else str(stored.reason_code or status)",
            "return None",
            (f"{_DECISIONS}::test_a_request_for_change_voids_the_votes_and_leaves_it_waiting",),
        ),
    },
)
REPEATED = Group(
    "activities/approval/activities.py",
    Promise.ONE_OUTCOME,
    (_DECISIONS,),
    {
        "decision-that-comes-again-is-judged-again": Change(
            "if stored is not None and stored.status == DecisionStatus.APPLIED.value:",
            "if False:",
            (f"{_DECISIONS}::test_an_approval_is_applied_once_however_often_it_is_delivered",),
        ),
    },
)

GROUPS = (ATTEMPT, ADMITTED, STEPPED_BACK, APPROVED, FRESH, ADMITTING, STANDING, DECIDED, REPEATED)
