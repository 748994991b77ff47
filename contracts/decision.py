"""APPROVAL: one person's signed decision on exactly one revision of a proposal.

The API authenticates the person and signs with Ed25519 (RFC 8032). The workflow's validator checks the signature
against the public keys in its input; the intent transaction checks it again against the configured keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, Self

from pydantic import AwareDatetime, Field

from contracts.base import Contract, canonical_json, unsaid
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal
from contracts.proposal import Proposal

MAX_REASON = 2_000
"""Characters of a decision's reason."""
NO_KEYS: Mapping[str, str] = MappingProxyType({})


class DecisionKind(StrEnum):
    """What the reviewer says."""

    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGE = "request_change"
    WITHDRAW = "withdraw"
    """Takes the person's own standing decision back."""


class ReasonName(StrEnum):
    """Why a reviewer rejects or asks for a change: a fixed list, kept so that it can be learnt from."""

    TOO_EXPENSIVE = "too_expensive"
    TOO_LARGE = "too_large"
    WRONG_TARGET = "wrong_target"
    WRONG_TIME = "wrong_time"
    NOT_NEEDED = "not_needed"
    EVIDENCE_MISSING = "evidence_missing"
    OTHER = "other"


class Decision(Contract):
    """What is signed."""

    schema_version: Literal[1] = 1
    id: str
    tenant: str
    proposal_id: str
    revision: int
    kind: DecisionKind
    reviewer: Principal
    proposal_digest: str
    evaluation_digest: str
    """Digest of the evaluation the reviewer saw."""
    reason: str = Field(default="", max_length=MAX_REASON)
    reason_name: ReasonName | None = Field(default=None, exclude_if=unsaid)
    on_behalf_of: tuple[Principal, ...] = Field(default=(), max_length=10, exclude_if=unsaid)
    """Whose roles and groups the reviewer was lent: `reviewer` holds them as well. See `contracts/delegation.py`."""
    at: AwareDatetime
    """Without an offset it is no moment, and comparing it with one would raise."""
    key_id: str

    def signing_bytes(self) -> bytes:
        """Return the exact bytes under the signature: RFC 8785 with a domain prefix."""
        return b"sluice.decision.v1\n" + canonical_json(self)


class SignedDecision(Contract):
    """A decision with its base64 Ed25519 signature."""

    decision: Decision
    signature: str = Field(max_length=128)


class DecisionStatus(StrEnum):
    """What became of a stored decision."""

    RECORDED = "recorded"
    """Committed by the API, not yet taken by the workflow."""
    APPLIED = "applied"
    REFUSED = "refused"
    """The workflow refused it, for example because it came late."""
    VOIDED = "voided"
    """An edit or a request for change made it void."""
    SUPERSEDED = "superseded"
    """A newer decision of the same person replaced it."""


class DecisionRules(Contract):
    """What the validator needs to know to judge a decision without any I/O. Pure data."""

    proposal_digest: str
    revision: int
    decide_by: datetime
    authors: tuple[Principal, ...]
    requirement: ApprovalRequirement
    public_keys: dict[str, str]
    """Key id → base64 raw Ed25519 public key."""

    @classmethod
    def of(
        cls, proposal: Proposal, requirement: ApprovalRequirement, keys: Mapping[str, str] = NO_KEYS
    ) -> Self:
        """Return the rules by which decisions on a proposal are judged. Without keys no signature counts."""
        return cls(
            proposal_digest=proposal.digest,
            revision=proposal.revision,
            decide_by=proposal.decide_by,
            authors=proposal.authors,
            requirement=requirement,
            public_keys=dict(keys),
        )


class DecisionResult(Contract):
    """The workflow's answer to an accepted decision."""

    decision_id: str
    state: str
    approvals: int
    quorum: int
