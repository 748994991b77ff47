"""A few thousand fuzzed outputs, and planted faults that the proof has to see; `make proof-llm` runs 1,100,000."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from agents.capacity.tools import read_node_pool
from agents.planners import openai
from contracts.action import ACTION
from contracts.request import Proposed, ProposedAction, Refused, RequestOutcome
from guardrails.scope import decision as scope
from proofs.llm_fuzz.__main__ import Batch, Found, reply_of, work
from proofs.llm_fuzz.judge import NotOneReading, strictly

FAMILIES = ("damaged", "grown", "hostile")


def fuzz(family: str, count: int = 400) -> Found:
    return work(Batch(family, 1, range(count)))


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_forbidden_gets_past_the_reader(family: str) -> None:
    found = fuzz(family)
    assert found.fault_count == 0, found.faults
    assert found.outputs[family] == 400
    assert sum(count for end, count in found.ends.items() if end.startswith("drafts: ")) > 10


def test_what_is_drawn_again_is_no_different_reply() -> None:
    once, twice = fuzz("damaged", 100), fuzz("damaged", 100)
    assert 50 < len(once.replies) <= 100
    twice.add(once)
    assert (twice.outputs["damaged"], twice.replies) == (200, once.replies)


def test_an_output_is_the_same_each_time_it_is_drawn() -> None:
    assert [reply_of("damaged", 7, number) for number in range(5)] == [
        reply_of("damaged", 7, number) for number in range(5)
    ]


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '{"a":NaN}', '{"a":"\\ud800"}', "{", ""])
def test_the_judge_reads_no_text_that_has_two_readings(text: str) -> None:
    with pytest.raises(NotOneReading):
        strictly(text)


def forgiving(arguments: str) -> RequestOutcome:
    """A reader that repairs: unknown members are dropped, numbers in texts are numbers."""
    try:
        actions = [_repaired(one) for one in json.loads(arguments)["actions"]]
        return Proposed(text="repaired", actions=tuple(actions))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Refused(text="no", reason_code="model_output_invalid")


def _repaired(entry: dict[str, Any]) -> ProposedAction:
    names = ("kind", "project", "location", "cluster", "node_pool", "node_count")
    action = {name: entry["action"][name] for name in names}
    action["node_count"] = int(action["node_count"])
    return ProposedAction(action=ACTION.validate_python(action), rationale="because", confidence=0.5)


def raising(arguments: str) -> RequestOutcome:
    raise LookupError(arguments[:1])


@pytest.mark.parametrize(
    ("reader", "fault"), [(forgiving, "a strict reader refuses it"), (raising, "raised LookupError")]
)
def test_a_reader_that_repairs_or_raises_is_found(
    monkeypatch: pytest.MonkeyPatch, reader: Callable[[str], RequestOutcome], fault: str
) -> None:
    monkeypatch.setattr(openai, "read_finish", reader)
    found = fuzz("damaged")
    assert any(fault in one for one in found.faults)
    assert found.faults[0].startswith("--seed 1 --only damaged/")


def test_a_guardrail_without_its_limit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "_RULES", [rule for rule in scope._RULES if rule.__name__ != "_bounds"])
    assert any("is not denied" in one for one in fuzz("hostile").faults)


def test_a_tool_that_reads_what_nobody_registered_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_node_pool, "require_registered", lambda *_: None)
    assert any("asked about a target" in one for one in fuzz("hostile").faults)
