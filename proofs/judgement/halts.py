"""Judges halts (I8): the provider takes no covered call from the moment a halt is effective until it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Row

from adapters.store.halts import covers
from contracts.safety import HaltScope
from emulators.gke.log import Calls
from proofs.judgement.effects import effects, owners
from proofs.judgement.records import Records


def faults(records: Records, calls: Calls, halts: Sequence[Row[Any]]) -> list[str]:
    """Return the calls that came under an effective halt. `halts`: rows of that table."""
    owner, found = owners(records), []
    for call in effects(calls):
        of = owner.get(call.operation, "").split("/")[0]
        # A call that nobody owns may be anybody's on that target.
        covered = [
            row
            for row in records.proposals
            if of == row.id or (not of and row.target_key.endswith(call.target))
        ]
        found += [
            f"call {call.seq} on {call.target} came at {call.ts}, under the halt {halt.id} of {halt.effective_at}"
            for halt in halts
            if halt.effective_at is not None
            and halt.effective_at < call.ts
            and (halt.ended_at is None or call.ts < halt.ended_at)
            and any(covers(HaltScope.model_validate(halt.scope), row) for row in covered)
        ]
    return found
