"""Reads the tables of reference pages."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def rows(page: str) -> list[list[str]]:
    """Return the cells of every table row of a reference page, headings and rules included."""
    lines = (REFERENCE / page).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def named(page: str) -> list[str]:
    """Return what the first columns of a page's tables name in code marks, in order."""
    return [name for row in rows(page) for name in re.findall(r"`([^`]+)`", row[0])]
