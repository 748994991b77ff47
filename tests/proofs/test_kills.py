"""The course of kills: points told from rows and calls, how soon what a kill caught goes on, and what is too little."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import httpx
import pytest

from activities.execution.attempt import EffectTimings
from emulators.gke.log import ServedCall
from proofs.kills.__main__ import figures
from proofs.kills.course import Outcome, Plan, met
from proofs.kills.killing import ENOUGH, WITHIN, Kill, Killer
from proofs.kills.points import FAMILIES, POINTS, Effect, Standing, point_of
from proofs.kills.resuming import slowest
from proofs.kills.traffic import BROUGHT_BACK, KillGround, Member, Taken
from proofs.kills.watch import View, Watcher, in_flight
from tests.e2e.practice_ground import PRODUCTION
from tests.e2e.stack import CALL_TIMEOUT
from workflows.retry_policies import EFFECTS
from workflows.stages import HEARTBEAT_TIMEOUT

T = datetime(2026, 11, 21, 12, tzinfo=UTC)
NEW = Standing(
    id="prp_1", state="evaluating", since=T, revision=1, kind="gke.node_pool.resize", cluster="p/l/c", held_on=None,
    is_told=True, passes=0, is_admitted=False, recorded=0, applied=0, forward=None, back=None,
)  # fmt: skip
WRITTEN = Effect(fence=1, written_fence=1, written_at=T, operation=None, has_receipt=False, is_settled=False)


def test_what_a_breaker_holds_is_no_load() -> None:
    held = replace(NEW, state="ready", held_on="breaker:kind:gke.node_pool.autoscaling")
    assert in_flight([NEW, held, replace(held, held_on="p/l/c"), held]) == 2


def test_nobody_asks_for_what_they_asked_for_in_their_last_round() -> None:
    nobody = cast("Any", None)
    for turn in range(36):
        member = Member(nobody, number=0, turn=turn)
        later = replace(member, turn=turn + len(member.kinds))
        assert member.size != later.size
        assert member.size + 1 < BROUGHT_BACK


class Desk:
    """Stands in for the crew: takes every call, and all is over at once. Notes what was asked for where, in order."""

    def __init__(self) -> None:
        self.sizes: dict[str, list[int]] = defaultdict(list)
        self.cancelled = 0
        self.taken, self.chance = Taken(), Random(1)
        self.watcher = SimpleNamespace(view=View(datetime.max.replace(tzinfo=UTC), {}, {}))
        viewer = SimpleNamespace(get=AsyncMock(return_value=httpx.Response(200, json={"proposal_ids": []})))
        self.stack = SimpleNamespace(ground=KillGround(1), admin=AsyncMock(), people={"viewer": viewer})

    async def post(self, path: str, body: dict[str, Any], _: str) -> httpx.Response:
        if path == "/v1/requests":
            _, pool, _, cluster, _, size = body["text"].split()
            self.sizes[f"{cluster}/{pool}"].append(int(size))
        elif path == "/v1/proposals":
            action = body["action"]
            size = action.get("node_count", action.get("max_node_count"))
            self.sizes[f"{action['cluster']}/{action['node_pool']}"].append(size)
        self.cancelled += path.endswith("/cancel")
        return httpx.Response(202, json={"proposal_id": "prp_1", "request_id": "req_1"})


async def test_each_change_of_a_pool_asks_for_another_size_than_the_one_before_it() -> None:
    desk = Desk()
    for turn in range(48):
        member = Member(cast("Any", desk), number=0, turn=turn)
        await member.kinds[turn % len(member.kinds)]()
    for pool, sizes in desk.sizes.items():
        if pool.startswith(PRODUCTION.name[:4]):
            continue  # What an edit makes of a change there never comes to the desk.
        changed = [size for size in sizes if size != BROUGHT_BACK]
        assert len(changed) >= 4
        assert all(one != other for one, other in pairwise(changed))
    assert desk.cancelled == 2


def test_every_point_is_aimed_at_as_often_also_one_that_is_never_there() -> None:
    killer = Killer(stack=None, watcher=None, chance=Random(1))  # type: ignore[arg-type]  # nothing is killed here
    assert Counter(killer.aim() for _ in range(2 * len(POINTS))) == dict.fromkeys(POINTS, 2)


async def test_what_somebody_did_during_a_look_is_not_judged_by_it(migrated_database_url: str) -> None:
    acted: list[datetime] = []

    def act() -> Iterator[ServedCall]:
        acted.append(datetime.now(UTC))
        return iter(())

    watcher = Watcher(migrated_database_url.replace("+asyncpg", "", 1), act)
    async with watcher.watching():
        view = await watcher.look()
    assert view.at < acted[0]


def after(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def call(method: str, seconds: float = 1, *, accepted: bool = False) -> ServedCall:
    return ServedCall(seq=1, ts=after(seconds), surface="container", method=method, accepted=accepted)


READ, SET = call("GetNodePool"), call("SetNodePoolSize", 2, accepted=True)
EXECUTING = replace(NEW, state="executing", forward=WRITTEN)
GIVEN_UP = replace(WRITTEN, fence=2)


@pytest.mark.parametrize(
    ("standing", "calls", "point"),
    [
        (replace(NEW, is_told=False), [], "made, Temporal not told"),
        (NEW, [], "first pass: target not read"),
        (NEW, [READ], "first pass: target read, nothing written"),
        (NEW, [call("GetNodePool", -1)], "first pass: target not read"),
        (replace(NEW, revision=2, is_told=False), [], "first pass after an edit: target not read"),
        (replace(NEW, state="awaiting_approval"), [], "waits for a person"),
        (replace(NEW, state="awaiting_approval", recorded=1), [], "a vote recorded, not applied"),
        (replace(NEW, state="awaiting_approval", applied=1), [], "one of two votes applied"),
        (replace(NEW, state="ready", passes=1), [], "second pass: target not read"),
        (replace(NEW, state="ready", held_on="halt:h"), [], "held: a halt"),
        (replace(NEW, state="ready", held_on="p/l/c"), [], "held: another change of the cluster"),
        (replace(NEW, state="ready", is_admitted=True), [], "admitted, intent not written"),
        (EXECUTING, [], "size: intent written, target not read"),
        (EXECUTING, [READ], "size: target read, nothing called"),
        (EXECUTING, [READ, SET], "size: call served, answer not recorded"),
        (replace(EXECUTING, forward=GIVEN_UP), [READ], "size: left by a dead attempt, nothing called"),
        (replace(EXECUTING, forward=GIVEN_UP), [READ, SET], "size: left by a dead attempt, call served"),
        (
            replace(EXECUTING, forward=replace(WRITTEN, is_settled=True)),
            [],
            "size: withdrawn, nothing called",
        ),
        (
            replace(EXECUTING, forward=replace(WRITTEN, operation="o")),
            [SET],
            "size: operation known, not polled",
        ),
        (
            replace(EXECUTING, kind="gke.node_pool.autoscaling", forward=replace(GIVEN_UP, operation="o")),
            [SET],
            "bounds: operation adopted from a dead attempt",
        ),
        (replace(NEW, state="verifying"), [READ], "size: outcome read, not concluded"),
        (replace(NEW, state="rolling_back"), [], "way back: decided, intent not written"),
        (replace(NEW, state="rolling_back", back=WRITTEN), [READ], "way back: target read, nothing called"),
        (
            replace(NEW, state="rolling_back", back=replace(WRITTEN, has_receipt=True)),
            [READ, SET],
            "way back: receipt written, outcome not read",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_point_is_told_from_rows_and_calls(standing: Standing, calls: list[ServedCall], point: str) -> None:
    assert point_of(standing, calls) == point
    assert point in POINTS


def kill(seconds: float, **caught: str) -> Kill:
    return Kill("worker", after(seconds), "", caught, 20, 0.0)


def test_a_kill_that_struck_where_nothing_was_counts_for_no_point() -> None:
    killer = Killer(stack=None, watcher=None, chance=Random(1))  # type: ignore[arg-type]  # nothing is killed here
    killer.kills += [
        kill(0),
        replace(kill(1), point=POINTS[0]),
        replace(kill(2), part="api", point=POINTS[1]),
    ]
    assert killer.by_point() == {POINTS[0]: 1}


def test_time_counts_anew_from_a_kill_that_caught_the_subject_again() -> None:
    polled = "size: operation polled"
    written = {"prp_1": [after(-5), after(20)]}
    for kills, seconds, since in (
        ([kill(0, prp_1=polled)], 20.0, 0),
        ([kill(0, prp_1=polled), kill(12, prp_1=polled)], 12.0, 0),
        ([kill(0, prp_1=polled), kill(4, prp_1=polled)], 16.0, 4),
        ([kill(0, prp_1=polled), kill(22, prp_1=polled)], 20.0, 0),
    ):
        whose = f"prp_1 at «{polled}», killed at {after(since)}"
        assert slowest(kills, written, {"prp_1"}) == (seconds, whose, [])


@pytest.mark.parametrize(
    "other",
    [
        kill(10, prp_2="size: operation polled"),
        kill(10, prp_1="waits for a person"),
        replace(kill(10, prp_1="size: operation polled"), part="api"),
    ],
    ids=["caught another", "met it waiting", "of the API"],
)
def test_a_kill_that_did_not_catch_a_subject_gives_it_no_new_time(other: Kill) -> None:
    kills = [kill(0, prp_1="size: operation polled"), other]
    assert slowest(kills, {"prp_1": [after(-5), after(20)]}, {"prp_1", "prp_2"})[0] == 20.0


def test_what_never_went_on_is_a_fault_unless_others_had_to_do_something() -> None:
    *_, faults = slowest([kill(0, prp_1="size: operation polled")], {"prp_1": [after(-5)]}, ())
    assert len(faults) == 1
    assert slowest([kill(0, prp_1="waits for a person")], {"prp_1": [after(-5)]}, ()) == (0.0, "", [])


def test_what_ended_between_the_last_look_and_the_kill_was_not_caught() -> None:
    one = kill(0, prp_1="size: outcome read, not concluded")
    assert slowest([one], {"prp_1": [after(-5)]}, {"prp_1"}) == (0.0, "", [])


def test_what_waits_for_a_person_is_not_caught_at_its_work() -> None:
    waits = kill(0, prp_1="waits for a person", prp_2="held: a halt")
    assert waits.interrupted == {}
    works = kill(1, prp_1="size: operation polled", prp_2="held: a halt")
    assert works.interrupted == {"prp_1": "size: operation polled"}


class Seen:
    """A watcher to whom is told what is open, and what was written since a kill."""

    def __init__(self, still_open: list[str], written: list[str]) -> None:
        self.view = View(after(1), dict.fromkeys(still_open, "size: operation polled"), {})
        self._written = written

    async def fetch(self, _: str, among: list[str], __: datetime) -> list[dict[str, str]]:
        return [{"subject": one} for one in self._written if one in among]


@pytest.mark.parametrize(
    ("still_open", "written", "waited"),
    [(["prp_1"], ["prp_1"], 1), ([], [], 1), (["prp_1"], ["prp_2"], 0)],
    ids=["went on", "ended", "stands"],
)
async def test_a_kill_is_waited_for_until_all_that_it_caught_has_gone_on(
    still_open: list[str], written: list[str], waited: int
) -> None:
    seen = cast("Any", Seen(still_open, written))
    killer = Killer(stack=cast("Any", None), watcher=seen, chance=Random(1), within=0.3)
    killer.kills.append(kill(0, prp_1="size: operation polled", prp_2="waits for a person"))
    for number in range(1, 11):
        await killer.recover(number)
    assert len(killer.recovered) == waited


def test_an_effect_that_was_killed_in_each_attempt_goes_on_in_time() -> None:
    """The longest way: its heartbeats stop, Temporal pauses, and a call that may be in flight is waited out."""
    pause = EFFECTS.maximum_interval
    assert pause is not None
    in_flight = timedelta(seconds=CALL_TIMEOUT) + EffectTimings().call_margin
    assert HEARTBEAT_TIMEOUT + pause + in_flight < timedelta(seconds=WITHIN)


WORKED = "size: operation polled"
KILLS = [
    replace(kill(0, prp_1=WORKED), part=part, point=WORKED, in_flight=ENOUGH, back_after=2.0)
    for part in ("worker", "temporal", "postgres", "api")
]


def wrong(
    kills: list[Kill],
    *,
    workers: int = 1,
    others: int = 1,
    points: int = 1,
    recovered: int = 0,
    **changes: Any,
) -> list[str]:
    """The names of the figures that do not hold after so many kills were wanted; the load was enough for ten."""
    killer = Killer(
        stack=cast("Any", None), watcher=cast("Any", None), chance=Random(1), kills=kills, recovered=kills[:recovered]
    )  # fmt: skip
    sound = Outcome(
        killer, Taken(requests=["r"], votes=["v"] * 10), slowest=2.0, slowest_one="",
        verdicts={"I1": [], "I5": []}, stories={}, ends="", effects=20, rolled_back=3, worded=1, is_at_rest=True,
    )  # fmt: skip
    found = figures(Plan(workers, others, 0, 1, WITHIN), replace(sound, **changes), points)
    return [one.name for one in found if not one.holds]


def test_as_many_kills_as_were_wanted_under_load_at_named_points_are_enough() -> None:
    assert wrong(KILLS) == []


@pytest.mark.parametrize("part", ["temporal", "postgres", "api"])
def test_a_part_that_was_not_killed_is_found(part: str) -> None:
    (name,) = wrong([one for one in KILLS if one.part != part])
    assert part in name.lower()


def test_kills_under_too_little_load_at_no_point_or_that_caught_nothing_are_too_little() -> None:
    worker, *others = KILLS
    assert wrong([replace(worker, in_flight=ENOUGH - 1), *others])[0].startswith("SIGKILLs of the worker")
    idle = replace(others[0], in_flight=0)
    assert wrong([worker, *others, idle])[-1] == "proposals in flight at a kill of these, fewest"
    assert wrong([replace(worker, point=""), *others])[0].startswith("named points")
    waiting = [replace(one, caught={"prp_1": "held: a halt"}) for one in KILLS]
    assert wrong(waiting) == ["caught at its work by a kill"]


def wrong_after_ten(*, recovered: int = 1, **changes: Any) -> list[str]:
    return wrong([KILLS[0]] * 10, workers=10, others=0, recovered=recovered, **changes)


def test_a_course_without_a_request_a_vote_or_a_way_back_shows_too_little() -> None:
    assert wrong_after_ten() == []
    assert wrong_after_ten(taken=Taken(votes=["v"] * 10)) == ["requests taken"]
    assert wrong_after_ten(taken=Taken(requests=["r"], votes=["v"] * 9)) == ["votes taken"]
    assert wrong_after_ten(worded=0) == ["proposals that came of them"]
    assert wrong_after_ten(rolled_back=2) == ["proposals rolled back"]
    assert wrong_after_ten(effects=19) == ["effects in the provider's log"]
    assert wrong_after_ten(recovered=0) == ["kills after which all they had caught was waited for"]


def test_points_of_which_a_whole_part_of_the_path_is_missing_are_too_few() -> None:
    at_each = [replace(KILLS[0], point=one) for one in POINTS]
    assert wrong(at_each, others=0, points=40) == []
    for family in FAMILIES:
        others = [one for one in at_each if one.point not in family]
        assert wrong(others, others=0, points=40) == ["families of these of which it met as large a share"]


def test_the_kills_that_met_something_are_steps_of_its_story() -> None:
    kills = [kill(0, prp_1="waits for a person"), kill(5, prp_2="held: a halt")]
    assert met(kills, "prp_2") == ["12:00:05.000000 the kill of worker meets it at «held: a halt»"]


def test_a_path_that_goes_on_too_late_and_an_invariant_that_is_broken_are_found() -> None:
    for at, one in enumerate(KILLS):
        late = [*KILLS[:at], replace(one, back_after=WITHIN + 1), *KILLS[at + 1 :]]
        (name,) = wrong(late)
        assert name.endswith(f"after a kill of {one.part}, slowest")
    assert wrong(KILLS, slowest=WITHIN + 1) == ["what a kill had caught goes on, slowest"]
    assert wrong(KILLS, verdicts={"I1": ["twice"], "I5": []}) == ["I1, violations"]
    assert wrong(KILLS, verdicts={"I5": ["gone"]}) == ["acknowledgements lost", "I5, violations"]
