"""Judges approvals by the audit log alone (I2, I4): who decided on what, and whether that was enough.

The events of a proposal are followed in their order with a count of votes that shares no code with the product's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contracts.audit import AuditEvent, AuditType
from contracts.decision import SignedDecision
from contracts.signature import is_signed_by
from proofs.judgement.records import Records

_OPEN = "awaiting_approval"
_SAME_MOMENT = frozenset(
    {
        AuditType.DECISION_SUPERSEDED,
        AuditType.DECISION_VOIDED,
        AuditType.BREAKER_MOVED,
        AuditType.LEDGER_POSTED,
        AuditType.DECISION_REFUSED,
        AuditType.PROPOSAL_COMMENTED,
        AuditType.PROPOSAL_REMINDED,
    }
)
"""What may stand between a vote and the move: written by the same transaction, or without the proposal's lock."""


def faults(records: Records, public_keys: Mapping[str, str]) -> list[str]:
    """Return proposals that went on without enough votes, or waited on with them, and votes that counted wrongly."""
    about = records.events_about()
    found = []
    for row in records.proposals:
        followed = _Count(public_keys).follow(about.get(row.id, ()))
        found += [f"{row.id}: {what}" for what in followed]
    return found


@dataclass
class _Count:
    """The votes on one proposal, as far as its events were followed."""

    public_keys: Mapping[str, str]
    state: str = ""
    revision: int = 1
    quorum: int = 0
    """What the strictest pass of this revision has asked for."""
    digest: str | None = None
    decide_by: datetime | None = None
    authors: set[tuple[str, str]] = field(default_factory=set)
    said: dict[str, SignedDecision] = field(default_factory=dict)
    """Decision → what was signed, in the order of recording."""
    stands: dict[str, str] = field(default_factory=dict)
    applied: set[str] = field(default_factory=set)
    """Decisions that counted at any time."""

    def follow(self, events: Iterable[AuditEvent]) -> Iterator[str]:
        """Take one event after the other; yield what is wrong."""
        counted: AuditEvent | None = None
        for event in events:
            if counted is not None and event.type not in _SAME_MOMENT:
                if not _is_approval(event) and self._has_enough():
                    yield f"had its approvals at {counted.at} and then came {event.type}"
                counted = None
            yield from self._take(event)
            if event.type is AuditType.DECISION_APPLIED:
                counted = event
        if counted is not None and self._has_enough():
            yield f"had its approvals at {counted.at} and nothing came of them"

    def _has_enough(self) -> bool:
        """Tell whether it waits for nobody any more, those left out who have said otherwise meanwhile."""
        return self.state == _OPEN and 0 < self.quorum <= len(self._approving(of_newest=True))

    def _take(self, event: AuditEvent) -> Iterable[str]:
        payload = event.payload
        match event.type:
            case AuditType.PROPOSAL_CREATED:
                self.state, self.authors = "evaluating", _people(payload["authors"])
            case AuditType.PROPOSAL_REVISED:
                draft = payload["draft"]
                self.revision, self.digest, self.quorum = draft["revision"], None, 0
                self.authors = _people(draft["authors"])
            case AuditType.PROPOSAL_EVALUATED if payload["revision"] == self.revision:
                self.quorum = max(self.quorum, (payload["requirement"] or {}).get("quorum", 0))
            case AuditType.PROPOSAL_MOVED:
                yield from self._move(event)
            case AuditType.DECISION_RECORDED:
                signed = SignedDecision.model_validate(payload)
                self.said[signed.decision.id], self.stands[signed.decision.id] = signed, "recorded"
            case AuditType.DECISION_APPLIED:
                yield from self._apply(payload["decision"]["id"])
            case AuditType.DECISION_REFUSED | AuditType.DECISION_VOIDED | AuditType.DECISION_SUPERSEDED:
                # A message that only claims to be somebody's decision was never recorded.
                if payload["decision_id"] in self.stands and "claimed_reviewer" not in payload:
                    self.stands[payload["decision_id"]] = "settled"

    def _apply(self, decision_id: str) -> Iterable[str]:
        if decision_id in self.applied:
            yield f"{decision_id} counted twice"
        elif self.stands.get(decision_id) != "recorded":
            yield f"{decision_id} counted though it is {self.stands.get(decision_id)}"
        elif self.state != _OPEN:
            yield f"{decision_id} counted when it was {self.state}"
        elif self.said[decision_id].decision.revision != self.revision:
            yield f"{decision_id} counted on another revision than it was made for"
        else:
            reviewer = self.said[decision_id].decision.reviewer
            if (reviewer.issuer, reviewer.subject) in self.authors or reviewer.kind.value != "human":
                yield f"{decision_id} of {reviewer.subject} counted, who may not decide on it"
        self.applied.add(decision_id)
        self.stands[decision_id] = "applied"

    def _move(self, event: AuditEvent) -> Iterable[str]:
        payload = event.payload
        if "proposal" in payload:
            self.digest = payload["digest"]
            self.decide_by = datetime.fromisoformat(payload["proposal"]["decide_by"])
        if (payload["from"], payload["to"]) == (_OPEN, "ready"):
            valid = len(self._approving())
            if self.quorum == 0 or valid < self.quorum:
                yield f"went on with {valid} of {self.quorum} valid approvals"
        self.state = payload["to"]

    def _approving(self, *, of_newest: bool = False) -> set[tuple[str, str]]:
        """Return who approves this revision now. `of_newest`: without those who have said otherwise since."""
        people = set()
        for decision_id, signed in self.said.items():
            said = signed.decision
            person = (said.reviewer.issuer, said.reviewer.subject)
            counts = (
                self.stands[decision_id] == "applied"
                and said.kind.value == "approve"
                and said.reviewer.kind.value == "human"
                and "approver" in {role.value for role in said.reviewer.roles}
                and person not in self.authors
                and (said.revision, said.proposal_digest) == (self.revision, self.digest)
                and self.decide_by is not None
                and said.at <= self.decide_by
                and is_signed_by(signed, self.public_keys)
            )
            if counts and not (of_newest and self._has_second_thoughts(person)):
                people.add(person)
        return people

    def _has_second_thoughts(self, person: tuple[str, str]) -> bool:
        return any(
            self.stands[decision_id] == "recorded"
            and one.decision.revision == self.revision
            and one.decision.kind.value != "approve"
            and (one.decision.reviewer.issuer, one.decision.reviewer.subject) == person
            for decision_id, one in self.said.items()
        )


def _people(authors: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    return {(one["issuer"], one["subject"]) for one in authors}


def _is_approval(event: AuditEvent) -> bool:
    return event.type is AuditType.PROPOSAL_MOVED and event.payload["to"] == "ready"
