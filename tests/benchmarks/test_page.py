"""The page of published measurements says what the file of figures says, and its pictures are drawn from it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.catalogue import BENCHMARKS
from benchmarks.drawing import svg
from benchmarks.page import FIGURES, PAGE, pictures, sections, unexplained, written
from benchmarks.report import Bar, Chart, Result, Spread, at_most, spread_at_least, spread_at_most, told
from proofs.catalogue import Proof, Size
from proofs.figures import keeping
from proofs.suite import Outcome

CHART = Chart("speed", "Speed & <more>", "/s", (Bar("floor", Spread(10.0, 8.0, 12.0, 3)),), 6.0)
REPORT = Result(
    "How fast?",
    (at_most("p95", 210.0, 200.0, " ms"), told("rounds", 3)),
    again="python -m benchmarks.floor",
    ended_at="2026-01-02T03:04:05+00:00",
    seconds=90.0,
    charts=(CHART,),
    notes=("Read this.",),
)
MACHINE = {"cores": "2", "processor": "Some CPU", "memory": "24 GiB", "commit": "abc"}
KEPT = {"floor": REPORT.document() | {"command": "python -m benchmarks.floor", "machine": MACHINE}}


def test_the_page_shows_the_kept_figures_and_nothing_else() -> None:
    page = PAGE.read_text()
    assert written(page, json.loads(FIGURES.read_text())) == page


def test_every_picture_of_the_page_is_drawn_from_the_kept_figures() -> None:
    drawn = dict(pictures(json.loads(FIGURES.read_text())))
    there = {path.name: path.read_text() for path in FIGURES.parent.glob("bench-*.svg")}
    assert there == drawn


def test_a_missed_target_is_shown_as_such_beside_its_command() -> None:
    shown = sections(KEPT, "")
    assert "| p95 | 210 ms | at most 200 ms | **no** |" in shown
    assert "| rounds | 3 |  |  |" in shown
    assert "`make bench-floor`, which runs `python -m benchmarks.floor`; 2026-01-02, 1.5 minutes" in shown
    assert "- Read this." in shown
    assert "![Speed & <more>](figures/bench-floor-speed.svg)" in shown


def test_a_missed_target_leads_to_its_reason_where_the_page_gives_one() -> None:
    page = "## Where a target is missed, and why\n| `floor` | p95 | slow |\n## More\n| `cost` | p95 | |\n"
    assert "| [**no**](#where-a-target-is-missed-and-why) |" in sections(KEPT, page)
    assert unexplained(KEPT, page) == []
    for other in (
        page.replace("`floor`", "`cost`"),
        page.replace("p95", "p50"),
        page.replace("Where", "When"),
    ):
        assert "| **no** |" in sections(KEPT, other)
        assert unexplained(KEPT, other) == ["floor: p95"]


def test_the_figures_of_a_benchmark_are_kept_as_it_ends(tmp_path: Path) -> None:
    file, published = tmp_path / "figures.json", []
    keep = keeping(file, file, lambda: published.append(json.loads(file.read_text())))
    for name in ("floor", "cost"):
        one = Proof(name, f"benchmarks.{name}")
        keep(Outcome(one, Size.FULL, f"python -m {one.module}", 1.0, REPORT.document(), ""))
    assert [sorted(one) for one in published] == [["floor"], ["cost", "floor"]]


def test_a_page_without_a_place_for_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        written("# Performance\n", KEPT)


def test_a_picture_is_well_formed_and_always_the_same() -> None:
    [chart] = KEPT["floor"]["charts"]
    picture = svg(chart)
    assert picture == svg(json.loads(json.dumps(chart)))
    root = ElementTree.fromstring(picture)  # noqa: S314 -- our own
    assert root.attrib["aria-label"] == "Speed & <more>"
    assert "target 6 /s" in picture


def test_a_bar_is_drawn_of_its_parts_which_are_named_below() -> None:
    made_of = Bar("sluice", Spread.of([5.0]), {"worker": 2.0, "database": 3.0})
    picture = svg(_as_kept(Chart("cost", "Cost", "ms", (made_of,))))
    assert picture.count('class="p0" x="260.0"') == 1
    assert ">worker</text>" in picture
    assert ">database</text>" in picture


def test_what_must_not_be_stands_out_and_says_what_it_is() -> None:
    twice = Bar("naive", Spread.of([5.0]), said="2 effects", is_wrong=True)
    picture = svg(_as_kept(Chart("faults", "Faults", "s", (twice,))))
    assert 'class="wrong"' in picture
    assert ">2 effects</text>" in picture


def _as_kept(chart: Chart) -> Any:
    return json.loads(json.dumps(asdict(chart)))


def test_a_spread_is_judged_by_its_median_and_tells_its_range() -> None:
    found = Spread.of([2.0, 1.4, 1.5])
    assert found.text("×") == "1.5× (1.4 to 2)"
    assert Spread.of([7.0]).text(" ms") == "7 ms"
    assert spread_at_most("ratio", found, 1.6).holds
    assert not spread_at_most("ratio", found, 1.49).holds
    assert spread_at_least("ratio", found, 1.5).holds
    assert not spread_at_least("ratio", found, 1.51).holds


def test_every_benchmark_has_a_short_form_and_runs_alone() -> None:
    assert all(one.quick is not None and one.is_alone for one in BENCHMARKS)
    assert len({one.name for one in BENCHMARKS}) == len(BENCHMARKS)
