from __future__ import annotations

import json
from typing import Any

from agents.capacity.finish import text_so_far
from agents.capacity.progress import Progress
from contracts.progress import MAX_PROGRESS_STEPS, MAX_PROGRESS_TEXT, RequestProgress

POOL = {"project": "acme-prod", "node_pool": "inference"}
MODEL = {"kind": "model", "name": "stub-1", "error": None}
CALL = {"id": "c", "name": "read_node_pool", "arguments": json.dumps(POOL)}
READ: dict[str, Any] = {
    "messages": [{"role": "tool", "content": '{"status": "RUNNING"}'}],
    "steps": [{"kind": "tool", "name": "read_node_pool", "arguments": POOL, "error": None}],
    "pending": [],
    "route": "plan",
}


def states(progress: RequestProgress) -> list[tuple[str, str, str]]:
    return [(step.kind, step.name, step.state.value) for step in progress.steps]


def test_steps_run_and_are_done_in_their_order() -> None:
    progress = Progress()
    assert states(progress.began("plan")) == [("model", "", "running")]
    asked = progress.after("plan", {"steps": [MODEL], "pending": [CALL], "route": "read"})
    assert states(asked) == [("model", "stub-1", "done"), ("tool", "read_node_pool", "running")]
    assert asked.steps[1].arguments == POOL
    read = progress.after("read", READ)
    assert states(read)[1:] == [("tool", "read_node_pool", "done"), ("model", "", "running")]
    assert read.steps[1].result == '{"status": "RUNNING"}'
    ended = progress.after("plan", {"steps": [MODEL], "pending": [], "route": "end"})
    assert states(ended)[-1] == ("model", "stub-1", "done")


def test_a_model_that_never_came_back_is_shown_as_failed_before_the_rules_planner() -> None:
    progress = Progress()
    progress.began("plan")
    assert states(progress.began("rules")) == [("model", "", "failed"), ("rules", "rules planner", "running")]
    assert states(progress.after("rules", {"route": "end"}))[-1] == ("rules", "rules planner", "done")


def test_a_failed_tool_shows_its_reason() -> None:
    progress = Progress()
    failed = READ | {"steps": [READ["steps"][0] | {"error": "unknown_tool"}]}
    [step, _] = progress.after("read", failed).steps
    assert (step.state, step.error) == ("failed", "unknown_tool")


def test_what_a_hostile_model_sends_stays_small() -> None:
    progress = Progress()
    long = CALL | {"arguments": json.dumps({"x": "y" * 3_000})}
    for _ in range(200):
        shown = progress.after("plan", {"steps": [MODEL], "pending": [long], "route": "read"})
        shown = progress.after("read", READ)
    assert len(shown.steps) == MAX_PROGRESS_STEPS
    assert progress.after("plan", {"steps": [], "pending": [long], "route": "read"}).steps[-1].arguments == {
        "cut": True
    }


def test_the_sentence_of_an_unfinished_answer_can_be_read_along() -> None:
    whole = json.dumps({"outcome": "answered", "text": 'It runs "well" – 2 of 2.', "actions": []})
    seen = [text_so_far(whole[:end]) for end in range(len(whole) + 1)]
    assert seen[-1] == 'It runs "well" – 2 of 2.'
    assert all(seen[-1].startswith(one) for one in seen)
    assert len(set(seen)) > 10


def test_what_is_no_answer_reads_as_nothing() -> None:
    for arguments in ("", "{", "[1, 2", '{"text": 5}', '"text"', "not json", '{"text": ["a', "\x00"):
        assert text_so_far(arguments) == ""
    assert len(text_so_far('{"text": "' + "x" * 9_000)) == MAX_PROGRESS_TEXT
