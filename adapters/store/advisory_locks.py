"""Numbers of PostgreSQL's advisory locks, in one list so that no two modules choose the same.

They are bigints with our own prefix. Locks that are derived from a key (`idempotency.py`, `coalescing.py`) hash into
the whole range and are told apart by the name of their area in what they hash.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum


class AdvisoryLock(IntEnum):
    """One lock each; the second half is the order in which they came."""

    MIGRATION = 0x5C1C_0001
    """Migrations run one at a time."""
    HALT = 0x5C1C_0002
    """Exclusive while a halt is written, shared while an intent is."""
    SEQUENCER = 0x5C1C_0003
    """One sequencer numbers audit events at a time."""


def derived_lock(area: str, *parts: str) -> int:
    """Return the lock of a key: the same in every process, and another one in every area."""
    digest = hashlib.sha256("\n".join((area, *parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
