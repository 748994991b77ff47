"""A part of the poison, and answers and rows that the judge has to refuse; `make proof-hostile` sends all of it."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.store.database import Database
from proofs.hostile import model, neighbours
from proofs.hostile.__main__ import ENOUGH_ROUNDS, Found, Outcome, poisoned
from proofs.hostile.judge import of_answer, of_store
from proofs.hostile.neighbours import Round
from proofs.hostile.poison import ALERT, API, CHAT, Poison, everything, kinds_at
from proofs.hostile.wire import Answer
from proofs.report import Figure
from proofs.served_api import ROOT, served_api

ORDINARY = neighbours.ORDINARY
PROBLEM = {"content-type": "application/problem+json"}


def refusal(status: int = 400, **changes: object) -> Answer:
    return Answer(status, PROBLEM, json.dumps({"status": status, "reason_code": "x"} | changes).encode())


@pytest.mark.parametrize("entrance", [CHAT, ALERT, API])
def test_there_are_200_kinds_at_each_entrance(entrance: str) -> None:
    assert kinds_at(entrance, everything()) >= 200


async def test_poison_is_refused_or_handled_and_what_is_forbidden_in_the_store_is_found(
    tmp_path: Path,
) -> None:
    calls = everything()
    named = [one for one in calls if "year 9999" in one.kind or "Upgrade" in one.kind]
    async with served_api(tmp_path) as api:
        found = await poisoned(api, [*calls[::23], *named])
        assert found.faults == []
        assert found.handled
        assert found.refused["json_invalid"]
        database = Database(api.database_url, pool_size=1)
        async with database.transaction() as connection:
            await connection.execute(
                text("update requests set tenant = 'other' where id = :id"), {"id": api.known["request_id"]}
            )
        await database.close()
        after = await of_store(api, {*found.promised, "req_lost"})
    assert "req_lost was promised and is not stored" in after
    assert any("belongs to tenant 'other'" in fault for fault in after)


async def test_the_same_poison_from_a_model_becomes_nothing_forbidden() -> None:
    sent, kinds, faults = await model.judged()
    assert faults == []
    assert kinds >= 200
    assert sent > kinds


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(500, PROBLEM, b'{"reason_code": "internal_error"}'), "500 internal_error"),
        (Answer(0, {}, b""), "closed without an answer"),
        (Answer(400, {"content-type": "text/plain"}, b"bad"), "400 that is no problem document"),
        (refusal(reason_code=""), "400 that is no problem document"),
        (refusal(status=422) , None),
        (refusal(detail=f"in {ROOT}/api"), "shows our code"),
        (refusal(detail="you sent slc_secret"), "repeats a secret"),
        (Answer(202, {"set-cookie": "a=b"}, b"{}"), "sets a header that the caller chose"),
    ],
    ids=["server-error", "closed", "plain", "no-code", "refused", "path", "secret", "header"],
)  # fmt: skip
def test_the_judge_refuses_an_answer_that_may_not_be(answer: Answer, fault: str | None) -> None:
    assert list(of_answer(ORDINARY, answer, ["slc_secret"])) == ([fault] if fault else [])


def test_what_is_no_http_may_be_refused_below_the_application() -> None:
    broken = Poison(API, "header nul", b"POST", b"/v1/requests", is_framing=True)
    plain = Answer(400, {"content-type": "text/plain; charset=utf-8"}, b"Invalid HTTP request received.")
    assert list(of_answer(broken, plain, [])) == []


def test_growth_is_the_median_of_the_rounds() -> None:
    assert neighbours.growth([Round(10, 11, 9), Round(10, 30, 9), Round(10, 10, 9)]) == pytest.approx(1.1)


@pytest.mark.parametrize(("count", "holds"), [(ENOUGH_ROUNDS, False), (ENOUGH_ROUNDS - 1, True)])
def test_growth_is_judged_from_enough_rounds_only(count: int, *, holds: bool) -> None:
    met = Outcome(Found(), (0, 0, []), [Round(10, 20, 80)] * count, 4)
    figure = the(met, "p95 of neighbours beside")
    assert (figure.value, figure.holds) == ("2", holds)


def the(outcome: Outcome, name: str) -> Figure:
    [figure] = [one for one in outcome.figures() if one.name.startswith(name)]
    return figure


@pytest.mark.parametrize(("ended", "holds"), [(0, False), (80, True)])
def test_a_neighbour_beside_whom_nobody_sent_anything_shows_nothing(ended: int, *, holds: bool) -> None:
    rounds = [Round(10, 10, 80), Round(10, 10, ended)]
    assert the(Outcome(Found(), (0, 0, []), rounds, 4), "calls beside neighbours").holds is holds


async def test_calls_that_nobody_took_came_to_no_end() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        at, ended = await neighbours.send_for(0.1, url, {"ana": "x"}, [ORDINARY], 0)
    assert at > 0
    assert ended == 0


def test_one_call_that_is_sent_again_is_not_judged_by_how_many_there_were() -> None:
    again = Outcome(Found(sent=everything()[:1]), (0, 200, []), [], 4, is_whole=False)
    assert all(one.holds for one in again.figures())
    assert not all(one.holds for one in replace(again, is_whole=True).figures())
