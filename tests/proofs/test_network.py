"""The proof of the network: lost answers are found out, a change that is repeated unread is seen, cells are judged."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from activities.execution.activities import EffectActivities
from activities.execution.attempt import Work
from adapters.store import intents
from contracts.base import utc_now
from contracts.effect import Intent
from proofs.network import lost_answers
from proofs.network.__main__ import felt, figures_of_answers
from proofs.network.cells import RECOVERS_WITHIN, Cell, table
from proofs.network.faults import FAULTS
from proofs.network.lost_answers import LOSSES, Case, Losses, Lost
from proofs.network.stack import DEPENDENCIES
from proofs.network.toxiproxy import program

CASES = 2 * len(LOSSES)
LANES = 6


async def repeated_unread(activities: EffectActivities, work: Work) -> None:
    """A planted bug: a call that was not answered is taken for one that was not made."""
    async with activities._database.transaction() as connection:
        record = await intents.find(connection, work.key)
        assert record is not None
        intent = Intent.model_validate(record.document)
        await intents.withdraw(connection, work.key, work.proposal.id, intent.fence)


async def test_each_way_of_losing_an_answer_leaves_one_effect_that_is_told(tmp_path: Path) -> None:
    losses = await lost_answers.run(tmp_path, CASES, program(), lanes=LANES)
    assert losses.faults == []
    assert losses.states == Counter(succeeded=CASES)
    assert sum(losses.timed_out.values()) >= CASES / 2
    assert losses.timed_out.keys() >= {"swallowed", "late"}
    assert losses.ended.keys() <= {"cut", "reset"}


async def test_a_call_that_is_repeated_unread_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EffectActivities, "_recover", repeated_unread)
    losses = await lost_answers.run(tmp_path, len(LOSSES), program(), lanes=LANES)
    assert any("belongs to no proposal" in fault for fault in losses.faults)


CASE = Case("prp_1", "late", Lost(utc_now(), timed_out=True), attempts=2)
LOST = Losses([CASE] * 10, timed_out={"late": 9}, ended={"cut": 1}, states={"succeeded": 10}, faults=[])


def test_only_calls_that_timed_out_count_as_such_and_some_connections_must_have_ended() -> None:
    assert all(one.holds for one in figures_of_answers(LOST, 9))
    for wrong in (replace(LOST, timed_out={"late": 8}, ended={"cut": 2}), replace(LOST, ended={})):
        (figure,) = [one for one in figures_of_answers(wrong, 9) if not one.holds]
        assert figure.name.endswith("after the effect")


SOUND = Cell(
    "reset",
    "Temporal",
    requests=["req_1"],
    ended_meanwhile=3,
    outcomes=Counter(succeeded=4),
    recovered_after=3.0,
)
CALM = Cell(
    "no fault", "GKE", requests=["req_1"], ended_meanwhile=5, outcomes=Counter(succeeded=4), asked_model=1
)


def test_a_cell_that_came_to_its_end_is_as_it_must_be() -> None:
    assert SOUND.faults() == []
    closed = Counter({"denied (policy_unavailable)": 4})
    assert replace(SOUND, dependency="OPA", outcomes=closed).faults() == []
    assert "| reset | 4 succeeded; 2 held up" in table([SOUND])


UNFELT = replace(SOUND, ended_meanwhile=5, asked_model=1)


def test_faults_that_change_nothing_show_nothing() -> None:
    assert all(one.holds for one in felt([SOUND, UNFELT], CALM))
    for met, calm in (
        ([SOUND, UNFELT, UNFELT], CALM),
        ([SOUND], replace(CALM, ended_meanwhile=3)),
        ([SOUND, replace(UNFELT, dependency="LLM")], CALM),
    ):
        [wrong] = [one for one in felt(met, calm) if not one.holds]
        assert wrong.name.startswith("faults felt at")
    (unasked,) = [one for one in felt([SOUND], replace(CALM, asked_model=0)) if not one.holds]
    assert unasked.name == "without a fault, calls that reached the model"


@pytest.mark.parametrize(
    "seen",
    [
        {"ended_meanwhile": 4},
        {"repeated": 1},
        {"outcomes": Counter({"succeeded": 3, "denied (policy_unavailable)": 1})},
        {"asked_model": 0, "dependency": "LLM"},
        {"asked_model": 3, "dependency": "LLM"},
    ],
    ids=["held-up", "sent-again", "refused", "model-not-reached", "model-asked-again"],
)
def test_a_fault_is_felt_by_whoever_waits_asks_again_or_is_refused(seen: dict[str, Any]) -> None:
    assert not UNFELT.is_felt(CALM)
    assert replace(UNFELT, **seen).is_felt(CALM)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(SOUND, open=["prp_1 did not end: executing"]),
        replace(SOUND, recovered_after=RECOVERS_WITHIN + 1),
        replace(SOUND, outcomes=Counter({"denied (provider_unavailable)": 4})),
        replace(SOUND, outcomes=Counter({"succeeded": 3, "dirty (operation_timeout)": 1})),
        replace(SOUND, outcomes=Counter()),
        replace(SOUND, outcomes=Counter(), dependency="OPA"),
    ],
    ids=["open", "late", "nothing", "dirty", "nobody", "nobody-where-it-fails-closed"],
)
def test_what_may_not_be_is_a_fault(wrong: Cell) -> None:
    assert wrong.faults()


def test_cells_have_names_of_their_own() -> None:
    names = {Cell(fault.name, dependency).name for fault in FAULTS for dependency in DEPENDENCIES}
    assert len(names) == len(FAULTS) * len(DEPENDENCIES) == 45
