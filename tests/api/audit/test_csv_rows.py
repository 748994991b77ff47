from __future__ import annotations

import csv
import io

import pytest

from api.audit.csv_rows import event_rows, harmless, header_row
from api.audit.schemas import NumberedEvent
from tests.api.audit.story import Story


@pytest.mark.parametrize("cell", ["=1+1", "+49", "-1", "@sum", "\tx", "\rx", "\n=1", "\uff1d1", "\uff20sum"])
def test_a_cell_that_a_spreadsheet_could_take_for_a_formula_gets_an_apostrophe(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


def test_ordinary_cells_stay_as_they_are() -> None:
    assert [harmless(cell) for cell in ("", "0", "a=b", "resize")] == ["", "0", "a=b", "resize"]


def test_commas_quotes_and_line_ends_survive_a_round_trip() -> None:
    event = Story().events[0].event
    summary = 'a "quoted", text\r\nover two lines'
    row = NumberedEvent(number=7, leaf_hash="ab", summary=summary, event=event)
    written = (header_row() + event_rows([row])).decode()
    (read,) = csv.DictReader(io.StringIO(written, newline=""))
    assert (read["number"], read["summary"]) == ("7", summary)
