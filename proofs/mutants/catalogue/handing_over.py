"""Guard mutants of the outbox's delivering side, and of how a cancelled proposal lets go of what it holds."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_OUTBOX = "tests/adapters/store/test_outbox_queue.py"
_CANCELLED = "tests/adapters/store/test_cancellation.py"
_OVER = (f"{_OUTBOX}::test_what_is_over_is_neither_postponed_nor_given_up",)
_SPLIT = (f"{_OUTBOX}::test_a_row_is_split_once_and_its_parts_take_its_place",)

OUTBOX = Group(
    "adapters/store/outbox_queue.py",
    Promise.ENDS,
    (_OUTBOX,),
    {
        "outbox-claims-what-is-over": Change(
            "WHERE done_at IS NULL AND due_at",
            "WHERE due_at",
            (f"{_OUTBOX}::test_what_was_delivered_or_given_up_is_not_claimed_again",),
        ),
        "outbox-claims-before-it-is-due": Change(
            " AND due_at <= (SELECT clock_timestamp())",
            "",
            (f"{_OUTBOX}::test_only_what_is_due_is_claimed",),
        ),
        "outbox-claims-any-kind": Change(
            " AND kind = ANY(CAST(:kinds AS text[]))",
            "",
            (f"{_OUTBOX}::test_a_dispatcher_claims_its_own_kinds_only",),
        ),
        "outbox-claims-the-newest-first": Change(
            "ORDER BY due_at, id LIMIT",
            "ORDER BY due_at DESC, id LIMIT",
            (
                f"{_OUTBOX}::test_no_more_is_claimed_than_there_is_room_for_and_what_is_due_longest_comes_first",
            ),
        ),
        "outbox-claims-more-than-there-is-room-for": Change(
            " LIMIT CAST(:limit AS bigint)",
            "",
            (
                f"{_OUTBOX}::test_no_more_is_claimed_than_there_is_room_for_and_what_is_due_longest_comes_first",
            ),
        ),
        "outbox-waits-for-another-dispatcher": Change(
            "FOR UPDATE SKIP LOCKED",
            "FOR UPDATE",
            (f"{_OUTBOX}::test_what_another_dispatcher_is_claiming_is_passed_over",),
        ),
        "outbox-claim-keeps-nobody-away": Change(
            ", due_at = clock_timestamp() + CAST(:lease AS interval)",
            "",
            (f"{_OUTBOX}::test_what_is_claimed_stays_away_from_others_for_its_lease_and_is_counted",),
        ),
        "outbox-attempts-are-not-counted": Change(
            "SET attempts = attempts + 1,",
            "SET attempts = attempts,",
            (f"{_OUTBOX}::test_what_is_claimed_stays_away_from_others_for_its_lease_and_is_counted",),
        ),
        "outbox-postpones-what-is-over": Change(
            "        .where(outbox.c.id == row_id, outbox.c.done_at.is_(None))\n        .values(due_at=",
            "        .where(outbox.c.id == row_id)\n        .values(due_at=",
            _OVER,
        ),
        "outbox-gives-up-what-was-delivered": Change(
            "        .where(outbox.c.id == row_id, outbox.c.done_at.is_(None))\n        .values(done_at=",
            "        .where(outbox.c.id == row_id)\n        .values(done_at=",
            _OVER,
        ),
        "outbox-splits-twice": Change("    if held.one_or_none() is None:\n", "    if False:\n", _SPLIT),
        "outbox-splits-beside-another-dispatcher": Change(
            "outbox.c.done_at.is_(None)).with_for_update()",
            "outbox.c.done_at.is_(None))",
            (f"{_OUTBOX}::test_a_row_is_split_once_by_two_dispatchers_at_the_same_time",),
        ),
        "outbox-delivers-the-whole-beside-its-parts": Change(
            "    await writing.settle(connection, row.id)\n", "", _SPLIT
        ),
        "outbox-forgets-what-was-just-done": Change(
            "outbox.c.done_at < func.clock_timestamp() - keep",
            "outbox.c.done_at < func.clock_timestamp()",
            (f"{_OUTBOX}::test_only_what_was_done_long_enough_ago_is_forgotten",),
        ),
    },
)
CANCELLED = Group(
    "adapters/store/cancellation.py",
    Promise.ENDS,
    (_CANCELLED,),
    {
        "cancel-of-what-has-begun": Change(
            "    if not may_cancel(ProposalState(row.state)):\n",
            "    if False:\n",
            (f"{_CANCELLED}::test_what_has_begun_is_not_cancelled_and_keeps_what_it_holds",),
        ),
        "cancel-gives-nothing-back": Change(
            "await close_without_effect(connection, row, ProposalState.CANCELLED, reason_code, message, actor=actor)",
            "await proposals.move(connection, row, ProposalState.CANCELLED, actor=actor, reason_code=reason_code)",
        ),
        "cancel-wakes-nobody": Change(
            "    return await outbox.put(\n"
            '        connection, OutboxKind.WAKE, proposal_id, {"reason_code": reason_code}, delay=delay\n'
            "    )\n",
            "    return 1\n",
            (f"{_CANCELLED}::test_a_cancelled_proposal_wakes_its_workflow_after_the_delay",),
        ),
        "cancel-wakes-beside-whoever-cancels": Change(
            '{"reason_code": reason_code}, delay=delay\n',
            '{"reason_code": reason_code}\n',
            (f"{_CANCELLED}::test_a_cancelled_proposal_wakes_its_workflow_after_the_delay",),
        ),
    },
)

GROUPS = (OUTBOX, CANCELLED)
