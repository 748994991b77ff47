"""The page of reason codes against the code: none is missing, none is invented.

What counts as a code is read from the syntax: what an error class declares, what a verdict, a refusal, a move or a
problem is made with.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import ROOT, named

ROOMS = ("contracts", "guardrails", "activities", "workflows", "agents", "adapters", "api")
CODE = re.compile(r"[a-z]+(_[a-z0-9]+)*")
SECOND_ARGUMENT = {
    *("deny", "hold", "require_approval", "_Need", "_busy_provider"),
    *("Problem", "Ineligible", "step_back", "abandon", "give_up", "unreachable", "_mark_dirty", "_close"),
    "notice",
}
NOT_CODES = {"decide_later", "sluice_audit", "sluice_outbox", "sluice_sequenced", "sluice_node_count"} | {
    "sluice_decision_refused",
    "free_at",
    "sluice_theme",
    "typed_name",
}
"""Constants that name something else: signals, channels, a label, a cookie, a field of a form, a fact."""
MADE_UP = {"breaker_half_open": "breaker_", "policy_<rule>": "policy_"}
"""Codes that are put together while running: code → the part that stands in the source."""
_FINDABLE = {
    *("proposal", "request", "halt", "breaker", "conversation", "delegation", "configuration", "grant"),
    *("event", "checkpoint"),
}
NOT_FOUND = {f"{what}_not_found" for what in _FINDABLE}
"""Made by `api.problems.not_found`."""


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path, ast.parse(path.read_text())


def constants(node: ast.AST | None) -> Iterator[str]:
    """String constants of an expression, through `a if b else c` and `a or b`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*constants(node.body), *constants(node.orelse))
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from constants(value)


def codes_of(tree: ast.Module) -> Iterator[str]:
    yield from _named_constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.ClassDef):
            for statement in node.body:
                yield from constants(_assigned(statement, "reason_code"))
        elif isinstance(node, ast.Tuple):
            yield from _of_tuple(node)
        elif isinstance(node, ast.Dict):
            yield from _of_dict(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from constants(_assigned(node, "code"))


def _of_call(node: ast.Call) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in SECOND_ARGUMENT and len(node.args) > 1:
        yield from constants(node.args[-1] if name in _LAST else node.args[1])
    for keyword in node.keywords:
        if keyword.arg == "reason_code":
            yield from constants(keyword.value)


def _of_dict(node: ast.Dict) -> Iterator[str]:
    """What a webhook or an audit event is told: `{"reason_code": "nobody_decided"}`."""
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and key.value == "reason_code":
            yield from constants(value)


def _of_tuple(node: ast.Tuple) -> Iterator[str]:
    if len(node.elts) == 2 and _is_state(node.elts[0]):
        yield from constants(node.elts[1])
    if len(node.elts) == 4 and _is_wait(node):
        yield from constants(node.elts[2])


_LAST = {"step_back", "abandon", "give_up", "unreachable", "_mark_dirty", "_close", "notice"}


def _named_constants(tree: ast.Module) -> Iterator[str]:
    """`STALE_DIGEST = "stale_digest"`: a constant of a module that is named for its value, in parts or whole."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            yield from (code for code in constants(statement.value) if name.isupper() and "_" in code)


def _assigned(node: ast.stmt, name: str) -> ast.expr | None:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    is_it = any(isinstance(target, ast.Name) and target.id == name for target in targets)
    return getattr(node, "value", None) if is_it else None


def _is_wait(node: ast.Tuple) -> bool:
    """`(until when, rule, code, words)` of guardrails/rate: a name, two constants, a name or a call."""
    return not any(isinstance(node.elts[place], ast.Constant) for place in (0, 3))


def _is_state(node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return node.id == "refused"
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "_S"


def test_every_code_that_the_source_makes_is_on_the_page() -> None:
    page = set(named("reason-codes.md"))
    missing = {
        f"{code} ({path.relative_to(ROOT)})"
        for path, tree in modules()
        for code in codes_of(tree)
        if code not in page | NOT_CODES
    }
    assert sorted(missing) == []


def test_the_reading_of_the_source_finds_codes_in_each_room() -> None:
    found = {path.relative_to(ROOT).parts[0] for path, tree in modules() if any(codes_of(tree))}
    assert {"contracts", "guardrails", "activities", "adapters", "agents", "api"} <= found


def test_no_code_on_the_page_is_invented() -> None:
    source = "\n".join(path.read_text() for path, _ in modules())
    listed = [name for name in named("reason-codes.md") if name not in NOT_FOUND]
    assert [name for name in listed if f'"{MADE_UP.get(name, name)}' not in source] == []


def test_no_code_has_two_meanings_in_one_table_of_guardrails() -> None:
    guardrail_codes = named("reason-codes.md")[:36]
    assert len(set(guardrail_codes)) == len(guardrail_codes)
