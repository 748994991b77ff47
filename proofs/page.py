"""Writes the published figures into docs/reliability.md: promise, figures, date, command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from proofs.catalogue import PROOFS, Proof
from proofs.figures import placed, rewrite

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "figures" / "proofs.json"
PAGE = ROOT / "docs" / "reliability.md"


def table(kept: dict[str, Any]) -> str:
    """Return the kept reports as a Markdown table, in the order of the catalogue. A broken promise says so."""
    lines = [
        "| promise | its test in `make test` | figures | date, minutes | command |",
        "|---|---|---|---|---|",
    ]
    for proof in PROOFS:
        for name, target in ((proof.name, f"proof-{proof.name}"), (f"{proof.name}-long", "proof-long")):
            if name in kept:
                lines.append(_row(proof, target, kept[name]))
    return "\n".join(lines) + "\n"


def _row(proof: Proof, target: str, report: dict[str, Any]) -> str:
    figures = "<br>".join(_figure(one) for one in report["figures"])
    promise = report["promise"] if report["holds"] else f"**Not kept:** {report['promise']}"
    when = f"{report['ended_at'][:10]}, {report['seconds'] / 60:.1f}"
    test = f"[{Path(proof.test).name}](../{proof.test})"
    return f"| {promise} | {test} | {figures} | {when} | `make {target}`: `{report['command']}` |"


def _figure(one: dict[str, Any]) -> str:
    wanted = f" (wanted {one['wanted']})" if one["wanted"] and one["wanted"] != one["value"] else ""
    return f"{one['name']}: {one['value']}{wanted}"


def written(page: str, kept: dict[str, Any]) -> str:
    """Return the page with the table of these reports in its place.

    Raises:
        ValueError: the page has no place for it.
    """
    return placed(page, table(kept))


def publish() -> None:
    """Rewrite the page from the file of figures."""
    rewrite(PAGE, FIGURES, written)
