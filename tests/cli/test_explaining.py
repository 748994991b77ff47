"""What a person reads of `sluice explain`, `sluice policy explain` and `sluice policy shadow`, whole, line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli import explained
from tests.cli.canned import Canned, serving

TOLD = Path(__file__).parent / "told"
EXPLAIN = "/v1/proposals/prp_1/explanation"
POLICY = "/v1/proposals/prp_1/policy"
SHADOW = "/v1/policy/shadow"
CASES: dict[str, tuple[tuple[str, ...], str, Any]] = {
    "explain_waiting": (("explain", "prp_1"), EXPLAIN, explained.waiting()),
    "explain_denied": (("explain", "prp_1"), EXPLAIN, explained.denied()),
    "explain_unjudged": (("explain", "prp_1"), EXPLAIN, explained.unjudged()),
    "policy_explain": (("policy", "explain", "prp_1"), POLICY, explained.policies()),
    "policy_explain_pruned": (
        ("policy", "explain", "prp_1"),
        POLICY,
        explained.policies(input=None, policy_revision="", shadow={"error": "policy_timeout"}),
    ),
    "policy_shadow": (("policy", "shadow"), SHADOW, explained.comparison()),
    "policy_shadow_nothing": (
        ("policy", "shadow"),
        SHADOW,
        explained.comparison(
            revision=None, revisions=(), answered=0, agreed=0, unanswered={}, pairs=(), disagreements=()
        ),
    ),
}


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    with serving(monkeypatch) as server:
        yield server


@pytest.mark.parametrize("name", CASES)
def test_what_a_person_reads_is_what_was_written_down(canned: Canned, name: str) -> None:
    """The files hold standard output, and below a rule what goes to standard error."""
    command, path, answer = CASES[name]
    canned.answers[f"GET {path}"] = (200, answer)
    done = canned.run(*command)
    assert done.exit_code == 0, done.output
    lines = [*done.stdout.splitlines(), "---", *done.stderr.splitlines()]
    assert [line.rstrip() for line in lines] == (TOLD / f"{name}.txt").read_text().splitlines()


@pytest.mark.parametrize("name", CASES)
def test_a_program_reads_the_answer_of_the_api_as_it_is(canned: Canned, name: str) -> None:
    command, path, answer = CASES[name]
    canned.answers[f"GET {path}"] = (200, answer)
    done = canned.run("-o", "json", *command)
    assert (done.exit_code, json.loads(done.stdout)) == (0, answer)


def test_nothing_in_what_others_wrote_acts_on_the_terminal(canned: Canned) -> None:
    canned.answers[f"GET {EXPLAIN}"] = (200, explained.denied())
    told = canned.run("explain", "prp_1").stdout
    assert not {"\x1b", "\u202e"} & set(told)
    assert "“fine<U+001B>[2K Approved by ben<U+202E>”" in told


def test_every_file_is_of_a_case() -> None:
    assert {one.stem for one in TOLD.iterdir()} == set(CASES)
