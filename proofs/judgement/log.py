"""Judges the audit log (I6): the export verifies offline under its key, and rebuilds the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from adapters.audit.checkpoint import CheckpointKey
from adapters.audit.replay import ReplayInconsistent, events_of, replay
from adapters.audit.verify import verify_export
from contracts.audit import AuditEvent
from proofs.judgement.records import Records


def faults(records: Records, export: bytes, key: CheckpointKey) -> list[str]:
    """Return what breaks I6. `records` and `export` are of the same moment: nothing moves any more."""
    lines = export.splitlines(keepends=True)
    report = verify_export(lines, [key])
    found = [f"line {fault.line} of the export: {fault.kind}, {fault.message}" for fault in report.faults]
    if report.entries != len(records.events):
        found.append(f"the export has {report.entries} of {len(records.events)} events")
    return found + rebuilt(records, events_of(lines))


def rebuilt(records: Records, events: Iterable[AuditEvent]) -> list[str]:
    """Return where the tables are not what these events lead to."""
    try:
        state = replay(events)
    except ReplayInconsistent as error:
        return [str(error)]
    made = {one.id: (one.state, one.revision, one.digest) for one in state.proposals.values()}
    votes = {one.id: (one.proposal_id, one.reviewer, one.status) for one in state.votes.values()}
    asked = {one.id: (one.status, one.answer) for one in state.requests.values()}
    balances = {key: (one.reserved, one.committed) for key, one in state.balances.items()}
    windows = {(row.tenant, row.scope, row.window): (row.reserved, row.committed) for row in records.windows}
    pairs: tuple[tuple[str, Mapping[Any, object], Mapping[Any, object]], ...] = (
        ("proposals", made, {row.id: (row.state, row.revision, row.digest) for row in records.proposals}),
        ("votes", votes, {row.id: (row.proposal_id, row.reviewer, row.status) for row in records.decisions}),
        ("requests", asked, {row.id: (row.status, row.answer) for row in records.requests}),
        # A window that was only ever looked at has a row, and nothing was posted to it.
        ("budget windows", {**dict.fromkeys(windows, (0, 0)), **balances}, windows),
    )
    return [
        f"{name}: {key} is {stored.get(key)}, the events say {said.get(key)}"
        for name, said, stored in pairs
        for key in said.keys() | stored.keys()
        if said.get(key) != stored.get(key)
    ]
