"""Judges how things end: each proposal in one final state (I4), whatever was taken with one outcome (I5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from contracts.audit import AuditType
from contracts.decision import DecisionStatus
from contracts.proposal import ProposalState
from proofs.judgement.records import Records


def faults(records: Records) -> list[str]:
    """Return what breaks I4: proposals that did not end, or ended more than once."""
    ends: Counter[str] = Counter()
    for event in records.events:
        if event.type is AuditType.PROPOSAL_MOVED and ProposalState(str(event.payload["to"])).is_final:
            ends[event.subject] += 1
    found = []
    for row in records.proposals:
        if not ProposalState(row.state).is_final:
            found.append(f"{row.id} did not end: {row.state}, {row.reason_code}")
        elif ends[row.id] != 1:
            found.append(f"{row.id} reached {ends[row.id]} final states")
    return found


def lost(
    records: Records, proposals: Iterable[str], requests: Iterable[str], votes: Iterable[str] = ()
) -> list[str]:
    """Return what breaks I5: ids that were answered with 2xx and have no outcome, or several.

    A vote may wait for as long as the outbox holds it. Else it was applied, or refused, voided or superseded.
    """
    there = {row.id for row in (*records.proposals, *records.decisions)}
    closed = Counter(event.subject for event in records.events if event.type is AuditType.REQUEST_CLOSED)
    statuses = {row.id: row.closed_at for row in records.requests}
    found = [f"{one} was acknowledged and is gone" for one in (*proposals, *votes) if one not in there]
    for one in requests:
        if one not in statuses:
            found.append(f"{one} was acknowledged and is gone")
        elif statuses[one] is None or closed[one] != 1:
            found.append(f"{one} has {closed[one]} outcomes")
    waiting = {row.subject for row in records.waiting}
    found += [
        f"{row.id} was recorded and nobody will deliver it"
        for row in records.decisions
        if row.status == DecisionStatus.RECORDED and row.id not in waiting
    ]
    asked = Counter(row.request_id for row in records.proposals if row.request_id is not None)
    return found + [f"{one} made {times} proposals" for one, times in asked.items() if times > 1]
