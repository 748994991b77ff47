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
    assert len(page) >= 3
    assert {name: Cost(int(cells[0]), int(cells[1])) for name, cells in page.items()} == {
        name: cost_in(history.events) for name, history in stored.items()
    }
