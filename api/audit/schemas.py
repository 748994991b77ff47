"""Shapes of the audit log over HTTP."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from contracts.audit import AuditEvent


class NumberedEvent(BaseModel):
    """One event with its position in the tree and the hash of its leaf (hex)."""

    number: int
    leaf_hash: str
    event: AuditEvent


class Events(BaseModel):
    """One page in the order of the tree. `next_after` is the `after` of the page that follows."""

    items: tuple[NumberedEvent, ...]
    next_after: int | None


class CheckpointView(BaseModel):
    """A signed checkpoint over everything that was committed when it was asked for."""

    size: int
    root_hash: str
    """Base64, as in the note."""
    note: str
    """C2SP tlog-checkpoint: keep it elsewhere, and truncation can be found."""
    created_at: datetime
    verifier_key: str
    """The key that signed it (C2SP signed-note). Compare it with the one you keep."""
    unnumbered: int
    """Events that were committed since."""
