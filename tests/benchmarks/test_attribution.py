"""Who pays for what: processor time goes to the role that used it, and each ratio is taken within its own round."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import scale, waiting
from benchmarks.cost import Paid, each_ms
from benchmarks.floor import __main__ as floor
from benchmarks.floor.load import Measured, Sample
from benchmarks.report import Figure
from benchmarks.stored import Stored
from tests.e2e.practice_ground import PRODUCTION, Place
from tests.history_cost import Cost

PATH_MS = {"worker": 60.0, "policy": 5.0, "temporal": 50.0, "database": 35.0}
CHANGE = Sample(Place(PRODUCTION, "prod-00"), 0.1, 0.2, 1_000.0, 0.1, 1_001.0, 1_000.5)


def measured(within: int, **processor: float) -> Measured:
    """Return a round of ten seconds in which one change was followed from beginning to end."""
    return Measured(
        alone=[CHANGE], paced=[CHANGE], together=[CHANGE], seconds=10.0, within=within, processor=processor
    )


def value(figures: list[Figure], name: str) -> str:
    [found] = [one.value for one in figures if one.name == name]
    return found


@pytest.mark.parametrize("busy", [0.5, 5.0, 50.0])
def test_the_pause_after_the_last_proposal_takes_nothing_from_what_the_proposals_used(busy: float) -> None:
    pause = {"worker": 0.25, "database": 0.5}
    used = {"worker": busy + 0.25, "database": 2 * busy + 0.5}
    assert each_ms(used, pause, 20) == pytest.approx({"worker": 50 * busy, "database": 100 * busy})


def test_a_role_that_did_less_than_in_a_pause_used_nothing() -> None:
    assert each_ms({"policy": 0.0}, {"policy": 0.01}, 20) == {"policy": 0.0}


def test_what_is_in_the_sum_of_a_proposal_stands_before_what_is_beside_it() -> None:
    paid = Paid(Cost(21, 6), {}, 0.0, 0.0, {"worker": 60.0, "api": 30.0, **PATH_MS})
    assert paid.path_ms == 150.0
    assert paid.processor_text == "150: worker 60, policy 5, temporal 50, database 35; beside: api 30"


def test_a_contender_is_told_with_and_without_those_who_call_it() -> None:
    plain = measured(50, worker=0.1, temporal=0.1, database=0.1, driver=0.1, provider=9.0)
    governed = measured(20, worker=0.3, temporal=0.2, database=0.1, api=0.5, driver=0.1, provider=9.0)
    found = {name: [plain] for name in ("floor", "floor-dev", "naive", "langgraph")} | {"sluice": [governed]}
    figures = floor.figures(found)
    assert value(figures, "processor time ÷ naive Temporal") == "2×"
    assert value(figures, "processor time with API and driver ÷ naive Temporal") == "3×"
    told = value(figures, "sluice: processor ms per change")
    assert told == "600: worker 300, temporal 200, database 100; beside: api 500, driver 100, provider 9000"


def test_two_workers_are_compared_with_one_in_each_round_by_itself() -> None:
    fast, slow = measured(100), measured(50)
    found = {1: [fast, slow, slow], 2: [replace(fast, within=90), replace(slow, within=45), slow]}
    waited = waiting.Waited(4, [waiting.Step(20, [1.0])], [5.0, 7.0], 10.0)
    stored = {count: Stored([measured(1, worker=0.1)], [1.0]) for count in (1, 2)}
    figures = scale.figures(scale.Scaled(waited, stored, found))
    assert value(figures, "throughput with 2 workers ÷ 1") == "0.9× (0.9 to 1)"
    workflows = "20 pending, 4 of them in workflows"
    assert value(figures, f"{workflows}: most memory of the worker") == "10 MiB"
    assert value(figures, f"{workflows}: approve → effect p99 of 2, one in flight") == "6.98 ms"
