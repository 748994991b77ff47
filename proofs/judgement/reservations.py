"""Judges single reservations (I3): no proposal ever holds more of a budget than one of its passes said it costs."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from contracts.evaluation import Evaluation
from proofs.judgement.records import Records


def faults(records: Records) -> list[str]:
    """Return proposals that held more at a time than they cost: a pass that ran twice reserved twice."""
    costs: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in records.evaluations:
        cost = Evaluation.model_validate(row.document).cost
        for line in cost.lines if cost else ():
            key = (row.proposal_id, line.scope, line.window)
            costs[key] = max(costs[key], line.amount)
    held: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    found = []
    for entry in records.entries:
        if entry.proposal_id is None:
            continue
        key = (entry.proposal_id, entry.scope, entry.window)
        held[key] += entry.amount * ((entry.credit == "reserved") - (entry.debit == "reserved"))
        if entry.kind == "reserve" and held[key] > costs[key]:
            found.append(
                f"{entry.proposal_id} holds {held[key]} of {entry.scope} {entry.window} and costs {costs[key]}"
            )
    return found
