from __future__ import annotations

from temporalio.client import WorkflowHistory

from tests.docs.pages import ROOT, rows
from tests.history_cost import Cost, cost_in

HISTORIES = ROOT / "tests" / "replay" / "histories"


def test_the_page_tells_the_cost_of_the_stored_histories() -> None:
    page = {row[1].strip("`"): row[2:] for row in rows("workflow-cost.md") if row[1].startswith("`")}
    stored = {
        name: WorkflowHistory.from_json(name, (HISTORIES / f"{name}.json").read_text()) for name in page
    }
    assert set(page) >= {"proposal_approved", "proposal_edited", "proposal_vote_changed"}
    assert {name: Cost(int(cells[0]), int(cells[1])) for name, cells in page.items()} == {
        name: cost_in(history.events) for name, history in stored.items()
    }


def stored_cost(name: str) -> Cost:
    return cost_in(WorkflowHistory.from_json(name, (HISTORIES / f"{name}.json").read_text()).events)


def test_the_page_tells_what_edits_and_further_decisions_add() -> None:
    decision, change, edit = [
        Cost(int(row[1]), int(row[2]))
        for row in rows("workflow-cost.md")
        if row[0].startswith(("each further decision", "the first change", "each edit"))
    ]

    def sum_of(*parts: Cost) -> Cost:
        return Cost(sum(one.events for one in parts), sum(one.actions for one in parts))

    approved, rejected = stored_cost("proposal_approved"), stored_cost("proposal_rejected")
    assert stored_cost("proposal_edited") == sum_of(approved, decision, edit)
    assert stored_cost("proposal_vote_changed") == sum_of(rejected, decision, change)
    assert stored_cost("proposal_vote_withdrawn") == sum_of(approved, decision, decision, decision, change)


def test_one_approval_keeps_to_the_limit() -> None:
    cost = stored_cost("proposal_approved")
    assert cost.events <= 30
    assert cost.actions <= 7
