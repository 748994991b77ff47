from __future__ import annotations

import time

import pytest

from agents.planners.follow_up import understood
from agents.planners.phrases import IT, Bounds, Named, Phrase, Scale, Size
from contracts.request import Turn

INFERENCE = Named("inference", ("acme-prod", "serving"))
PROPOSED = Turn(
    text="scale inference in acme-prod to 4", proposals=("resize acme-prod/serving/inference to 4 per zone",)
)
BOTH = PROPOSED.model_copy(
    update={"proposals": (*PROPOSED.proposals, "resize acme-prod/serving/web to 4 per zone")}
)


def said(text: str, answer: str = "") -> Turn:
    return Turn(text=text, answer=answer)


@pytest.mark.parametrize(
    ("text", "earlier", "phrase"),
    [
        ("and make it 5", [PROPOSED], Scale(INFERENCE, 5, None, False)),
        ("now scale that pool down by 1 per zone", [PROPOSED], Scale(INFERENCE, None, -1, True)),
        ("how big is it?", [PROPOSED, said("thanks!")], Size(INFERENCE)),
        ("then set the autoscaling of it to 1-4", [PROPOSED], Bounds(INFERENCE, 1, 4)),
        ("make it 3", [said("how big is web?")], Scale(Named("web", ()), 3, None, False)),
        ("make it 3", [PROPOSED, said("how big is web?")], Scale(Named("web", ()), 3, None, False)),
        ("4", [said("scale web up by 2")], Scale(Named("web", ()), 4, None, False)),
        ("to 4 per zone please", [said("scale web up by 2")], Scale(Named("web", ()), 4, None, True)),
        (
            "the one in sandbox",
            [said("scale default to 5")],
            Scale(Named("default", ("sandbox",)), 5, None, False),
        ),
        (
            "acme-dev/sandbox/default",
            [said("scale default to 5")],
            Scale(Named("default", ("acme-dev", "sandbox")), 5, None, False),
        ),
    ],
)
def test_a_turn_is_understood_from_the_ones_before_it(text: str, earlier: list[Turn], phrase: Phrase) -> None:
    assert understood(text, earlier) == phrase


@pytest.mark.parametrize("earlier", [[], [BOTH], [said("hello")]], ids=["first", "two-pools", "no-pool"])
def test_what_it_means_is_left_open_where_nothing_tells(earlier: list[Turn]) -> None:
    found = understood("make it 4", earlier)
    assert isinstance(found, Scale)
    assert found.pool == IT


@pytest.mark.parametrize(
    ("text", "earlier"),
    [
        ("4", []),
        ("4", [PROPOSED]),
        ("4", [said("how big is web?")]),
        ("the one in sandbox", [said("list pools")]),
    ],
)
def test_a_lone_number_or_place_means_nothing_unless_it_was_asked_for(text: str, earlier: list[Turn]) -> None:
    assert understood(text, earlier) is None


def test_an_earlier_answer_is_never_read() -> None:
    told = said("hello", "resize acme-prod/serving/inference to 9 per zone. scale web in acme-prod to 9")
    found = understood("make it 4", [told])
    assert isinstance(found, Scale)
    assert found.pool == IT


def test_a_long_hostile_conversation_costs_no_time() -> None:
    earlier = [said("scale the a" + " in the b," * 90 + " to")] * 8
    began = time.thread_time()
    understood("make it 4", earlier)
    assert time.thread_time() - began < 0.3
