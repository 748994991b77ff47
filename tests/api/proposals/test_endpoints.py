from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from contracts.proposal import ProposalState as S
from tests.api.serving import RESIZE, Api


async def test_a_direct_proposal_is_stored_and_its_workflow_started(api: Api) -> None:
    proposal_id = await api.propose()
    assert api.gateway.started == [proposal_id]
    assert await api.outbox(proposal_id) == [("start_proposal", True)]
    view = await api.view(proposal_id)
    assert (view["state"], view["revision"], view["digest"]) == ("evaluating", 1, None)
    assert (view["environment"], view["team"], view["mode"]) == ("production", "inference", "practice")
    assert view["planner"]["kind"] == "direct"
    assert view["requester"] == {"kind": "human", "subject": "ana", "issuer": "local"}
    assert view["after"]["node_count"] == 4
    assert 4 * 3600 - 60 < view["seconds_left"] <= 4 * 3600


async def test_a_target_that_is_not_registered_is_left_to_the_guardrails(api: Api) -> None:
    proposal_id = await api.propose(action=RESIZE | {"cluster": "elsewhere"})
    view = await api.view(proposal_id)
    assert (view["environment"], view["team"], view["is_production"]) == ("", "", True)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "gke.cluster.delete"}, "body.action"),
        ({"node_count": -1}, "node_count"),
        ({"node_count": 10**9}, "node_count"),
        ({"node_count": "6; drop"}, "node_count"),
        ({"node_count": "6"}, "node_count"),
        ({"node_count": True}, "node_count"),
        ({"node_count": 2.0}, "node_count"),
        ({"force": True}, "force"),
        ({"cluster": "../../other"}, "cluster"),
        ({"project": "Acme"}, "project"),
        ({"node_pool": ""}, "node_pool"),
    ],
)
async def test_an_action_outside_the_catalogue_is_refused_with_its_field(
    api: Api, changes: dict[str, Any], field: str
) -> None:
    answer = await api.post("/v1/proposals", {"action": RESIZE | changes, "reason": "x"}, by="ana")
    body = answer.json()
    assert (answer.status_code, body["reason_code"]) == (422, "invalid_action")
    assert field in body["errors"][0]["field"]
    assert await api.count("proposals") == 0


async def test_a_proposal_repeated_under_its_key_is_one_proposal(api: Api) -> None:
    body = {"action": RESIZE, "reason": "x"}
    first = await api.post("/v1/proposals", body, by="ana", key="p")
    again = await api.post("/v1/proposals", body, by="ana", key="p")
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert await api.count("proposals") == 1


async def test_a_waiting_proposal_shows_what_a_reviewer_needs(api: Api) -> None:
    view = await api.waiting()
    assert view["summary"] == "resize acme-prod/serving/inference to 4 per zone"
    assert view["before"]["zones"] == {"europe-west4-a": 2, "europe-west4-b": 2}
    assert view["after"]["zones"] == {"europe-west4-a": 4, "europe-west4-b": 4}
    assert view["blast_radius"] == {
        "nodes_before": 4,
        "nodes_after": 8,
        "node_delta": 4,
        "share_of_pool": 1.0,
        "share_of_cluster": 0.2,
        "reversible": True,
        "why_not_reversible": "",
    }
    assert view["cost"]["monthly_delta"] == "2744.80"
    assert view["cost"]["budgets"][0]["left_after"] == "38187.50"
    assert [verdict["outcome"] for verdict in view["verdicts"]] == ["require_approval", "allow"]
    assert view["requirement"] == {"quorum": 1, "roles": ["approver"], "rules": ["environment_quorum"]}
    assert view["digest"].startswith("sha256:")
    assert view["evaluation_digest"].startswith("sha256:")
    assert view["on_expiry"] == "rejected"
    assert view["observation_age_seconds"] >= 0
    assert [entry["type"] for entry in view["timeline"]] == ["proposal.created", "proposal.moved"]
    assert view["workflow_id"] == f"proposal/{view['id']}"


async def test_uneven_zones_promise_no_undo(api: Api) -> None:
    radius = (await api.waiting(sizes=(2, 3)))["blast_radius"]
    assert radius["reversible"] is False
    assert "zones differ" in radius["why_not_reversible"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ana", "not_eligible_requester"),
        ("bot", "not_eligible_kind"),
        ("vera", "not_eligible_role"),
        ("ben", None),
    ],
)
async def test_each_caller_is_told_whether_they_may_decide(api: Api, name: str, code: str | None) -> None:
    proposal_id = (await api.waiting())["id"]
    eligibility = (await api.view(proposal_id, by=name))["eligibility"]
    assert (eligibility["may_decide"], eligibility["why_not"]) == (code is None, code)


