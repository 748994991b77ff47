"""Shapes of the audit log over HTTP."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from adapters.audit.verify import FaultKind
from contracts.audit import AuditEvent
from contracts.proposal import ProposalState

MAX_NOTE = 16_384
"""Characters of a checkpoint that somebody kept."""


class View(BaseModel):
    """An answer. Frozen."""

    model_config = ConfigDict(frozen=True)


class NumberedEvent(View):
    """One event with its position in the tree and the hash of its leaf (hex)."""

    number: int
    leaf_hash: str
    summary: str
    """One plain line, of typed facts only. Words may change; branch on `event`."""
    event: AuditEvent | None
    """None when what the database holds is no event any more: it was changed. Verify the log."""


class Events(View):
    """One page. Hand the cursor that is set back under its name, with the same filters: it is the page that follows."""

    items: tuple[NumberedEvent, ...]
    next_after: int | None = None
    """Of the order `oldest`."""
    next_before: int | None = None
    """Of the order `newest`."""


class About(View):
    """A proposal in short, for lines that speak of it."""

    summary: str
    environment: str


class CheckpointView(View):
    """A signed checkpoint over everything that was committed when it was asked for."""

    size: int
    root_hash: str
    """Base64, as in the note."""
    note: str
    """C2SP tlog-checkpoint: keep it elsewhere, and truncation can be found."""
    created_at: datetime
    verifier_key: str
    """The key that signs (C2SP signed-note). Compare it with the one you keep."""
    former_keys: tuple[str, ...]
    """Keys that signed before it, as far as this server was told."""
    unnumbered: int
    """Events that were committed since."""


class Growth(View):
    """A fresh checkpoint, and that its log begins with an earlier one."""

    old: int
    """Entries that were asked about."""
    checkpoint: CheckpointView
    path: tuple[str, ...]
    """Consistency proof (RFC 6962 §2.1.2), base64. Empty from a log to itself, and from an empty one."""


class ExportFormat(StrEnum):
    """How the log is written down."""

    JSONL = "jsonl"
    """The whole log, verifiable offline. Takes no filters."""
    CSV = "csv"
    """One row per event (RFC 4180), for a spreadsheet. Proves nothing."""


class Quote(View):
    """What somebody wrote in their own words. It proves nothing."""

    text: str
    by: str
    is_unverified: bool
    """True for words of an agent or of an alert."""

    @classmethod
    def of(cls, text: str, by: str, is_unverified: bool) -> Self | None:
        """Return the quotation, or None where nothing was written."""
        return cls(text=text, by=by, is_unverified=is_unverified) if text else None


class Sentence(View):
    """One statement, made of typed facts, and the numbers of the audit events that prove it."""

    text: str
    proof: tuple[int, ...]
    """Empty while the event is younger than a second, or where the statement is that there is none."""
    at: datetime | None = None
    quote: Quote | None = None


class Chapter(View):
    """What belongs together. `key` is stable."""

    key: str
    title: str
    sentences: tuple[Sentence, ...]


class DecisionRecord(View):
    """One proposal from request to end, in plain words."""

    proposal_id: str
    summary: str
    target: str
    environment: str
    mode: str
    state: ProposalState
    is_final: bool
    nothing_ran: bool
    """True when it is over and no call changed anything at the provider."""
    revision: int
    digest: str | None
    headline: Sentence
    chapters: tuple[Chapter, ...]
    first_number: int | None
    last_number: int | None
    events: int
    unnumbered: int
    """Events that have no number yet: they get it within a second."""
    is_complete: bool
    """False when there are more events than a record is written from."""


class VerifyBody(BaseModel):
    """What to verify against."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checkpoint: Annotated[str | None, Field(max_length=MAX_NOTE)] = None
    """A signed checkpoint that was kept elsewhere: with it, truncation and another history are found too."""


class RunStatus(StrEnum):
    """Where a verification stands."""

    RUNNING = "running"
    SOUND = "sound"
    FAULTY = "faulty"
    """The log is not what was signed."""
    FAILED = "failed"
    """It could not be verified to its end: nothing is said about the log."""


class FaultView(View):
    """One fault of the log."""

    kind: FaultKind
    number: int | None
    """Of the event it concerns."""
    line: int
    """Of the export, counted from 1."""
    message: str
    """In plain words."""


class SignedDecisions(View):
    """What the signatures of decisions in the log are worth, under the configured keys."""

    valid: int
    invalid: int
    unknown_key: int
    """By keys that are not configured any more."""
    invalid_numbers: tuple[int, ...]


class VerificationView(View):
    """One verification of the whole log, made by this server of its own database."""

    id: str
    status: RunStatus
    started_at: datetime
    seconds: float
    events_checked: int
    tree_size: int | None
    """Entries under the newest checkpoint: how far it goes."""
    proved_size: int | None
    """Entries that are proved. Equal to `tree_size` when the log is sound."""
    root_hash: str | None
    """Base64, as in the note."""
    checkpoint: str | None
    """The signed note over all of it. Keep it elsewhere."""
    verifier_key: str
    tail: int | None
    """Events that were not under the checkpoint yet: nothing is proved about them."""
    is_anchored: bool | None
    """Whether a checkpoint kept elsewhere is part of this history. None: none was given."""
    decisions: SignedDecisions | None
    fault_count: int
    faults: tuple[FaultView, ...]
    """The first ones."""
    reason_code: str | None
    """Why it failed."""
    message: str
    """The result in one sentence."""
