"""The guardrails that run, by name, in the order in which they are shown. All of them run, always."""

from __future__ import annotations

from collections.abc import Callable

from contracts.evaluation import Verdict
from guardrails.approval_rule.decision import decide as approval_rule
from guardrails.blast_radius.decision import decide as blast_radius
from guardrails.budget.decision import decide as budget
from guardrails.change_window.decision import decide as change_window
from guardrails.circuit_breaker.decision import decide as circuit_breaker
from guardrails.facts import Facts
from guardrails.halt.decision import decide as halt
from guardrails.policy.decision import decide as policy
from guardrails.rate.decision import decide as rate
from guardrails.scope.decision import decide as scope

Guardrail = Callable[[Facts], Verdict]

GUARDRAILS: tuple[tuple[str, Guardrail], ...] = (
    ("scope", scope),
    ("halt", halt),
    ("change_window", change_window),
    ("policy", policy),
    ("blast_radius", blast_radius),
    ("rate", rate),
    ("circuit_breaker", circuit_breaker),
    ("budget", budget),
    ("approval_rule", approval_rule),
)
