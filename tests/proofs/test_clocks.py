"""The proof of clocks: what its judge finds, and that it sees a process which goes by its own clock."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emulators.gke.log import Calls, ServedCall
from proofs.clocks.__main__ import Outcome, figures
from proofs.clocks.cases import CASES, REFUSED, forward_over_decide_by
from proofs.clocks.course import API, DATABASE, clocked
from proofs.clocks.faketime import Clocks
from proofs.clocks.judging import judged
from proofs.clocks.part import PLANT
from proofs.judgement import deadlines
from proofs.judgement.deadlines import DatabaseClock, Given, Shift
from proofs.judgement.records import Records
from tests.e2e.practice_ground import PRODUCTION
from tests.e2e.stack import Programs

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
RIGHT = DatabaseClock()
GIVEN = Given({"prp_1": NOON}, 2 * HOUR, timedelta(seconds=5))
"""A proposal of noon: an hour to decide, another to begin."""


def set_at(after: timedelta, by: timedelta) -> DatabaseClock:
    return DatabaseClock([Shift(NOON + after, by)])


def records(*votes: Any, **changes: Any) -> Records:
    moments = {"created_at": NOON, "decide_by": NOON + HOUR, "execute_by": NOON + 2 * HOUR}
    proposal = SimpleNamespace(id="prp_1", revision=1, **(moments | changes))
    intent = SimpleNamespace(operation="op-1", key="prp_1/1/forward")
    fields: dict[str, Any] = dict.fromkeys(Records.__dataclass_fields__, ())
    return Records(**(fields | {"proposals": [proposal], "intents": [intent], "decisions": votes}))


def vote(at: datetime, stored_at: datetime, status: str = "applied") -> Any:
    document = {"decision": {"at": at.isoformat()}}
    return SimpleNamespace(
        id="dec_1", proposal_id="prp_1", revision=1, status=status, document=document, created_at=stored_at
    )


def call(at: datetime) -> Calls:
    served = ServedCall(
        seq=1, ts=at, surface="container", method="SetNodePoolSize", operation="op-1", accepted=True
    )
    return Calls([served])


def test_what_comes_in_time_is_as_it_must_be() -> None:
    in_time = records(vote(NOON + HOUR, NOON + HOUR))
    assert deadlines.faults(in_time, call(NOON + 2 * HOUR), RIGHT, GIVEN) == []
    ahead = set_at(-HOUR, MINUTE)
    assert deadlines.faults(in_time, call(NOON + 2 * HOUR - MINUTE), ahead, GIVEN) == []


@pytest.mark.parametrize(
    "late",
    [vote(NOON + HOUR + MINUTE, NOON + HOUR), vote(NOON + HOUR, NOON + HOUR + MINUTE)],
    ids=["made", "stored"],
)
def test_a_vote_that_counted_too_late_is_found_and_one_that_did_not_count_is_none(late: Any) -> None:
    assert "dec_1 counted" in deadlines.faults(records(late), Calls(), RIGHT, GIVEN)[0]
    late.status = "refused"
    assert deadlines.faults(records(late), Calls(), RIGHT, GIVEN) == []


def test_an_effect_is_late_by_the_clock_of_the_database_though_little_time_has_gone_by() -> None:
    ahead = set_at(MINUTE, 3 * HOUR)
    (found,) = deadlines.faults(records(), call(NOON + 2 * MINUTE), ahead, GIVEN)
    assert "call 1 came at" in found


def test_a_clock_that_is_set_back_gives_no_more_time() -> None:
    back, late = set_at(MINUTE, -3 * HOUR), NOON + 2 * HOUR + MINUTE
    (found,) = deadlines.faults(records(), call(late), back, GIVEN)
    assert "more time than there was to begin" in found
    asked = Given({**GIVEN.asked_at, "dec_1": NOON + HOUR + MINUTE}, GIVEN.longest, GIVEN.slack)
    in_time_by_a_clock_that_went_back = vote(NOON + MINUTE, NOON + MINUTE)
    (found,) = deadlines.faults(records(in_time_by_a_clock_that_went_back), Calls(), back, asked)
    assert "more time than there was to decide" in found


def test_a_proposal_that_was_given_too_long_is_found() -> None:
    assert deadlines.faults(records(execute_by=NOON + 3 * HOUR), Calls(), RIGHT, GIVEN)


def test_what_was_written_before_the_clock_was_set_back_is_not_after_what_came_later() -> None:
    clock = DatabaseClock([Shift(NOON, HOUR), Shift(NOON + MINUTE, -HOUR)])
    assert clock.at(NOON - MINUTE) == NOON - MINUTE
    assert clock.at(NOON + 2 * MINUTE) == NOON + 2 * MINUTE - HOUR
    assert clock.latest(NOON + 2 * MINUTE) == NOON + MINUTE + HOUR
    assert clock.latest(NOON) == NOON + HOUR


def test_cases_that_changed_fewer_pools_than_there_are_cases_are_too_little() -> None:
    went_well: dict[str, list[str]] = {name: [] for name in CASES}
    for effects, holds in ((len(CASES), True), (len(CASES) - 1, False)):
        found = figures(Outcome(wrong=went_well, effects=effects), len(CASES))
        assert all(one.holds for one in found) is holds


def test_a_process_goes_by_a_clock_only_where_it_was_given_one(tmp_path: Path) -> None:
    clocks, tells = Clocks(tmp_path / "clocks"), "import time; print(time.time(), flush=True); input()"
    clocks.lay_out(API)
    clocks.set(API, 24 * HOUR)
    for given in (clocks.environment(API), {}):
        with subprocess.Popen(
            [sys.executable, "-c", tells],
            env=os.environ | given,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            says = datetime.fromtimestamp(float(process.stdout.readline()), UTC)
            assert clocks.drives(API, process.pid) is (says > datetime.now(UTC) + HOUR) is bool(given)
            assert not clocks.drives(DATABASE, process.pid)
            process.communicate("\n")
        assert not clocks.drives(API, process.pid)
    clocks.clear_away()


async def test_a_jump_over_the_time_to_decide_lets_no_vote_count_and_an_api_with_a_clock_of_its_own_is_found(
    temporal_binary: Path, opa_binary: Path, stack_directory: Callable[[str], Path]
) -> None:
    programs = Programs(temporal_binary, opa_binary)
    async with clocked(stack_directory("clocks"), programs) as course:
        assert course.out_of_reach() == []
        assert await forward_over_decide_by(course) == []
        assert not any((await judged(course)).verdicts.values())
        late = await course.waiting(course.stack.place(PRODUCTION), 2)
        async with course.stack.beside(API, **{PLANT: "1"}) as (_, url):
            own = course.stack.meet("at-its-own-clock", course.stack.tokens["approver"], url)
            course.set(DATABASE, hours=1, minutes=1)
            assert await course.vote(late) == REFUSED
            assert await course.vote(late, own) < REFUSED
            course.set(DATABASE)
            await course.end(late, "succeeded")
        verdicts = (await judged(course)).verdicts
    assert [name for name, found in verdicts.items() if found] == ["deadlines"]
    assert all(late in one for one in verdicts["deadlines"])
