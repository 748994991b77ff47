from __future__ import annotations

import time

import pytest

from agents.planners.decision_words import sounds_like_a_decision


@pytest.mark.parametrize(
    "text",
    [
        "approve",
        "Approved!",
        "LGTM",
        "yes, approve it please",
        "I approve the proposal.",
        "approve prp_0123abc",
        "reject both",
        "go ahead and approve that",
        "please approve my last change",
    ],
)
def test_an_attempt_to_decide_is_recognised(text: str) -> None:
    assert sounds_like_a_decision(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "scale web to 4",
        "who can approve it?",
        "approve the scaling of web to 4",
        "why was it rejected?",
    ],
)
def test_everything_else_goes_to_the_planner(text: str) -> None:
    assert not sounds_like_a_decision(text)


@pytest.mark.parametrize("text", ["yes, " * 1_600, "approve" + " the last" * 900, "approve " + "a" * 7_900])
def test_a_hostile_text_costs_no_time(text: str) -> None:
    began = time.thread_time()
    sounds_like_a_decision(text)
    assert time.thread_time() - began < 0.1
