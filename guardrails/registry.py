"""The guardrails that run, by name, in the order in which they are shown. All of them run, always.

Those of one's own come after the shipped ones. They are installed once, before the first pass
(`guardrails/discovery.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from contracts.errors import ConfigurationInvalid
from contracts.evaluation import Verdict
from guardrails.approval_rule.decision import decide as approval_rule
from guardrails.blast_radius.decision import decide as blast_radius
from guardrails.budget.decision import decide as budget
from guardrails.change_window.decision import decide as change_window
from guardrails.circuit_breaker.decision import decide as circuit_breaker
from guardrails.extension import Extension
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

_extensions: tuple[Extension, ...] = ()


def in_force() -> tuple[tuple[str, Guardrail], ...]:
    """Return every guardrail of this process: the shipped ones, then the extensions by name."""
    return GUARDRAILS + tuple((one.name, one) for one in _extensions)


def install(extensions: Iterable[Extension]) -> None:
    """Have this process judge with these beside the shipped ones, in place of those installed before.

    Raises:
        ConfigurationInvalid: two have one name, or one has a name that could be a shipped one's.
    """
    global _extensions
    found = tuple(sorted(extensions, key=lambda one: one.name))
    names = [one.name for one in found]
    if len(set(names)) != len(names) or any(name.count("/") != 1 for name in names):
        raise ConfigurationInvalid(f"guardrails cannot be told apart by name: {', '.join(names)}")
    _extensions = found


def installed() -> tuple[Extension, ...]:
    """Return the extensions of this process, by name."""
    return _extensions