async def test_words_of_an_untrusted_source_are_marked_and_a_persons_are_not(api: Api) -> None:
    assert (await api.waiting())["reason_is_unverified"] is False


async def test_pages_go_from_new_to_old_without_gap_or_repeat(api: Api) -> None:
    made = [await api.propose() for _ in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (await api.get("/v1/proposals", limit=3, **({"cursor": cursor} if cursor else {}))).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]


async def test_a_list_can_be_narrowed_to_states(api: Api) -> None:
    waiting = (await api.waiting())["id"]
    await api.propose()
    found = (await api.get("/v1/proposals", state="awaiting_approval")).json()["items"]
    assert [item["id"] for item in found] == [waiting]
    assert (found[0]["monthly_delta"], found[0]["quorum"]) == ("2744.80", 1)
    assert (await api.get("/v1/proposals", state="lost")).status_code == 422


def cursor_at(moment: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([moment, "prp_x"]).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "bnVsbA",
        "WzEsMl0",
        "WyIyMDI2LTExLTIxIiwgIngiXQ",
        "é",
        "A" * 399,
        cursor_at("0001-01-01T00:00:00+14:00"),
        cursor_at("9999-12-31T23:59:59-14:00"),
    ],
)
async def test_a_cursor_that_is_not_ours_is_refused(api: Api, cursor: str) -> None:
    answer = await api.get("/v1/proposals", cursor=cursor)
    assert (answer.status_code, answer.json()["reason_code"]) == (422, "cursor_invalid")


async def test_the_requester_cancels_what_has_not_begun(api: Api) -> None:
    proposal_id = (await api.waiting())["id"]
    answer = await api.post(f"/v1/proposals/{proposal_id}/cancel", {"reason": "not needed"}, by="ana")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    view = await api.view(proposal_id)
    assert (view["reason_code"], view["message"]) == ("cancelled_by_person", "not needed")
    assert ("wake", False) in await api.outbox(proposal_id)


async def test_an_operator_may_cancel_and_another_requester_may_not(api: Api) -> None:
    proposal_id = await api.propose()
    refused = await api.post(f"/v1/proposals/{proposal_id}/cancel", by="bot")
    assert (refused.status_code, refused.json()["reason_code"]) == (403, "not_your_proposal")
    assert (await api.post(f"/v1/proposals/{proposal_id}/cancel", by="olga")).status_code == 200
    again = await api.post(f"/v1/proposals/{proposal_id}/cancel", by="olga")
    assert (again.status_code, again.json()["reason_code"]) == (409, "not_cancellable")


async def test_what_executes_is_not_cancelled(api: Api) -> None:
    proposal_id = (await api.waiting())["id"]
    await api.move(proposal_id, S.READY, S.EXECUTING)
    answer = await api.post(f"/v1/proposals/{proposal_id}/cancel", by="ana")
    assert (answer.status_code, answer.json()["reason_code"]) == (409, "not_cancellable")
    assert (await api.view(proposal_id))["state"] == "executing"


async def test_only_a_dirty_proposal_is_resolved_and_only_with_a_reason(api: Api) -> None:
    proposal_id = (await api.waiting())["id"]
    path = f"/v1/proposals/{proposal_id}/resolve"
    body = {"outcome": "rolled_back", "reason": "resized by hand"}
    refused = await api.post(path, body, by="olga")
    assert (refused.status_code, refused.json()["reason_code"]) == (409, "not_dirty")
    await api.move(proposal_id, S.READY, S.EXECUTING, S.DIRTY)
    assert (await api.post(path, {"outcome": "rolled_back", "reason": ""}, by="olga")).status_code == 422
    assert (await api.post(path, {"outcome": "cancelled", "reason": "x"}, by="olga")).status_code == 422
    done = await api.post(path, body, by="olga")
    assert (done.status_code, done.json()["state"]) == (200, "rolled_back")
    view = await api.view(proposal_id)
    assert (view["reason_code"], view["message"]) == ("resolved_by_operator", "resized by hand")
    assert view["timeline"][-1]["actor"]["subject"] == "olga"


async def test_what_does_not_exist_is_not_found(api: Api) -> None:
    for path, body, by in (
        ("cancel", None, "ana"),
        ("undo", None, "ana"),
        ("resolve", {"outcome": "failed", "reason": "x"}, "olga"),
    ):
        answer = await api.post(f"/v1/proposals/prp_none/{path}", body, by=by)
        assert (answer.status_code, answer.json()["reason_code"]) == (404, "proposal_not_found")
