"""What the judges say of a batch of races, and whether the answers that people got agree with the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from contracts.audit import AuditType
from contracts.proposal import ProposalState
from emulators.gke.log import Calls
from proofs.judgement import approvals, ballots, changes, effects, endings, log, money, reservations
from proofs.judgement.records import Records
from proofs.races.drawing import DECISIONS, FIRST_SIZE, Kind
from proofs.races.racer import BROKE, Answer
from proofs.simulation.ground import PUBLIC_KEYS

APPROVAL_ENDS = frozenset({"cancelled", "expired", "rejected", "succeeded"})
"""How a proposal can end here: nothing denies, and the provider does as it is told."""
_TAKEN = frozenset({"applied", "voided", "superseded"})


def judge(records: Records, calls: Calls, answers: Mapping[str, Sequence[Answer]]) -> list[str]:
    """Return what is wrong."""
    return [
        *endings.faults(records),
        *_illegal(records),
        *log.rebuilt(records, records.events),
        *ballots.faults(records, PUBLIC_KEYS),
        *approvals.faults(records, calls, PUBLIC_KEYS),
        *effects.faults(records, calls),
        *_changes(records, calls),
        *reservations.faults(records),
        *money.held_at_rest(records),
        *_contradictions(records, answers),
    ]


def _changes(records: Records, calls: Calls) -> list[str]:
    targets = {row.target_key.partition("/")[2] for row in records.proposals}
    return changes.follow(records, calls, dict.fromkeys(targets, changes.size(FIRST_SIZE))).faults


def _illegal(records: Records) -> Iterable[str]:
    for row in records.proposals:
        if ProposalState(row.state).is_final and row.state not in APPROVAL_ENDS:
            yield f"{row.id} ended as {row.state}: {row.reason_code}"


def _contradictions(records: Records, answers: Mapping[str, Sequence[Answer]]) -> Iterable[str]:
    """Return answers that the database does not bear out (I5), and what no caller should have met."""
    status = {row.id: row.status for row in records.decisions}
    about, states = records.events_about(), {row.id: row.state for row in records.proposals}
    for proposal_id, told in answers.items():
        made = [
            event.payload["draft"]["revision"]
            for event in about.get(proposal_id, ())
            if event.type is AuditType.PROPOSAL_REVISED
        ]
        for one in told:
            what = f"{proposal_id}: {one.call.kind} by {one.call.who or 'the system'} was answered {one.told}"
            if one.told.startswith(BROKE):
                yield what
            elif one.call.kind in DECISIONS and one.decision_id is not None:
                found = status.get(one.decision_id)
                if found is None or (one.told == "200" and found not in _TAKEN):
                    yield f"{what}, and {one.decision_id} is {found}"
            elif one.call.kind is Kind.EDIT and one.revision is not None and made.count(one.revision) != 1:
                yield f"{what}, and revision {one.revision} was made {made.count(one.revision)} times"
            elif one.call.kind is Kind.CANCEL and one.told == "200" and states[proposal_id] != "cancelled":
                yield f"{what}, and it is {states[proposal_id]}"
        yield from _twice(proposal_id, told)


def _twice(proposal_id: str, told: Sequence[Answer]) -> Iterable[str]:
    for kind, key in ((Kind.EDIT, "revision"), (Kind.CANCEL, "told")):
        given = [getattr(one, key) for one in told if one.call.kind is kind and one.told in ("200", "202")]
        if len(given) != len(set(given)):
            yield f"{proposal_id}: {kind} was answered twice as done: {given}"
