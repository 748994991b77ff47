"""The tables of stages lead to folders and tests that are there, and leave no stage of the path out."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT

STAGES = ["request", "agent", "proposal", "guardrails", "approval", "execution", "verification", "audit"]


def stages(page: str) -> list[list[str]]:
    """The rows of a page whose last two columns are folders and tests."""
    lines = [line for line in (ROOT / page).read_text().splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if re.match(r"`tests/", row[-1])]


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_every_folder_and_test_of_a_stage_is_there(page: str) -> None:
    named = [path for row in stages(page) for cell in row[-2:] for path in re.findall(r"`([^`]+)`", cell)]
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_table_of_the_readme_has_every_stage_in_order() -> None:
    assert [row[0] for row in stages("README.md")] == [*STAGES, "pages"]


def test_the_architecture_follows_a_proposal_through_every_stage() -> None:
    followed = [row[1].partition(",")[0] for row in stages("docs/architecture.md") if row[0].isdigit()]
    assert list(dict.fromkeys(followed)) == STAGES
