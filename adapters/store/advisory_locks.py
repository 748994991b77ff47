"""Numbers of PostgreSQL's advisory locks, in one list so that no two modules choose the same.

They are bigints with our own prefix; locks that are derived from a key (`idempotency.py`, `rate.py`) hash into the
whole range and are told apart by the name in what they hash.
"""

from __future__ import annotations

from enum import IntEnum


class AdvisoryLock(IntEnum):
    """One lock each; the second half is the order in which they came."""

    MIGRATION = 0x5C1C_0001
    """Migrations run one at a time."""
    HALT = 0x5C1C_0002
    """Exclusive while a halt is written, shared while an intent is."""
    SEQUENCER = 0x5C1C_0003
    """One sequencer numbers audit events at a time."""
