"""Editing what waits over HTTP, and what is kept of corrections."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from adapters.store.schema import decisions, revisions
from contracts.proposal import ProposalState as S
from evals.corrections import as_yaml
from tests.api.serving import Api, decision_on


def _path(proposal_id: str, what: str = "revisions") -> str:
    return f"/v1/proposals/{proposal_id}/{what}"


def edit_of(view: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"digest": view["digest"], "fields": {"node_count": 5}, "reason": "five will do", **changes}


async def kept(api: Api) -> list[Any]:
    async with api.database.reading() as connection:
        return list((await connection.execute(select(revisions))).all())


async def statuses(api: Api) -> list[str]:
    async with api.database.reading() as connection:
        return list((await connection.execute(select(decisions.c.status))).scalars())


@pytest.mark.parametrize("by", ["ana", "ben", "olga"])
async def test_an_edit_is_a_new_revision_that_is_evaluated_anew(api: Api, by: str) -> None:
    view = await api.waiting()
    answer = await api.post(_path(view["id"]), edit_of(view, reason_name="too_large"), by=by, key="e")
    assert (answer.status_code, answer.json()) == (
        202,
        {"proposal_id": view["id"], "revision": 2, "state": "evaluating"},
    )
    after = await api.view(view["id"])
    assert (after["state"], after["revision"], after["digest"]) == ("evaluating", 2, None)
    assert after["decide_by"] == view["decide_by"]
    (row,) = await kept(api)
    assert row.draft["action"]["node_count"] == 5
    assert row.replaced["action"] != row.draft["action"]
    assert any(author["subject"] == by for author in row.draft["authors"])
    assert api.gateway.woken == [view["id"]]
    assert {"proposal.revised", "proposal.moved"} <= set(await api.audit(view["id"]))
    again = await api.post(_path(view["id"]), edit_of(view, reason_name="too_large"), by=by, key="e")
    assert (again.status_code, len(await kept(api))) == (202, 1)


async def test_an_edit_voids_the_votes_and_what_was_signed_before_is_stale(api: Api) -> None:
    view = await api.waiting()
    await api.post(
        _path(view["id"], "decisions"), decision_on(view, "request_change", reason="less"), by="ben"
    )
    async with api.database.transaction() as connection:
        await connection.execute(decisions.update().values(status="applied"))
    await api.post(_path(view["id"]), edit_of(view), by="olga")
    assert await statuses(api) == ["voided"]
    late = await api.post(_path(view["id"], "decisions"), decision_on(view), by="ben")
    assert late.status_code == 409


@pytest.mark.parametrize(
    ("by", "changes", "status", "code"),
    [
        ("bot", {}, 403, None),
        ("vera", {}, 403, "role_required"),
        ("ben", {"digest": "sha256:" + "0" * 64}, 409, "stale_digest"),
        ("ben", {"fields": {"node_count": -1}}, 422, "edit_invalid"),
        ("ben", {"fields": {"planet": 3}}, 422, "edit_invalid"),
        ("ben", {"fields": {}}, 422, "invalid_request"),
        ("ben", {"reason": " "}, 422, "invalid_request"),
        ("ben", {"fields": None}, 422, "invalid_request"),
    ],
)
async def test_an_edit_that_may_not_be_is_refused_and_changes_nothing(
    api: Api, by: str, changes: dict[str, Any], status: int, code: str | None
) -> None:
    view = await api.waiting()
    answer = await api.post(_path(view["id"]), edit_of(view, **changes), by=by)
    assert answer.status_code == status
    assert code is None or answer.json()["reason_code"] == code
    assert await kept(api) == []
    assert (await api.view(view["id"]))["state"] == "awaiting_approval"


async def test_an_edit_keeps_the_target_and_changes_something(api: Api) -> None:
    view = await api.waiting()
    same = await api.post(_path(view["id"]), edit_of(view, fields=None, action=view["action"]), by="ben")
    assert (same.status_code, same.json()["reason_code"]) == (422, "nothing_changed")
    other = view["action"] | {"node_pool": "another"}
    moved = await api.post(_path(view["id"]), edit_of(view, fields=None, action=other), by="ben")
    assert (moved.status_code, moved.json()["reason_code"]) == (422, "target_changed")


async def test_what_does_not_wait_is_not_edited(api: Api) -> None:
    view = await api.waiting()
    await api.move(view["id"], S.READY)
    answer = await api.post(_path(view["id"]), edit_of(view), by="ben")
    assert (answer.status_code, answer.json()["reason_code"]) == (409, "not_awaiting_approval")


async def test_whoever_decided_may_decide_otherwise_or_take_it_back(api: Api) -> None:
    view = await api.waiting()
    api.gateway.is_down = True
    assert (await api.view(view["id"], by="ben"))["eligibility"]["open_to"] == [
        "approve",
        "reject",
        "request_change",
    ]
    nothing = await api.post(_path(view["id"], "decisions"), decision_on(view, "withdraw"), by="ben")
    assert (nothing.status_code, nothing.json()["reason_code"]) == (409, "nothing_to_withdraw")
    assert (await api.post(_path(view["id"], "decisions"), decision_on(view), by="ben")).status_code == 202
    told = (await api.view(view["id"], by="ben"))["eligibility"]
    assert (told["may_decide"], told["open_to"]) == (False, ["reject", "request_change", "withdraw"])
    twice = await api.post(_path(view["id"], "decisions"), decision_on(view), by="ben")
    assert (twice.status_code, twice.json()["reason_code"]) == (409, "already_voted")
    back = await api.post(_path(view["id"], "decisions"), decision_on(view, "withdraw"), by="ben")
    assert back.status_code == 202
    assert sorted(await statuses(api)) == ["recorded", "superseded"]
    after = await api.view(view["id"], by="ben")
    assert (after["approvals_given"], after["eligibility"]["may_decide"]) == (0, True)


async def test_corrections_are_kept_with_what_was_proposed_and_what_was_made_of_it(api: Api) -> None:
    view = await api.waiting()
    body = decision_on(view, "request_change", reason="less", reason_name="too_large")
    await api.post(_path(view["id"], "decisions"), body, by="ben")
    async with api.database.transaction() as connection:
        await connection.execute(decisions.update().values(status="applied"))
    await api.post(_path(view["id"]), edit_of(view, reason_name="too_large"), by="olga")
    answer = await api.get("/v1/corrections", by="olga")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [(line["kind"], line["by"]["subject"], line["reason"]) for line in lines] == [
        ("request_change", "ben", "less"),
        ("edit", "olga", "five will do"),
    ]
    assert {line["reason_name"] for line in lines} == {"too_large"}
    assert {line["edited"]["node_count"] for line in lines} == {5}
    assert {line["proposed"]["node_count"] for line in lines} == {view["action"]["node_count"]}
    assert (await api.get("/v1/corrections", by="olga", since=lines[1]["at"])).text.count("\n") == 1
    assert as_yaml(lines).count("[]") == 1


@pytest.mark.parametrize(("by", "status"), [("ben", 200), ("olga", 200), ("vera", 403), ("bot", 403)])
async def test_what_reviewers_wrote_is_for_those_who_review_and_operate(
    api: Api, by: str, status: int
) -> None:
    answer = await api.get("/v1/corrections", by=by)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["reason_code"] == "role_required"
