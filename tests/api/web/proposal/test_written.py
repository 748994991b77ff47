from __future__ import annotations

from pathlib import Path

import pytest

from api.web.proposal.runbooks import RUNBOOKS
from api.web.proposal.written import Block, Span, blocks

TEXT = """
**Page.** Two lines of
one paragraph, see [halt](halt.md) and [there](https://example.org).

- one `code`
- two

| a | b |
|---|---|
| `x` | y |

1. first:

   ```sh
   sluice up

   sluice down
   ```

2. second
"""


def test_a_runbook_is_read_as_paragraphs_lists_tables_and_code() -> None:
    told, bullets, table, steps = blocks(TEXT)
    assert told.spans[0] == Span("strong", "Page.")
    assert Span("link", "halt", "halt") in told.spans
    assert Span("text", "there") in told.spans
    assert bullets.items[0][0].spans == (Span("text", "one "), Span("code", "code"))
    assert table.rows == (
        ((Span("text", "a"),), (Span("text", "b"),)),
        ((Span("code", "x"),), (Span("text", "y"),)),
    )
    assert [[part.kind for part in item] for item in steps.items] == [["paragraph", "code"], ["paragraph"]]
    assert steps.items[0][1].code == "sluice up\n\nsluice down"


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_every_runbook_of_ours_leaves_no_mark_unread(path: Path) -> None:
    def words(found: tuple[Block, ...]) -> list[str]:
        kinds = []
        for block in found:
            kinds += [span.text for span in block.spans if span.kind == "text"]
            kinds += [span.text for row in block.rows for cell in row for span in cell if span.kind == "text"]
            for item in block.items:
                kinds += words(item)
        return kinds

    text = path.read_text()
    assert [
        one for one in words(blocks(text)) if any(mark in one for mark in ("`", "**", "](", "|", "## "))
    ] == []
