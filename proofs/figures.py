"""The published figures: kept in one file, newest run of each name, and put into their place on a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from proofs.machine import described
from proofs.suite import Outcome

_BEGIN, _END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"

_BROKEN = {
    "name": "newest run",
    "value": "ended without a report",
    "wanted": "a report",
    "holds": False,
}


def keeping(file: Path | None, published: Path, publish: Callable[[], None]) -> Callable[[Outcome], None]:
    """Return what keeps each report in `file` as it comes, and publishes where that is the published file.

    The machine and the versions are those of now, before anything runs.
    """
    machine = described() if file is not None else {}

    def keep_one(outcome: Outcome) -> None:
        if file is not None:
            keep(file, [outcome], machine)
            if file.resolve() == published:
                publish()

    return keep_one


def keep(file: Path, outcomes: Sequence[Outcome], machine: Mapping[str, str]) -> None:
    """Put the reports into the file, with command and machine; those of other names stay as they are.

    Where a run broke off, the report of the one before does not stand as if nothing had happened.
    """
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for one in outcomes:
        if one.report is not None:
            kept[one.name] = one.report | {"command": one.command, "machine": machine}
        elif one.name in kept:
            before = kept[one.name]
            figures = [figure for figure in before["figures"] if figure["name"] != _BROKEN["name"]]
            kept[one.name] = before | {"figures": [*figures, _BROKEN], "holds": False}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def placed(page: str, figures: str) -> str:
    """Return the page with these figures in their place.

    Raises:
        ValueError: the page has no place for them.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError("the page has no place for the figures")
    return before + begin + figures + end + after


def rewrite(page: Path, figures: Path, written: Callable[[str, dict[str, Any]], str]) -> None:
    """Write a page anew from the file of figures; `written` takes the page's text and the reports by name."""
    kept = json.loads(figures.read_text(encoding="utf-8"))
    page.write_text(written(page.read_text(encoding="utf-8"), kept), encoding="utf-8")
