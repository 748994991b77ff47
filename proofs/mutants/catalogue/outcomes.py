"""Guard mutants of what becomes of an effect: what counts as a success, what is taken back or left to a person, and
what each end gives back.
"""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_EFFECTS = "tests/activities/execution/test_effects.py"
_VERIFIED = "tests/activities/verification/test_activities.py"
_JUDGED = "tests/activities/verification/test_judgement.py"
_CLOSED = "tests/activities/test_closing.py"
_EVERY_END = f"{_CLOSED}::test_every_end_settles_money_and_lease"
_MOVES = "tests/adapters/store/test_proposals.py"
_OUT_OF_SIGHT = (f"{_EFFECTS}::test_an_operation_that_nobody_may_look_at_any_more_is_left_to_a_person",)
_LOCKED = (f"{_MOVES}::test_whoever_locks_a_proposal_sees_what_the_one_before_made_of_it",)
_PASSES = "tests/activities/guardrail/test_admit_proposal.py"
_LINE = "tests/activities/guardrail/test_one_at_a_time.py"

FOLLOWED = Group(
    "activities/execution/activities.py",
    Promise.OUTCOME,
    (_EFFECTS,),
    {
        "operation-that-never-ends-was-applied": Change(
            'work, issued.intent, ReceiptOutcome.OPERATION_FAILED, issued, "operation_timeout"',
            'work, issued.intent, ReceiptOutcome.APPLIED, issued, "operation_timeout"',
            (f"{_EFFECTS}::test_an_operation_that_never_ends_is_taken_back_when_it_does",),
        ),
        "operation-that-failed-was-applied": Change(
            "outcome = ReceiptOutcome.OPERATION_FAILED if error else ReceiptOutcome.APPLIED",
            "outcome = ReceiptOutcome.APPLIED",
            (f"{_EFFECTS}::test_a_stock_out_is_resized_back_and_verified",),
        ),
        "operation-out-of-sight-is-left-to-nobody": Change(
            "if isinstance(error, ProviderError) and await self._is_overdue(given):",
            "if False:",
            _OUT_OF_SIGHT,
        ),
        "operation-is-given-up-at-the-first-error": Change(
            "if isinstance(error, ProviderError) and await self._is_overdue(given):",
            "if isinstance(error, ProviderError):",
            _OUT_OF_SIGHT,
        ),
    },
)
VERIFICATION = Group(
    "activities/verification/activities.py",
    Promise.OUTCOME,
    (_VERIFIED,),
    {
        "verified-at-another-provider": Change(
            "if proposal.mode != self._mode:",
            "if False:",
            (f"{_VERIFIED}::test_a_worker_that_reads_another_provider_verifies_nothing_and_calls_a_person",),
        ),
        "verified-before-nodes-could-be-counted": Change(
            "if not reached and not is_last:",
            "if False:",
            (f"{_VERIFIED}::test_a_kubernetes_api_that_comes_back_is_asked",),
        ),
        "verified-although-it-is-gone": Change(
            "Judgement(matches=False, settled=True,",
            "Judgement(matches=True, settled=True,",
            (f"{_VERIFIED}::test_a_pool_that_is_gone_after_the_effect_is_no_success",),
        ),
        "verification-ends-at-the-first-error": Change(
            "if left > timedelta(0):",
            "if False:",
            (f"{_VERIFIED}::test_a_provider_that_is_away_concludes_nothing",),
        ),
        "verification-never-ends-out-of-sight": Change(
            "if left > timedelta(0):",
            "if True:",
            (f"{_VERIFIED}::test_what_nobody_may_look_at_for_the_whole_time_is_left_to_a_person",),
        ),
        "way-back-of-what-others-did": Change(
            "return _S.ROLLING_BACK if is_ours and reversible else _S.DIRTY",
            "return _S.ROLLING_BACK if reversible else _S.DIRTY",
            (f"{_VERIFIED}::test_a_size_that_others_asked_for_and_did_not_get_is_left_to_a_person",),
        ),
        "way-back-that-no-call-makes-is-promised": Change(
            "return _S.ROLLING_BACK if is_ours and reversible else _S.DIRTY",
            "return _S.ROLLING_BACK if is_ours else _S.DIRTY",
            (f"{_VERIFIED}::test_a_silent_shortage_that_no_single_call_takes_back_is_left_to_a_person",),
        ),
    },
)
JUDGEMENT = Group(
    "activities/verification/judgement.py",
    Promise.OUTCOME,
    (_JUDGED,),
    {
        "verified-under-an-autoscaler": Change("    if seen.autoscaling is not None:\n", "    if False:\n"),
        "verified-without-zones": Change(
            "if not seen.zones or any(zone.target_size", "if any(zone.target_size"
        ),
        "verified-while-an-operation-runs": Change(
            " and not any(one.is_running for one in seen.operations)", ""
        ),
        "verified-by-the-bounds-of-others": Change(
            " or (bounds.min_node_count, bounds.max_node_count) != wanted:", ":"
        ),
        "verified-by-bounds-of-the-whole-pool": Change("bounds.is_pool_wide or ", ""),
        "verified-without-a-floor": Change("zone.running < action.min_node_count", "zone.running < 0"),
    },
)
PAGED = Group(
    "adapters/store/proposals.py",
    Promise.OUTCOME,
    (f"{_EFFECTS}::test_what_no_single_call_restores_is_dirty_and_keeps_its_lease",),
    {
        "dirty-calls-nobody": Change("    ProposalState.DIRTY: NotificationEvent.DIRTY,\n", ""),
    },
)
MOVES = Group(
    "adapters/store/proposals.py",
    Promise.STATES,
    (_MOVES,),
    {
        "move-that-is-not-in-the-table": Change(
            "if to not in TRANSITIONS.get(present, frozenset()):",
            "if False:",
            (f"{_MOVES}::test_every_edge_that_the_table_does_not_have_is_refused",),
        ),
        "move-of-what-moved-since": Change(
            '"id": row.id, "state": present.value, "revision": row.revision}',
            '"id": row.id, "revision": row.revision}',
            (f"{_MOVES}::test_a_row_that_was_moved_since_cannot_be_moved_from_its_old_state",),
        ),
        "move-of-what-was-edited-since": Change(
            '"id": row.id, "state": present.value, "revision": row.revision}',
            '"id": row.id, "state": present.value}',
            (f"{_MOVES}::test_a_row_that_was_edited_since_cannot_be_moved_as_it_was",),
        ),
        "move-without-a-lock": Change(
            "WHERE id = :proposal_id FOR UPDATE)", "WHERE id = :proposal_id)", _LOCKED
        ),
    },
)
MOVES_OF_EFFECTS = Group(
    "adapters/store/halts.py",
    Promise.STATES,
    _LOCKED,
    {
        "intent-without-a-lock-on-its-proposal": Change(
            "WHERE id = :proposal_id FOR UPDATE)", "WHERE id = :proposal_id)"
        ),
    },
)
CONCLUDED = Group(
    "activities/verification/activities.py",
    Promise.STATES,
    (f"{_VERIFIED}::test_of_two_verifications_at_once_one_ends_the_proposal_and_both_tell_how",),
    {
        "verification-concludes-what-is-over": Change(
            "            if ProposalState(row.state) is not _verified_in(receipt.step):\n",
            "            if False:\n",
        ),
    },
)
PASSED = Group(
    "activities/guardrail/settling.py",
    Promise.FAIL_CLOSED,
    (_PASSES,),
    {
        "pass-denial-goes-on": Change(
            "if evaluation.outcome is Outcome.DENY:",
            "if False:",
            (f"{_PASSES}::test_opa_that_is_gone_by_then_denies",),
        ),
        "pass-hold-goes-on": Change(
            "if evaluation.outcome is Outcome.HOLD and facts.admitting:",
            "if False:",
            (f"{_LINE}::test_a_halt_holds_and_its_end_wakes",),
        ),
        "pass-leaves-its-turn-to-nobody": Change(
            "        if locked.row.held_on != standing.held_on:\n",
            "        if False:\n",
            (f"{_LINE}::test_whoever_is_denied_when_its_turn_has_come_leaves_it_to_the_next",),
        ),
        "pass-admits-without-the-lease": Change(
            "if facts.lease_owner != draft.id:",
            "if False:",
            (f"{_PASSES}::test_an_admitted_proposal_owns_the_lease_and_has_used_its_rate_once",),
        ),
    },
)
ENDED = Group(
    "activities/closing.py",
    Promise.ENDS,
    (_EVERY_END,),
    {
        "success-keeps-the-lease": Change(
            "    await leases.free(connection, batch, proposals.domain_of(row), row.id)\n"
            "    await _record(connection, row, ProposalState.SUCCEEDED",
            "    await _record(connection, row, ProposalState.SUCCEEDED",
        ),
        "failure-keeps-the-lease": Change(
            "    if state is not ProposalState.DIRTY:\n        await leases.free(",
            "    if False:\n        await leases.free(",
        ),
    },
)
SETTLED = Group(
    "activities/closing.py",
    Promise.BUDGET,
    (_EVERY_END,),
    {
        "success-commits-nothing": Change(
            "    await commit_verified(connection, batch, row, configuration, outcome)\n", ""
        ),
        "failure-keeps-the-money": Change(
            "    if state is not ProposalState.DIRTY:\n        await ledger.",
            "    if False:\n        await ledger.",
        ),
        "dirty-gives-its-money-back": Change(
            "    if state is not ProposalState.DIRTY:\n        await ledger.",
            "    if state:\n        await ledger.",
        ),
    },
)
ENDED_UNCHANGED = Group(
    "adapters/store/closing.py",
    Promise.ENDS,
    (_EVERY_END,),
    {
        "end-without-effect-keeps-the-lease": Change(
            "    await leases.free(connection, batch, domain, row.id)\n", ""
        ),
        "end-without-effect-keeps-the-probe": Change(
            "    await breakers.release_probes(connection, row.id, tenant=row.tenant)\n",
            "",
            (f"{_CLOSED}::test_an_end_without_effect_gives_its_probe_to_the_next",),
        ),
        "end-without-effect-leaves-its-turn-to-nobody": Change(
            "    await pass_on(connection, row.held_on, domain, row.now)\n",
            "",
            (f"{_CLOSED}::test_whoever_ends_when_its_turn_at_a_free_cluster_has_come_leaves_it_to_the_next",),
        ),
    },
)
SETTLED_UNCHANGED = Group(
    "adapters/store/closing.py",
    Promise.BUDGET,
    (_EVERY_END,),
    {
        "end-without-effect-keeps-the-money": Change(
            "    await ledger.release_all(connection, row.id)\n", ""
        ),
    },
)
PAID = Group(
    "activities/verification/activities.py",
    Promise.BUDGET,
    (f"{_VERIFIED}::test_what_needed_no_call_costs_nothing",),
    {
        "what-needed-no-call-is-paid-for": Change(
            "elif receipt.outcome is ReceiptOutcome.NO_OP:", "elif False:"
        ),
    },
)

GROUPS = (
    FOLLOWED,
    VERIFICATION,
    JUDGEMENT,
    PAGED,
    MOVES,
    MOVES_OF_EFFECTS,
    CONCLUDED,
    PASSED,
    ENDED,
    ENDED_UNCHANGED,
    SETTLED,
    SETTLED_UNCHANGED,
    PAID,
)
