"""All points at which a process can be lost, read from the source: a new transaction on the path is a new boundary."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeGuard

BEFORE = " before commit"
AFTER = " after commit"

PATH = (
    "activities.approval.activities",
    "activities.execution.activities",
    "activities.execution.admission",
    "activities.execution.conclusion",
    "activities.guardrail.activities",
    "activities.verification.activities",
    "adapters.dispatch.dispatcher",
    "adapters.dispatch.workflows",
    "api.handoff",
    "api.proposals.closing",
    "api.proposals.decisions",
    "api.proposals.revising",
    "api.proposals.service",
    "api.safety.service",
)
"""Modules whose transactions a proposal passes through, from intake to close."""


BESIDE = frozenset(
    {
        "activities.execution.conclusion.late",  # needs a process that stands still between check and send
        "api.proposals.closing.resolve",  # a person's word on what is dirty: after the close
        "api.safety.service.reset",  # a person's word on a breaker
    }
)
"""Transactions of those modules that no proposal passes through here."""


@cache
def sites() -> Mapping[str, str]:
    """Return every transaction of the path: `module:line` as the interpreter sees it → a name that stays."""
    found = (one for module in PATH for one in _sites_in(module))
    return {place: name for place, name in found if name not in BESIDE}


def _sites_in(module: str) -> Iterator[tuple[str, str]]:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise LookupError(f"there is no module {module}")
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        lines = [node.lineno for node in ast.walk(function) if _is_transaction(node)]
        for number, line in enumerate(sorted(lines), 1):
            which = f" ({number})" if len(lines) > 1 else ""
            yield f"{module}:{line}", f"{module}.{function.name}{which}"


def _is_transaction(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("transaction", "writing")
    )
