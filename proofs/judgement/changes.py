"""Judges what each effect set (I7): what was approved, or the way back to what was before, and nothing else stands.

Proposals change one pool one after the other. So each pool is followed through their ends, in the order of the audit
log: what it was set to before all of them, and what each must leave. Sizes and bounds are those of the provider's log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import Row

from contracts.audit import AuditType
from contracts.effect import ReceiptOutcome, Step
from contracts.observation import SizesPrecondition
from contracts.proposal import Proposal, ProposalState
from emulators.gke.log import Calls, ServedCall
from proofs.judgement.effects import effects, owners
from proofs.judgement.records import Records

Settings = Mapping[str, int]
"""`node_count`, or `min_node_count` and `max_node_count`. All are per zone."""
_AFTER_AN_EFFECT = (ProposalState.SUCCEEDED, ProposalState.ROLLED_BACK, ProposalState.DIRTY)
_NAMES = ("node_count", "min_node_count", "max_node_count")


def size(node_count: int) -> Settings:
    """Return the settings of a pool of fixed size."""
    return {"node_count": node_count}


def settings_in(values: Mapping[str, Any]) -> Settings:
    """Return the settings among what an action, a request or an autoscaler says. A count of none is often unsaid."""
    said = {name: int(values[name]) for name in _NAMES if name in values}
    return {"min_node_count": 0, **said} if "max_node_count" in said else said


def first(fleet: Mapping[str, Any]) -> dict[str, Settings]:
    """Return target → what a fleet file of the emulator sets each pool to, without pools whose zones differ."""
    return {
        "/".join((project["id"], cluster["location"], cluster["name"], pool["name"])): settings_in(
            pool.get("autoscaling") or pool
        )
        for project in fleet["projects"]
        for cluster in project["clusters"]
        for pool in cluster["node_pools"]
        if not pool.get("zone_sizes")
    }


def standing(state: Mapping[str, Any]) -> dict[str, list[Settings]]:
    """Return target → what stands there, as the emulator's admin surface tells it: bounds, or the size of each zone."""
    return {
        "/".join((one["project"], one["location"], one["name"], pool["name"])): (
            [settings_in(pool["autoscaling"])]
            if pool.get("autoscaling")
            else [size(group["running"]) for group in pool["groups"]]
        )
        for one in state["clusters"]
        for pool in one["pools"]
    }


@dataclass
class Followed:
    """Pools, followed through all that was done to them."""

    left: dict[str, Settings]
    """Target → what it must stand at, where that can be known."""
    faults: list[str] = field(default_factory=list)

    def misplaced(self, stands: Mapping[str, Sequence[Settings]]) -> list[str]:
        """Return what breaks I7: pools that do not stand as they must. `stands` holds what `standing` returns."""
        return [
            f"{target} stands at {_spelled(*stands[target])} and was to be left at {_spelled(left)}"
            for target, left in self.left.items()
            if target in stands and any(one != left for one in stands[target])
        ]


def follow(records: Records, calls: Calls, first: Mapping[str, Settings]) -> Followed:
    """Return what the pools must stand at, and effects that are not what was approved, or not what was told of them.

    `first` holds what pools were set to before all calls. Others, and those that somebody else sets, are left out:
    there only the effects by themselves are judged.
    """
    followed, made = Followed(dict(first)), _made(records, calls)
    settled_as_is = {
        (row.proposal_id, row.step)
        for row in records.intents
        if row.receipt and row.receipt["outcome"] == ReceiptOutcome.NO_OP
    }
    for row in _by_end(records):
        if row.id not in made and row.state not in _AFTER_AN_EFFECT:
            continue
        if row.document is None:
            followed.faults.append(f"{row.id} is {row.state} and was never judged")
            continue
        one = _Change(row, made[row.id], {step for whose, step in settled_as_is if whose == row.id})
        before = followed.left.get(one.target)
        followed.faults += [f"{row.id} {what}" for what in one.wrong(before)]
        if before is None:
            continue
        after = one.leaves(before)
        if after is None:
            del followed.left[one.target]
        else:
            followed.left[one.target] = after
    return followed


