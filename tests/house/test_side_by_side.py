"""Side by side: folders that share a stack stay together, what takes minutes starts first."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from local.environment import ROOT
from tests import side_by_side
from tests.side_by_side import BY_UNITS, FIRST, TOGETHER, end_what_nobody_needs, put_in_order, unit_of


@pytest.mark.parametrize("folder", sorted({*FIRST, *TOGETHER}))
def test_a_folder_with_a_place_of_its_own_is_there(folder: str) -> None:
    assert (ROOT / folder).is_dir()


def test_a_test_runs_with_its_file_or_with_the_folder_that_shares_a_stack() -> None:
    assert unit_of("tests/e2e/test_kills.py::test_x[a::b]") == "tests/e2e/"
    assert unit_of("tests/e2e/test_halts.py::test_y") == "tests/e2e/"
    assert unit_of("tests/api/test_words.py::test_z[a/b::c]") == "tests/api/test_words.py"


@dataclass
class Named:
    """All that the order and the end of a unit ask of a test."""

    nodeid: str
    config: Any = field(default_factory=lambda: SimpleNamespace(workerinput={BY_UNITS: True}))


def test_what_takes_minutes_starts_first_then_the_file_with_the_most_tests() -> None:
    names = [
        "tests/a/test_one.py::test_1[old]",
        "tests/b/test_two.py::test_1[old]",
        "tests/a/test_one.py::test_1[new]",
        "tests/b/test_two.py::test_1[new]",
        "tests/c/test_three.py::test_1",
        "tests/c/test_three.py::test_2",
        "tests/c/test_three.py::test_3",
        "tests/web/screens/test_four.py::test_1",
        "tests/e2e/test_five.py::test_1",
    ]
    items: list[Any] = [Named(name) for name in names]
    put_in_order(items)
    assert [item.nodeid for item in items] == [names[i] for i in (8, 7, 4, 5, 6, 0, 2, 1, 3)]


def test_a_stack_ends_with_the_last_test_of_its_unit_only_where_a_unit_comes_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(side_by_side, "_ends", [lambda: ended.append("stack")])
    names = ("tests/e2e/test_a.py::x", "tests/e2e/test_b.py::y", "tests/api/test_c.py::z")
    first, second, other = (_any(Named(name)) for name in names)
    end_what_nobody_needs(first, second)
    assert ended == []
    for config in (SimpleNamespace(), SimpleNamespace(workerinput={BY_UNITS: False})):
        end_what_nobody_needs(_any(Named(names[1], config)), other)
        assert ended == []
    end_what_nobody_needs(second, other)
    assert ended == ["stack"]
    end_what_nobody_needs(other, None)
    assert ended == ["stack"]


def _any(item: Any) -> Any:
    return item
