from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from adapters.store import proposal_reads
from adapters.store.schema import decisions, evaluations
from api.proposals.schemas import ProposalView
from api.web.forms import FieldRefused
from api.web.proposal.forms import decision_of, typed_name_of
from contracts.evaluation import Verdict
from contracts.proposal import ProposalState as S
from tests.api.serving import Api, decision_on, is_signed, serving


def _path(proposal_id: str) -> str:
    return f"/v1/proposals/{proposal_id}/decisions"


async def _statuses(api: Api) -> list[str]:
    async with api.database.reading() as connection:
        return list((await connection.execute(select(decisions.c.status))).scalars())


async def test_an_approval_is_signed_recorded_and_applied(api: Api) -> None:
    view = await api.waiting()
    answer = await api.post(_path(view["id"]), decision_on(view), by="ben")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["state"], body["approvals"], body["quorum"]) == ("applied", "ready", 1, 1)
    (signed,) = api.gateway.decided
    assert is_signed(signed, api.parts)
    assert signed.decision.proposal_digest == view["digest"]
    assert signed.decision.evaluation_digest == view["evaluation_digest"]
    assert signed.decision.reviewer.subject == "ben"
    assert await api.outbox(signed.decision.id) == [("decide", True)]
    assert "decision.recorded" in await api.audit(view["id"])


@pytest.mark.parametrize("how", ["is_down", "hangs"])
async def test_a_decision_is_recorded_for_the_dispatcher_while_temporal_does_not_answer(
    api: Api, migrated_database_url: str, how: str
) -> None:
    async with serving(migrated_database_url, gateway=api.gateway, gateway_seconds=0.2) as quick:
        view = await quick.waiting()
        setattr(api.gateway, how, True)
        answer = await quick.post(_path(view["id"]), decision_on(view), by="ben")
        assert (answer.status_code, answer.json()["status"]) == (202, "recorded")
        assert await quick.outbox(answer.json()["decision_id"]) == [("decide", False)]
        shown = (await quick.view(view["id"]))["approvals"]
        assert [(vote["decision"], vote["status"]) for vote in shown] == [("approve", "recorded")]


async def test_a_decision_that_the_workflow_refuses_is_a_conflict_and_marked(api: Api) -> None:
    view = await api.waiting()
    api.gateway.refuses_with = "decision_late"
    answer = await api.post(_path(view["id"]), decision_on(view), by="ben", key="d")
    assert (answer.status_code, answer.json()["reason_code"]) == (409, "decision_late")
    assert await _statuses(api) == ["refused"]
    again = await api.post(_path(view["id"]), decision_on(view), by="ben", key="d")
    assert (again.status_code, again.json()["reason_code"]) == (409, "decision_late")
    assert again.headers["content-type"] == "application/problem+json"
    assert await _statuses(api) == ["refused"]


@pytest.mark.parametrize(
    ("by", "code"),
    [
        ("ana", "not_eligible_requester"),
        ("bot", "not_eligible_kind"),
        ("vera", "not_eligible_role"),
        ("olga", "not_eligible_role"),
    ],
)
async def test_somebody_who_is_not_eligible_is_forbidden(api: Api, by: str, code: str) -> None:
    view = await api.waiting()
    answer = await api.post(_path(view["id"]), decision_on(view), by=by)
    assert (answer.status_code, answer.json()["reason_code"]) == (403, code)
    assert await _statuses(api) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"revision": 2}, "stale_revision"),
        ({"digest": "sha256:" + "0" * 64}, "stale_digest"),
        ({"evaluation_digest": "sha256:" + "0" * 64}, "stale_evaluation"),
    ],
)
async def test_a_decision_on_something_older_is_stale(api: Api, changes: dict[str, Any], code: str) -> None:
    view = await api.waiting()
    answer = await api.post(_path(view["id"]), decision_on(view, **changes), by="ben")
    assert (answer.status_code, answer.json()["reason_code"]) == (409, code)
    assert answer.json()["digest"] == view["digest"]
    assert await _statuses(api) == []


async def test_the_same_decision_of_the_same_person_again_is_a_conflict(api: Api) -> None:
    view = await api.waiting()
    assert (await api.post(_path(view["id"]), decision_on(view), by="ben")).status_code == 200
    again = await api.post(_path(view["id"]), decision_on(view), by="ben")
    assert (again.status_code, again.json()["reason_code"]) == (409, "already_voted")


async def test_of_many_decisions_of_one_person_at_once_one_counts(api: Api) -> None:
    view = await api.waiting()
    posts = [api.post(_path(view["id"]), decision_on(view), by="ben") for _ in range(10)]
    answers = await asyncio.gather(*posts)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert len(api.gateway.decided) == 1


