"""Writes the published figures into docs/performance.md, and draws their charts beside the file of figures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.catalogue import BENCHMARKS
from benchmarks.drawing import svg
from proofs.figures import placed, rewrite
from proofs.report import say

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "figures" / "benchmarks.json"
PAGE = ROOT / "docs" / "performance.md"
_REASONS = "## Where a target is missed, and why\n"
Reasons = Sequence[tuple[str, str]]
"""Benchmark, and how the name of its figure begins."""


def sections(kept: dict[str, Any], page: str) -> str:
    """Return one section per kept report, in the order of the catalogue. A target that was missed says so, and leads to
    the reason where the page gives one.
    """
    reasons = _reasons(page)
    return "\n".join(_section(one.name, kept[one.name], reasons) for one in BENCHMARKS if one.name in kept)


def _section(name: str, report: dict[str, Any], reasons: Reasons) -> str:
    lines = [f"### {report['promise']}", ""]
    lines += [
        f"`make bench-{name}`, which runs `{report['command']}`; {report['ended_at'][:10]}, "
        f"{report['seconds'] / 60:.1f} minutes, {_machine(report['machine'])}.",
        "",
        "| figure | measured | target | kept |",
        "|---|---|---|---|",
    ]
    lines += [_row(name, one, reasons) for one in report["figures"]]
    if report["notes"] or report["faults"]:
        lines += ["", *(f"- {one}" for one in (*report["notes"], *report["faults"]))]
    for chart in report["charts"]:
        lines += ["", f"![{chart['title']}](figures/{_file(name, chart)})"]
    return "\n".join([*lines, ""])


def _row(name: str, one: dict[str, Any], reasons: Reasons) -> str:
    missed = "[**no**](#where-a-target-is-missed-and-why)" if _is_explained(name, one, reasons) else "**no**"
    kept = ("yes" if one["holds"] else missed) if one["wanted"] else ""
    return f"| {one['name']} | {one['value']} | {one['wanted']} | {kept} |"


def _reasons(page: str) -> Reasons:
    """Return what the page gives reasons for, in rows that a person writes."""
    return re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page.partition(_REASONS)[2].partition("\n## ")[0], re.M)


def _is_explained(name: str, one: dict[str, Any], reasons: Reasons) -> bool:
    return any(name == benchmark and one["name"].startswith(figure) for benchmark, figure in reasons)


def unexplained(kept: dict[str, Any], page: str) -> list[str]:
    """Return what misses its target and has no reason on the page yet."""
    reasons = _reasons(page)
    return [
        f"{name}: {one['name']}"
        for name, report in kept.items()
        for one in report["figures"]
        if not one["holds"] and not _is_explained(name, one, reasons)
    ]


def _machine(machine: dict[str, str]) -> str:
    return (
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory']}, commit {machine['commit']}"
    )


def _file(name: str, chart: dict[str, Any]) -> str:
    return f"bench-{name}-{chart['name']}.svg"


def pictures(kept: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield file name and content of every chart."""
    for one in BENCHMARKS:
        for chart in kept.get(one.name, {}).get("charts", ()):
            yield _file(one.name, chart), svg(chart)


def written(page: str, kept: dict[str, Any]) -> str:
    """Return the page with these reports in their place.

    Raises:
        ValueError: the page has no place for them.
    """
    return placed(page, sections(kept, page))


def publish() -> None:
    """Rewrite the page and the pictures from the file of figures, and say which misses have no reason yet.

    Pictures that no figure is behind any more go.
    """
    kept = json.loads(FIGURES.read_text(encoding="utf-8"))
    drawn = dict(pictures(kept))
    for path in FIGURES.parent.glob("bench-*.svg"):
        if path.name not in drawn:
            path.unlink()
    for name, content in drawn.items():
        (FIGURES.parent / name).write_text(content, encoding="utf-8")
    rewrite(PAGE, FIGURES, written)
    for one in unexplained(kept, PAGE.read_text(encoding="utf-8")):
        say(f"{PAGE.name} has no reason yet for {one}")
