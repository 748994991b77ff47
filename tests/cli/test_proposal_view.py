from __future__ import annotations

import io

import pytest
from rich.console import Console

from api.proposals.schemas import ProposalView
from cli.proposal_view import MAX_LINES, WIDTH, lines_of, render
from cli.text import harmless
from contracts.evaluation import Outcome, Verdict
from contracts.proposal import Planner, PlannerKind, ProposalState
from contracts.request import Trust
from tests.cli.views import view
from tests.contracts.samples import AGENT, ANA, observation

HOSTILE = {
    "clear screen": "\x1b[2J\x1b[Happroved by everybody",
    "colour": "\x1b[32mSUCCEEDED\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "hyperlink": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "C1 control": "\x9b2J\x9d0;x\x9c",
    "carriage return": "safe\rDENIED is allowed",
    "new line": "fine\nVerdicts    ok   all",
    "markup": "[bold red]URGENT[/bold red] [link=https://evil.example]x[/link] [/]",
    "bidi": "\u202egnp.exe\u2066",
    "zero width": "appro\u200bve\ufeff",
    "backspace": "no\x08\x08yes",
}


def text_of(shown: ProposalView, width: int = WIDTH) -> str:
    return "\n".join(line.plain for line in lines_of(shown, width))


def test_the_ten_facts_are_on_one_screen() -> None:
    shown = text_of(view())
    for fact in (
        "resize acme-prod/europe-west4/serving/inference  in PRODUCTION",
        "6 -> 12 nodes",
        "europe-west4-a 2 -> 4",
        "+6 nodes, 100% of the pool, 50% of the cluster; reversible",
        "+2,744.80 USD per month",
        "environment=production, month:2026-11: takes 812.50, leaves 38,187.50 of 40,000.00 USD",
        "asks approval_rule",
        "ok   budget",
        "required by environment_quorum",
        "ana by api, trusted text, planner direct",
        "3 h 59 min to decide, until 16:00 UTC; expires = rejected",
        "0 of 1 by approver; YOU MAY DECIDE",
        "1 min 0 s ago",
    ):
        assert fact in shown
    assert shown.index("asks approval_rule") < shown.index("ok   budget")


def test_somebody_who_may_not_decide_is_told_why() -> None:
    assert "you may not: You asked for this" in text_of(view(caller=ANA))


def test_uneven_zones_are_not_reversible() -> None:
    assert "NOT REVERSIBLE: its zones differ in size" in text_of(view(observation=observation(2, 3, 2)))


def test_an_agents_words_are_labelled_and_a_persons_are_not() -> None:
    by_agent = view(authors=(ANA, AGENT), planner=Planner(kind=PlannerKind.OPENAI, model="gpt-5-mini"))
    assert "agent says, unverified: the queue grows" in text_of(by_agent)
    assert "planner openai gpt-5-mini" in text_of(by_agent)
    assert "agent says, unverified" in text_of(view(trust=Trust.UNTRUSTED))
    assert "unverified" not in text_of(view())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("terminal", [True, False])
def test_foreign_text_cannot_act_on_the_terminal_or_be_read_as_markup(text: str, terminal: bool) -> None:
    shown = view(
        reason=text,
        row={"message": text, "reason_code": text},
        planner=Planner(kind=PlannerKind.OPENAI, model=text),
    )
    verdict = Verdict(guardrail="scope", outcome=Outcome.DENY, rule="r", reason_code="x", message=text)
    shown = shown.model_copy(update={"verdicts": (verdict,)})
    output = io.StringIO()
    render(shown, Console(file=output, width=WIDTH, force_terminal=terminal, color_system=None, markup=False))
    printed = output.getvalue()
    assert not set(printed) & set("\x1b\x07\x08\r\x9b\x9d\x9c\u202e\u2066\u200b\ufeff")
    assert len(printed.splitlines()) == len(lines_of(shown))
    if "[bold red]" in text:
        assert "[bold red]URGENT[/bold red]" in printed


def test_the_longest_proposal_fits_on_forty_lines_of_a_hundred_columns() -> None:
    many = tuple(
        Verdict(
            guardrail=f"guard_{index}", outcome=Outcome.DENY, rule="r", reason_code="c", message="m " * 500
        )
        for index in range(40)
    )
    shown = view(reason="w " * 2_000, row={"message": "z" * 2_000})
    lines = lines_of(shown.model_copy(update={"verdicts": many}))
    assert len(lines) <= MAX_LINES
    assert max(line.cell_len for line in lines) <= WIDTH
    assert any(line.plain.startswith("Approvals") for line in lines)


def test_a_narrow_terminal_cuts_lines_and_keeps_them_apart() -> None:
    output = io.StringIO()
    render(view(), Console(file=output, width=60, color_system=None))
    assert max(len(line.rstrip()) for line in output.getvalue().splitlines()) <= 60


def test_a_proposal_that_is_not_observed_yet_is_drawn() -> None:
    shown = view(ProposalState.EVALUATING, row={"document": None, "digest": None, "reason_code": None})
    assert "the present state is not observed yet" in text_of(shown)


def test_harmless_keeps_ordinary_words_of_any_language() -> None:
    assert harmless("naïve 日本語 🙂 עברית") == "naïve 日本語 🙂 עברית"
    assert harmless("a\x1bb") == "a<U+001B>b"
    assert harmless("x" * 50, 10) == "x" * 10 + "…"
