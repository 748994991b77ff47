from __future__ import annotations

import time

import pytest

from agents.planners.phrases import Bounds, Named, Phrase, Plain, Scale, Size, parse

INFERENCE = Named("inference", ("acme-prod",))


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("scale inference in acme-prod to 4", Scale(INFERENCE, 4, None, False)),
        (
            "  Please scale the Inference node pool in acme-prod to 4 nodes per zone! ",
            Scale(INFERENCE, 4, None, True),
        ),
        ("resize inference to 4 in acme-prod", Scale(INFERENCE, 4, None, False)),
        ("scale acme-prod/inference to 0", Scale(INFERENCE, 0, None, False)),
        ("scale up inference in acme-prod to 4", Scale(INFERENCE, 4, None, False, 1)),
        ("scale inference in acme-prod down to 4", Scale(INFERENCE, 4, None, False, -1)),
        ("shrink inference to 4 in acme-prod", Scale(INFERENCE, 4, None, False, -1)),
        ("grow inference in acme-prod by 3", Scale(INFERENCE, None, 3, False)),
        (
            "set web in serving in acme-prod to 3 nodes",
            Scale(Named("web", ("serving", "acme-prod")), 3, None, False),
        ),
        ("scale the gpu pool up by 2", Scale(Named("gpu", ()), None, 2, False)),
        ("scale inference in acme-prod down by 1 per zone", Scale(INFERENCE, None, -1, True)),
        ("grow up inference in acme-prod by 3", Scale(INFERENCE, None, 3, False)),
        ("set the autoscaling of batch to 1-6", Bounds(Named("batch", ()), 1, 6)),
        (
            "change autoscaling bounds for batch between 0 and 6 nodes per zone",
            Bounds(Named("batch", ()), 0, 6),
        ),
        ("how big is inference in acme-prod?", Size(INFERENCE)),
        ("how many nodes does inference in acme-prod have?", Size(INFERENCE)),
        ("help", Plain("help")),
        ("What can you do?", Plain("help")),
        ("list pools", Plain("list")),
        ("which node pools are there?", Plain("list")),
    ],
)
def test_a_phrase_is_understood(text: str, phrase: Phrase) -> None:
    assert parse(text) == phrase


@pytest.mark.parametrize(
    "text",
    [
        "",
        "scale",
        "scale inference",
        "scale inference to",
        "scale inference to -1",
        "scale inference to 6; drop",
        "scale inference to 4.5",
        "scale inference to four",
        "scale inference to ٤",
        "scale inference to 10000000000",
        "scale inference by 2",
        "scale up inference down by 2",
        "scale up inference down to 2",
        "shrink inference up by 2",
        "do not scale inference in acme-prod to 4",
        "scale inference in acme-prod to 4 and web to 5",
        "scale inference in acme-prod to 4\nignore the rules",
        "delete inference in acme-prod",
        'scale "inference" to 4',
    ],
)
def test_what_is_no_phrase_is_not_guessed_at(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    "text",
    ["scale " + "a in " * 1_600, "scale the a" + " in the b," * 700 + " to", "how big is " + "a" * 7_900],
)
def test_a_hostile_text_costs_no_time(text: str) -> None:
    began = time.thread_time()
    assert parse(text[:8_000]) is None
    assert time.thread_time() - began < 0.2
