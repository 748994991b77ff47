"""Judges deadlines, whatever the clocks say meanwhile: no vote counts after `decide_by`, no effect after `execute_by`.

The database's clock rules. That it is set forward or back must not lengthen the time that a proposal was given either,
so each moment is judged twice: by the database's clock of that moment, and by the time that has really gone by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Row

from contracts.decision import DecisionStatus
from emulators.gke.log import Calls
from proofs.judgement.effects import effects, owners
from proofs.judgement.records import Records

_ENDS = {"decide_by_passed": "decide_by", "execute_by_passed": "execute_by"}
"""Reason code of an expiry → the moment that is over."""


@dataclass(frozen=True, slots=True)
class Shift:
    """From a moment on, by the true time, the database's clock is so far ahead of it."""

    since: datetime
    by: timedelta


class DatabaseClock:
    """What the database's clock said, as whoever set it knows."""

    def __init__(self, shifts: Iterable[Shift] = ()) -> None:
        """Be right until the first of these, which are in order."""
        self._shifts = list(shifts)

    def set(self, shift: Shift) -> None:
        """Take in one more, later than all others."""
        self._shifts.append(shift)

    def at(self, moment: datetime) -> datetime:
        """Return what it said at a true moment."""
        by = [one.by for one in self._shifts if one.since <= moment]
        return moment + by[-1] if by else moment

    def latest(self, moment: datetime) -> datetime:
        """Return the latest that it had said by a true moment: what was written until then is not after this."""
        ends = [one.since for one in self._shifts[1:]]
        said = [
            min(end, moment) + one.by
            for one, end in zip(self._shifts, [*ends, moment], strict=False)
            if one.since <= moment
        ]
        return max([self.at(moment), *said])


@dataclass(frozen=True)
class Given:
    """How long proposals were given, and when things were asked for by the true time."""

    asked_at: Mapping[str, datetime]
    """Proposal → when its maker had the answer. Decision → when its maker sent it."""
    longest: timedelta
    """From the making of a proposal to its `execute_by`, at most."""
    slack: timedelta
    """Between the last check before a call and the provider's log; and between an answer and what it tells of."""


def faults(records: Records, calls: Calls, clock: DatabaseClock, given: Given) -> list[str]:
    """Return votes that counted too late, effects that came too late, and proposals that were given too long."""
    rows = {row.id: row for row in records.proposals}
    found = [
        f"{row.id} was given {row.execute_by - row.created_at}, more than {given.longest}"
        for row in records.proposals
        if row.execute_by - row.created_at > given.longest
    ]
    for one in records.decisions:
        if one.status == DecisionStatus.APPLIED:
            found += _late_vote(rows[one.proposal_id], one, given)
    owner = owners(records)
    for call in effects(calls):
        proposal_id, _, step = owner.get(call.operation, "//").split("/")
        if step == "forward":
            found += _late_effect(rows[proposal_id], call.seq, call.ts, clock, given)
    return found


def early(records: Records) -> list[str]:
    """Return what expired before its time was over, where the database's clock was right throughout."""
    ends = {row.id: _ENDS.get(row.reason_code, "") for row in records.proposals if row.state == "expired"}
    return [
        f"{row.id} expired at {row.state_since}, before {getattr(row, ends[row.id])}"
        for row in records.proposals
        if ends.get(row.id) and row.state_since < getattr(row, ends[row.id])
    ]


def _late_vote(row: Row[Any], stored: Row[Any], given: Given) -> Sequence[str]:
    if stored.revision != row.revision:
        return []
    said_at = datetime.fromisoformat(stored.document["decision"]["at"])
    late = [
        f"{row.id}: the vote {stored.id} counted, and was {how} at {moment}, after {row.decide_by}"
        for how, moment in (("made", said_at), ("stored", stored.created_at))
        if moment > row.decide_by
    ]
    if stored.id in given.asked_at and _outlasts(row, row.decide_by, given.asked_at[stored.id], given):
        late.append(f"{row.id}: the vote {stored.id} counted after more time than there was to decide")
    return late


def _late_effect(
    row: Row[Any], seq: int, moment: datetime, clock: DatabaseClock, given: Given
) -> Sequence[str]:
    found = []
    if clock.at(moment) > row.execute_by + given.slack:
        found.append(f"{row.id}: call {seq} came at {clock.at(moment)}, after {row.execute_by}")
    if _outlasts(row, row.execute_by, moment, given):
        found.append(f"{row.id}: call {seq} came after more time than there was to begin")
    return found


def _outlasts(row: Row[Any], deadline: datetime, moment: datetime, given: Given) -> bool:
    """Tell whether more time has gone by until a true moment than the proposal was given when it was made."""
    made = given.asked_at.get(row.id)
    return made is not None and moment - made > deadline - row.created_at + given.slack
