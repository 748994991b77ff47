"""Sluice runs from its checkout: no installed distribution may own one of its top-level names (ADR 0001)."""

from __future__ import annotations

from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_IMPORTABLE = {"docs", "requirements", "node_modules", "build"}


def top_level_names() -> set[str]:
    folders = {
        entry.name
        for entry in ROOT.iterdir()
        if entry.is_dir() and not entry.name.startswith((".", "_")) and entry.name not in NOT_IMPORTABLE
    }
    return folders | {entry.stem for entry in ROOT.glob("*.py")}


def test_the_rooms_of_the_house_are_found() -> None:
    assert {"contracts", "guardrails", "workflows", "activities", "agents", "worker"} <= top_level_names()


def test_no_installed_distribution_owns_one_of_our_top_level_names() -> None:
    owners = packages_distributions()
    taken = {name: owners[name] for name in top_level_names() if name in owners}
    assert taken == {}
