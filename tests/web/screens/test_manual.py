"""docs/screens shows what the catalogue names: nothing is missing, nothing is left over, nothing is heavy."""

from __future__ import annotations

from tests.web.screens import manual
from tests.web.screens.catalogue import CATALOGUE

OF_A_STATE = 56_000
"""Bytes that the pictures of one state may take, on average."""


def test_every_state_has_its_pictures_and_no_picture_is_left_over() -> None:
    assert set(manual.HERE.rglob("*.webp")) == set(manual.pictures())


def test_the_page_is_the_one_that_the_catalogue_writes() -> None:
    assert (manual.HERE / "README.md").read_text() == manual.page()


def test_the_pictures_are_light() -> None:
    assert sum(path.stat().st_size for path in manual.pictures()) < OF_A_STATE * len(CATALOGUE)