class _Change:
    """What one proposal was to set, and what was set for it."""

    def __init__(self, row: Row[Any], made: Mapping[str, tuple[int, ServedCall]], as_is: set[str]) -> None:
        """`made` holds step → the revision and the call. `as_is`: steps that found everything as they wanted it."""
        self._row, self._made, self._as_is = row, made, as_is
        proposal = Proposal.model_validate(row.document)
        self.target: str = row.target_key.partition("/")[2]
        self._wanted = settings_in(proposal.action.model_dump())
        approved = proposal.precondition
        self._approved_at = (
            [size(one) for one in approved.target_sizes.values()]
            if isinstance(approved, SizesPrecondition)
            else [settings_in(approved.bounds.model_dump())]
            if approved.bounds
            else []
        )

    def leaves(self, before: Settings) -> Settings | None:
        """Return what the pool must stand at afterwards; None when nobody can know."""
        ends = {ProposalState.SUCCEEDED: self._wanted, ProposalState.ROLLED_BACK: before}
        return ends.get(ProposalState(self._row.state))

    def wrong(self, before: Settings | None) -> Iterator[str]:
        """Yield what was not done as it was approved, or not as it is told."""
        for step, (revision, call) in self._made.items():
            if call.target != self.target:
                yield f"({step}) changed {call.target} instead of {self.target}"
            if revision != self._row.revision:
                yield f"({step}) made revision {revision}, and {self._row.revision} is the newest"
        yield from self._forward(before)
        if self._row.state == ProposalState.ROLLED_BACK:
            yield from self._back(before)

    def _forward(self, before: Settings | None) -> Iterator[str]:
        _, call = self._made.get(Step.FORWARD, (0, None))
        if call is None:
            if self._row.state == ProposalState.SUCCEEDED and before not in (None, self._wanted):
                yield f"set nothing: wanted {_spelled(self._wanted)}, found {_spelled(before or {})}"
            return
        if (done := _set_by(call)) != self._wanted:
            yield f"set {_spelled(done)}, and {_spelled(self._wanted)} was approved"
        if before is not None and any(one != before for one in self._approved_at):
            yield f"was approved for {_spelled(*self._approved_at)} and changed {_spelled(before)}"

    def _back(self, before: Settings | None) -> Iterator[str]:
        _, call = self._made.get(Step.COMPENSATION, (0, None))
        if call is None and Step.COMPENSATION not in self._as_is:
            yield "was rolled back without a way back"
        if call is not None and before not in (None, done := _set_by(call)):
            yield f"was taken back to {_spelled(done)}, and was {_spelled(before or {})} before"


def _made(records: Records, calls: Calls) -> Mapping[str, dict[str, tuple[int, ServedCall]]]:
    """Return proposal → step → its revision and its call. That there is one of each is judged elsewhere."""
    owner, made = owners(records), defaultdict[str, dict[str, tuple[int, ServedCall]]](dict)
    for call in effects(calls):
        proposal_id, revision, step = owner.get(call.operation, "//").split("/")
        if proposal_id:
            made[proposal_id][step] = (int(revision), call)
    return made


def _by_end(records: Records) -> list[Row[Any]]:
    """Return the proposals in the order of their ends, those that go on last."""
    ends = {
        event.subject: number
        for number, event in enumerate(records.events)
        if event.type is AuditType.PROPOSAL_MOVED and ProposalState(str(event.payload["to"])).is_final
    }
    return sorted(records.proposals, key=lambda row: ends.get(row.id, len(records.events)))


def _set_by(call: ServedCall) -> Settings:
    return settings_in(call.request.get("autoscaling", call.request))


def _spelled(*settings: Settings) -> str:
    return " | ".join("/".join(map(str, one.values())) or "nothing" for one in settings)