async def test_a_decision_repeated_under_its_key_gets_the_same_answer(api: Api) -> None:
    view = await api.waiting()
    first = await api.post(_path(view["id"]), decision_on(view), by="ben", key="d")
    again = await api.post(_path(view["id"]), decision_on(view), by="ben", key="d")
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert len(api.gateway.decided) == 1


async def test_a_decision_after_expiry_is_a_conflict(api: Api) -> None:
    view = await api.waiting()
    await api.let_pass(view["id"], timedelta(hours=4))
    late = await api.post(_path(view["id"]), decision_on(view), by="ben")
    assert (late.status_code, late.json()["reason_code"]) == (409, "decision_late")
    await api.move(view["id"], S.EXPIRED)
    later = await api.post(_path(view["id"]), decision_on(view), by="ben")
    assert (later.status_code, later.json()["reason_code"]) == (409, "decision_late")


async def test_a_decision_on_what_no_longer_waits_is_a_conflict(api: Api) -> None:
    view = await api.waiting()
    await api.move(view["id"], S.READY)
    answer = await api.post(_path(view["id"]), decision_on(view), by="ben")
    assert (answer.status_code, answer.json()["reason_code"]) == (409, "already_decided")


async def test_nobody_decides_before_the_target_was_observed(api: Api) -> None:
    proposal_id = await api.propose()
    body = {"decision": "approve", "revision": 1, "digest": "sha256:" + "0" * 64}
    answer = await api.post(_path(proposal_id), body, by="ben")
    assert (answer.status_code, answer.json()["reason_code"]) == (409, "not_awaiting_approval")


@pytest.mark.parametrize("decision", ["reject", "request_change"])
async def test_saying_no_needs_a_reason(api: Api, decision: str) -> None:
    view = await api.waiting()
    answer = await api.post(_path(view["id"]), decision_on(view, decision, reason="  "), by="ben")
    assert (answer.status_code, answer.json()["reason_code"]) == (422, "reason_required")


async def frozen(api: Api) -> dict[str, Any]:
    """A proposal that waits for whoever may let it through a closed window: as its view."""
    view = await api.waiting()
    async with api.database.transaction() as connection:
        found = await proposal_reads.newest_evaluation(connection, view["id"], 1)
        assert found is not None
        verdict = {
            "guardrail": "change_window",
            "outcome": "require_approval",
            "rule": "year-end",
            "reason_code": "frozen",
            "message": "The freeze year-end lasts.",
            "requirement": found.requirement,
            "facts": {"closed_by": ["year-end"]},
        }
        closed = found.model_copy(update={"verdicts": (*found.verdicts, Verdict.model_validate(verdict))})
        document = closed.model_dump(mode="json")
        await connection.execute(
            update(evaluations)
            .where(evaluations.c.proposal_id == view["id"])
            .values(document=document, digest=closed.digest)
        )
    return await api.view(view["id"])


async def test_approving_what_a_closed_window_stops_needs_a_reason(api: Api) -> None:
    view = await frozen(api)
    for reason in ("", " \n"):
        refused = await api.post(_path(view["id"]), decision_on(view, reason=reason), by="ben")
        assert (refused.status_code, refused.json()["reason_code"]) == (422, "reason_required")
    assert await _statuses(api) == []
    taken = await api.post(_path(view["id"]), decision_on(view, reason="the shop is down"), by="ben")
    assert taken.status_code == 200


async def test_the_page_asks_for_the_reason_of_an_override_at_its_field(api: Api) -> None:
    view = ProposalView.model_validate(await frozen(api))
    typed = {"decision": "approve", "typed_name": typed_name_of(view), "reason": " "}
    seen = {name: str(getattr(view, name)) for name in ("revision", "digest", "evaluation_digest")}
    with pytest.raises(FieldRefused) as refused:
        decision_of(typed | seen, view)
    assert refused.value.code == "reason_required"
    assert decision_of(typed | seen | {"reason": "the shop is down"}, view).reason == "the shop is down"


async def test_a_refused_vote_leaves_room_for_another(api: Api) -> None:
    view = await api.waiting()
    await api.post(_path(view["id"]), decision_on(view), by="ben")
    async with api.database.transaction() as connection:
        await connection.execute(update(decisions).values(status="voided"))
    assert (await api.post(_path(view["id"]), decision_on(view), by="ben")).status_code == 200


async def test_a_vote_that_a_workflow_behind_the_database_calls_stale_is_recorded(api: Api) -> None:
    """The dispatcher delivers it once the workflow has caught up."""
    view = await api.waiting()
    api.gateway.refuses_with = "stale_revision"
    answer = await api.post(_path(view["id"]), decision_on(view), by="ben")
    assert (answer.status_code, answer.json()["status"]) == (202, "recorded")
    assert await api.outbox(answer.json()["decision_id"]) == [("decide", False)]
