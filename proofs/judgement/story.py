"""Tells what happened to those that have a fault: the steps of a run that nobody can repeat as it was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from contracts.audit import AuditEvent
from proofs.judgement.records import Records
from proofs.report import say

TOLD = 5
"""Whose steps are told of a run: of the first that have a fault."""
_SUBJECT = re.compile(r"\b(?:prp|req)_\w+")


def stories(records: Records, faults: Iterable[str], most: int = TOLD) -> dict[str, list[str]]:
    """Return the steps of the first proposals and requests that these faults name, in the order of their events."""
    about = records.events_about()
    named = dict.fromkeys(subject for fault in faults for subject in _SUBJECT.findall(fault))
    return {subject: [_step(event) for event in about.get(subject, ())] for subject in [*named][:most]}


def tell(found: Mapping[str, Sequence[str]]) -> None:
    """Say them."""
    for subject, steps in found.items():
        say("\n  ".join((f"\n{subject}", *steps)))


def _step(event: AuditEvent) -> str:
    payload = event.payload
    decision = payload.get("decision") or {}
    said = {
        "who": event.actor.subject,
        "what": decision.get("kind") or payload.get("to"),
        "decision": decision.get("id") or payload.get("decision_id"),
        "because": payload.get("reason_code"),
    }
    words = (f"{name} {word}" for name, word in said.items() if word)
    return f"{event.at:%H:%M:%S.%f} {event.type} {', '.join(words)}"
