from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from adapters.store.schema import evaluations
from contracts.evaluation import Evaluation
from tests.api.serving import Api, evaluation
from tests.stored_evaluations import keep


async def records(api: Api, *, by: str = "olga", **params: Any) -> list[dict[str, Any]]:
    answer = await api.get("/v1/backtest/records", by=by, **params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def seeded(api: Api, number: int) -> list[str]:
    """First passes, oldest first."""
    ids = [(await api.waiting())["id"] for _ in range(number)]
    async with api.database.transaction() as connection:
        for place, one in enumerate(ids):
            await connection.execute(
                update(evaluations)
                .where(evaluations.c.proposal_id == one)
                .values(
                    facts={"place": place},
                    created_at=evaluations.c.created_at - timedelta(hours=number - place),
                )
            )
    return ids


async def test_pages_by_cursor_give_every_first_pass_once_newest_first(api: Api) -> None:
    ids = await seeded(api, 5)
    found: list[dict[str, Any]] = []
    while True:
        page = await records(api, limit=2, **({"after": found[-1]["cursor"]} if found else {}))
        found += page
        if len(page) < 2:
            break
    assert [one["proposal_id"] for one in found] == ids[::-1]
    assert [one["record"] for one in found] == [{"place": place} for place in (4, 3, 2, 1, 0)]
    assert all(
        Evaluation.model_validate(one["evaluation"]).proposal_id == one["proposal_id"] for one in found
    )


async def test_later_passes_are_left_out(api: Api) -> None:
    (only,) = await seeded(api, 1)
    async with api.database.transaction() as connection:
        stored = (await api.http.get(f"/v1/proposals/{only}", headers=api.headers("vera"))).json()
        again = evaluation_again(stored)
        await keep(connection, again)
    assert [one["evaluation"]["pass_number"] for one in await records(api)] == [1]


def evaluation_again(view: dict[str, Any]) -> Evaluation:
    class Named:
        id, revision, created_at = view["id"], view["revision"], evaluation_time(view)

    return evaluation(Named()).model_copy(update={"pass_number": 2})  # type: ignore[arg-type]


def evaluation_time(view: dict[str, Any]) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(view["created_at"])


async def test_filters_narrow_and_a_blank_one_is_refused(api: Api) -> None:
    ids = await seeded(api, 3)
    (middle,) = [one for one in await records(api) if one["proposal_id"] == ids[1]]
    assert [one["proposal_id"] for one in await records(api, since=middle["at"])] == [ids[2], ids[1]]
    assert [one["proposal_id"] for one in await records(api, until=middle["at"])] == [ids[0]]
    assert len(await records(api, environment="production", team="inference", target=middle["target"])) == 3
    for name in ("environment", "team", "target"):
        assert await records(api, **{name: "other"}) == []
        assert (await api.get("/v1/backtest/records", by="olga", **{name: ""})).status_code == 422


async def test_facts_that_were_not_kept_are_null_and_the_line_is_there(api: Api) -> None:
    await api.waiting()
    (found,) = await records(api)
    assert found["record"] is None


@pytest.mark.parametrize("by", ["vera", "ana", "ben", "bot", "nobody"])
async def test_only_operators_and_admins_read_the_facts_of_all(api: Api, by: str) -> None:
    assert (await api.get("/v1/backtest/records", by=by)).status_code == 403


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "W10", "WyIyMDI2IiwgImEiLCAxXQ", "e30"])
async def test_a_cursor_that_we_did_not_make_is_refused(api: Api, cursor: str) -> None:
    answer = await api.get("/v1/backtest/records", by="olga", after=cursor)
    assert (answer.status_code, answer.json()["reason_code"]) == (422, "cursor_invalid")
