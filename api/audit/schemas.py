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
    """The newest signed checkpoint, and how much is not under it yet."""

    size: int
    root_hash: str
    """Hex; the note has it in base64."""
    note: str
    """C2SP tlog-checkpoint: keep it elsewhere, and truncation can be found."""
    created_at: datetime
    numbered: int
    """Events in the tree by now."""
    unnumbered: int
    """Events committed but not yet numbered."""
