"""Judges how many effects the provider was made to have (I1), and that a wrong outcome is left to somebody (I7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from contracts.audit import AuditType
from contracts.effect import Step
from contracts.proposal import ProposalState
from emulators.gke.log import Calls, ServedCall
from proofs.judgement.records import Records

CHANGING = frozenset({"SetNodePoolSize", "SetNodePoolAutoscaling"})
"""Calls that change a node pool. A foreign one is made through the emulator's admin surface and is none of these."""


def owners(records: Records) -> dict[str, str]:
    """Return operation → key of the effect it belongs to, as intents and audit events say."""
    said = {row.operation: row.key for row in records.intents if row.operation is not None}
    for event in records.events:
        if event.type is AuditType.EFFECT_ISSUED:
            said.setdefault(str(event.payload["operation"]), str(event.payload["key"]))
    return said


def effects(calls: Calls) -> list[ServedCall]:
    """Return the accepted calls that changed a pool."""
    return [call for call in calls.accepted() if call.method in CHANGING]


def faults(records: Records, calls: Calls) -> list[str]:
    """Return what breaks I1: effects that nobody owns, and steps of a proposal with more than one."""
    owner, made, strays = owners(records), defaultdict(list), defaultdict(list)
    for call in effects(calls):
        key = owner.get(call.operation)
        if key is None:
            strays[call.target].append(call)
        else:
            proposal_id, _, step = key.split("/")
            made[proposal_id, step].append(call.operation)
    found = [
        f"{call.method} on {call.target} at {call.ts} (call {call.seq}) belongs to no proposal"
        for target, several in strays.items()
        for call in several[_unknown(records, made, target) :]
    ]
    found += [
        f"{proposal_id}: {len(operations)} {step} effects: {', '.join(operations)}"
        for (proposal_id, step), operations in made.items()
        if len(operations) > 1
    ]
    return [*found, *_ends(records, {step: len(operations) for step, operations in made.items()})]


def _unknown(records: Records, made: Collection[tuple[str, str]], target: str) -> int:
    """Count the steps of dirty proposals on a target of which nobody knows an effect: each may have had one."""
    dirty = [
        row.id
        for row in records.proposals
        if row.state == ProposalState.DIRTY and row.target_key.endswith(f"/{target}")
    ]
    return sum((proposal_id, step.value) not in made for proposal_id in dirty for step in Step)


def _ends(records: Records, made: Mapping[tuple[str, ...], int]) -> Iterable[str]:
    receipts = {(row.proposal_id, row.step): row.receipt for row in records.intents if row.receipt}
    for row in records.proposals:
        forward, back = made.get((row.id, "forward"), 0), made.get((row.id, "compensation"), 0)
        receipt = receipts.get((row.id, "forward")) or {}
        if row.state == ProposalState.SUCCEEDED:
            if (forward, back) != (1, 0) and not (forward == 0 and receipt.get("outcome") == "no_op"):
                yield f"{row.id} succeeded with {forward} forward effects and {back} ways back"
        elif row.state == ProposalState.ROLLED_BACK:
            if forward != 1:
                yield f"{row.id} was rolled back after {forward} effects"
        elif row.state != ProposalState.DIRTY and ProposalState(row.state).is_final and forward:
            yield f"{row.id} is {row.state} after {forward} effects"


def unpaged(records: Records) -> list[str]:
    """Return what breaks I7: proposals that are dirty, and nobody was told."""
    told = {row.payload.get("proposal_id") for row in records.notices if row.payload.get("event") == "dirty"}
    return [
        f"{row.id} is dirty and nobody was paged"
        for row in records.proposals
        if row.state == ProposalState.DIRTY and row.id not in told
    ]
