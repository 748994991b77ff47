"""Judges the ledger (I3): no grant above a hard cap, sums that follow from the entries, nothing reserved at rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

from contracts.proposal import ProposalState
from proofs.judgement.records import Records

_ACCOUNTS = ("reserved", "committed")


def faults(records: Records, caps: Mapping[str, Decimal]) -> list[str]:
    """Return what breaks I3. `caps` holds scope → hard cap of its windows, for example `team=dev-01` → 100."""
    sums: dict[tuple[str, str, str], dict[str, Decimal]] = defaultdict(
        lambda: dict.fromkeys(_ACCOUNTS, Decimal(0))
    )
    found = []
    for entry in records.entries:
        accounts = sums[entry.tenant, entry.scope, entry.window]
        if entry.debit in accounts:
            accounts[entry.debit] -= entry.amount
        if entry.credit in accounts:
            accounts[entry.credit] += entry.amount
        cap = caps.get(entry.scope)
        if entry.kind == "reserve" and cap is not None and sum(accounts.values()) > cap:
            found.append(f"ledger entry {entry.id} took {entry.scope} to {sum(accounts.values())} of {cap}")
    for row in records.windows:
        accounts = sums[row.tenant, row.scope, row.window]
        if (row.reserved, row.committed) != tuple(accounts[name] for name in _ACCOUNTS):
            found.append(
                f"{row.scope} {row.window} stands at {row.reserved}/{row.committed}, its entries at {accounts}"
            )
    return found


def held_at_rest(records: Records) -> list[str]:
    """Return what is at rest and still holds money. A dirty proposal keeps its own until a person looks."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    for entry in records.entries:
        amount = (
            entry.amount if entry.credit == "reserved" else -entry.amount if entry.debit == "reserved" else 0
        )
        held[entry.proposal_id or entry.request_id or "opening"] += amount
    dirty = {row.id for row in records.proposals if row.state == ProposalState.DIRTY}
    return [
        f"{subject} still holds {amount}"
        for subject, amount in held.items()
        if amount and subject not in dirty
    ]
