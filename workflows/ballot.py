"""APPROVAL inside the workflow: which messages may count as decisions. Memory and pure checks only.

A message is what somebody with access to Temporal chose to send. Nothing in it is believed before it was parsed, and
no way of being wrong may fail the workflow or the worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

with workflow.unsafe.imports_passed_through():
    # A failed signature check imports this from native code, which aborts the process inside the sandbox.
    import cryptography.exceptions  # noqa: F401
    from pydantic import ValidationError

    from contracts import approval, eligibility
    from contracts.decision import Decision, DecisionRules, SignedDecision
    from contracts.messages import ProposalInput, RefusalInput
    from contracts.signature import is_signed_by

MALFORMED = "malformed_decision"
PROPOSAL_CLOSED = approval.PROPOSAL_CLOSED
_CLAIM_LENGTH = 200


def refuse(reason_code: str) -> NoReturn:
    """Raise the refusal of a decision as Temporal carries it to the sender: `type` is the reason code."""
    raise ApplicationError(
        "the decision does not count",
        type=reason_code,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )


def parse(parts: Sequence[object]) -> SignedDecision:
    """Return the decision in a message of plain JSON values.

    Raises:
        ApplicationError: type `malformed_decision`; the message is none.
    """
    if len(parts) != 1:
        refuse(MALFORMED)
    try:
        return SignedDecision.model_validate(parts[0])
    except ValidationError:
        refuse(MALFORMED)


def refusal_input(start: ProposalInput, parts: Sequence[object], reason_code: str) -> RefusalInput:
    """Return what is audited about a refused message. Who sent it is only claimed."""
    decision_id = reviewer = ""
    if reason_code != MALFORMED:
        decision = parse(parts).decision
        decision_id, reviewer = decision.id, decision.reviewer.spelled
    return RefusalInput(
        proposal_id=start.proposal_id,
        tenant=start.tenant,
        decision_id=decision_id[:_CLAIM_LENGTH],
        claimed_reviewer=reviewer[:_CLAIM_LENGTH],
        reason_code=reason_code,
    )


class Ballot:
    """Who may still vote on the present revision, and by which rules."""

    def __init__(self, start: ProposalInput) -> None:
        """Begin without rules: before the first pass nobody can vote."""
        self._start = start
        self._rules: DecisionRules | None = None
        self._votes: Mapping[eligibility.Voter, Decision] = {}

    @property
    def decide_by(self) -> datetime | None:
        """The last moment to decide, while decisions are taken."""
        return self._rules.decide_by if self._rules else None

    @property
    def revision(self) -> int:
        """The revision that is decided on; 0 before any."""
        return self._rules.revision if self._rules else 0

    def open(self, rules: DecisionRules) -> None:
        """Take decisions by these rules, under the keys of the workflow's input. Votes of a new revision start anew."""
        if self._rules is not None and self._rules.revision != rules.revision:
            self._votes = {}
        self._rules = rules.model_copy(update={"public_keys": self._start.public_keys})

    def authenticate(self, signed: SignedDecision) -> None:
        """Refuse what is not signed for this proposal. Used while a guard pass runs and the rules may change.

        Raises:
            ApplicationError: not this proposal's, or the signature is not valid.
        """
        decision = signed.decision
        if (decision.tenant, decision.proposal_id) != (self._start.tenant, self._start.proposal_id):
            refuse(eligibility.STALE_DIGEST)
        if not is_signed_by(signed, self._start.public_keys):
            refuse(eligibility.BAD_SIGNATURE)

    def check(self, signed: SignedDecision, now: datetime) -> None:
        """Let a decision through, or refuse it. Whether it repeats one the database says: this may know less.

        Raises:
            ApplicationError: its type is the reason code.
        """
        rules, start = self._rules, self._start
        if rules is None:
            refuse(PROPOSAL_CLOSED)
        code = eligibility.vote_refusal(
            signed, rules, tenant=start.tenant, proposal_id=start.proposal_id, now=now
        )
        if code is not None:
            refuse(code)

    def replaces(self, signed: SignedDecision) -> bool:
        """Tell whether the person has decided on this revision before, otherwise."""
        before = self._remembered(signed)
        return before is not None and before.kind is not signed.decision.kind

    def repeats(self, signed: SignedDecision) -> str | None:
        """Return why it says nothing beside what this remembers of the person, or None."""
        if signed.decision.revision != self.revision:
            return None
        before = self._remembered(signed)
        return eligibility.repeat_refusal(signed.decision.kind, before.kind if before else None)

    def knows(self, signed: SignedDecision) -> bool:
        """Tell whether this very decision counts already: a repeated delivery is no second vote."""
        before = self._remembered(signed)
        return before is not None and before.id == signed.decision.id

    def take(self, signed: SignedDecision) -> None:
        """Note a decision that the database has applied, with what it does to the votes before it."""
        self._votes = approval.votes_after(self._votes, signed.decision)

    def _remembered(self, signed: SignedDecision) -> Decision | None:
        return self._votes.get(eligibility.voter(signed.decision.reviewer))
