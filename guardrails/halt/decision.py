"""GUARDRAIL halt: an open halt that covers the change stops it. A draining one stops it too."""

from __future__ import annotations

from contracts.evaluation import Verdict
from contracts.holds import on_halt
from guardrails.answers import Answers
from guardrails.facts import Facts

_ANSWER = Answers("halt")


def decide(facts: Facts) -> Verdict:
    """Deny before anybody waits for it, hold when it was allowed already."""
    draft = facts.draft
    covering = next(
        (
            halt
            for halt in facts.halts
            if halt.scope.covers(
                tenant=draft.tenant,
                environment=draft.environment,
                target_key=draft.action.target.key,
                action_kind=draft.action.kind,
                authors=draft.authors,
            )
        ),
        None,
    )
    if covering is None:
        return _ANSWER.allow("no_halt", "No halt covers this change.")
    message = f"Halt {covering.id} stops this: {covering.reason}"
    facts_used = {"halt_id": covering.id, "status": covering.status.value}
    if facts.admitting:
        return _ANSWER.hold(
            "no_halt",
            "halted",
            message,
            held_on=on_halt(covering.id),
            facts=dict(facts_used),
            remedy="It goes on by itself when an operator ends the halt.",
        )
    remedy = "Wait until an operator has ended the halt, then propose it again."
    return _ANSWER.deny("no_halt", "halted", message, dict(facts_used), remedy=remedy)
