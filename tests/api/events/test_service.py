from __future__ import annotations

import asyncio
import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from activities.request.closing import RequestActivities
from adapters.store import ledger, requests, tokens
from adapters.store.ledger import Amount
from api.bodies import MAX_EVENT_BODY
from contracts.action import ACTION
from contracts.messages import AgentResult, CloseRequestInput, CloseRequestResult
from contracts.principal import CAPACITY_AGENT, SYSTEM, Principal, PrincipalKind, Role
from contracts.proposal import Planner, PlannerKind, ProposalState
from contracts.request import Proposed, ProposedAction, Request
from tests.api.serving import CONFIGURATION, RESIZE, Api
from tests.steps import reserve

PAYLOADS = Path(__file__).parent / "payloads"
PAYLOAD = json.loads((PAYLOADS / "alertmanager_0_25_firing.json").read_text())
RESOLVED = json.loads((PAYLOADS / "alertmanager_0_25_resolved.json").read_text())


@pytest.fixture
async def alerting(api: Api) -> Api:
    """The API, with a token for Alertmanager."""
    principal = Principal(kind=PrincipalKind.SERVICE, subject="alertmanager", roles=(Role.REQUESTER,))
    async with api.database.transaction() as connection:
        api.tokens["alertmanager"] = await tokens.issue(connection, principal, actor=SYSTEM, tenant="default")
    return api


async def send(api: Api, payload: Any, *, by: str = "alertmanager") -> httpx.Response:
    return await api.post("/v1/events/alertmanager", payload, by=by)


def firing(**labels: str) -> dict[str, Any]:
    payload: dict[str, Any] = copy.deepcopy(PAYLOAD)
    payload["alerts"][0]["labels"] |= labels
    return payload


def another(payload: dict[str, Any], **changes: str) -> dict[str, Any]:
    changed = copy.deepcopy(payload)
    changed["alerts"][0] |= changes
    return changed


async def stored(api: Api, request_id: str) -> Request:
    async with api.database.reading() as connection:
        row = await requests.find(connection, CONFIGURATION.tenant, request_id)
        assert row is not None
        return Request.model_validate(row.document)


async def plan(api: Api, request_id: str) -> CloseRequestResult:
    """Do what the request's workflow does in the end: propose one resize."""
    proposed = ProposedAction(action=ACTION.validate_python(RESIZE), rationale="grow", confidence=0.8)
    result = AgentResult(outcome=Proposed(actions=(proposed,)), planner=Planner(kind=PlannerKind.RULES))
    given = CloseRequestInput(request=await stored(api, request_id), result=result)
    return await RequestActivities(api.database, CONFIGURATION, "practice").close_request(given)


async def proposal_of(api: Api) -> str:
    [request_id] = (await send(api, PAYLOAD)).json()["request_ids"]
    return (await plan(api, request_id)).proposals[0].proposal_id


async def test_a_firing_alert_becomes_an_untrusted_request_of_the_sender(alerting: Api) -> None:
    answer = await send(alerting, PAYLOAD)
    assert answer.status_code == 202
    [request_id] = answer.json()["request_ids"]
    request = await stored(alerting, request_id)
    assert (request.channel, request.trust, request.requester.subject) == (
        "event",
        "untrusted",
        "alertmanager",
    )
    assert request.alert is not None
    assert request.alert.labels["sluice_node_count"] == "4"
    assert await alerting.outbox(request_id) == [("start_request", False)]
    assert await alerting.audit(request_id) == ["request.received"]


async def test_a_storm_of_the_same_alert_is_one_request(alerting: Api) -> None:
    answers = await asyncio.gather(*(send(alerting, PAYLOAD) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {202}
    assert sum(len(answer.json()["request_ids"]) for answer in answers) == 1
    assert await alerting.count("requests") == 1


async def test_the_same_alert_in_another_time_zone_is_the_same(alerting: Api) -> None:
    await send(alerting, PAYLOAD)
    again = await send(alerting, another(PAYLOAD, startsAt="2026-11-21T12:40:07.607000123+01:00"))
    assert (again.json()["request_ids"], again.json()["known"]) == ([], 1)


async def test_storms_that_overlap_in_different_orders_all_get_through(alerting: Api) -> None:
    alerts = [another(PAYLOAD, fingerprint=f"f{n}")["alerts"][0] for n in range(25)]
    batches = [PAYLOAD | {"alerts": alerts[n:] + alerts[:n]} for n in range(0, 25, 3)]
    answers = await asyncio.gather(*(send(alerting, batch) for batch in batches))
    assert {answer.status_code for answer in answers} == {202}
    assert await alerting.count("requests") == 25


@pytest.mark.parametrize("change", [{"fingerprint": "other"}, {"startsAt": "2026-11-21T08:16:30Z"}])
async def test_another_alert_or_another_firing_is_another_request(
    alerting: Api, change: dict[str, str]
) -> None:
    await send(alerting, PAYLOAD)
    assert len((await send(alerting, another(PAYLOAD, **change))).json()["request_ids"]) == 1


async def test_a_resolved_alert_cancels_its_proposal_while_it_waits(alerting: Api) -> None:
    proposal_id = await proposal_of(alerting)
    await alerting.observe(proposal_id)
    async with alerting.database.transaction() as connection:
        held = Amount("environment=production", "month:2026-11", "USD", Decimal(500))
        await reserve(connection, CONFIGURATION.tenant, proposal_id, [held])
    answer = await send(alerting, RESOLVED)
    assert answer.json()["cancelled_proposal_ids"] == [proposal_id]
    view = await alerting.view(proposal_id)
    assert (view["state"], view["reason_code"]) == ("cancelled", "alert_resolved")
    async with alerting.database.reading() as connection:
        assert [one.reserved for one in await ledger.positions_of(connection, proposal_id)] == [0]
    assert ("wake", False) in await alerting.outbox(proposal_id)


async def test_a_resolved_alert_leaves_an_effect_alone_that_has_begun(alerting: Api) -> None:
    proposal_id = await proposal_of(alerting)
    await alerting.observe(proposal_id)
    await alerting.move(proposal_id, ProposalState.READY, ProposalState.EXECUTING)
    answer = await send(alerting, RESOLVED)
    assert answer.json()["cancelled_proposal_ids"] == []
    assert (await alerting.view(proposal_id))["state"] == "executing"


async def test_a_resolved_alert_closes_a_request_that_is_not_planned_yet(alerting: Api) -> None:
    [request_id] = (await send(alerting, PAYLOAD)).json()["request_ids"]
    answer = await send(alerting, RESOLVED)
    assert answer.json()["closed_request_ids"] == [request_id]
    planned = await plan(alerting, request_id)
    assert (planned.status, planned.proposals) == ("refused", ())


async def test_resolving_twice_or_what_never_fired_changes_nothing(alerting: Api) -> None:
    proposal_id = await proposal_of(alerting)
    first, second = await send(alerting, RESOLVED), await send(alerting, RESOLVED)
    stranger = await send(alerting, another(RESOLVED, fingerprint="stranger"))
    assert first.json()["cancelled_proposal_ids"] == [proposal_id]
    for answer in (second, stranger):
        assert answer.status_code == 202
        assert answer.json()["cancelled_proposal_ids"] == answer.json()["closed_request_ids"] == []


async def test_planning_and_resolving_at_once_leave_no_proposal_waiting(alerting: Api) -> None:
    for n in range(8):
        payload = another(PAYLOAD, fingerprint=f"race{n}")
        [request_id] = (await send(alerting, payload)).json()["request_ids"]
        over = another(RESOLVED, fingerprint=f"race{n}")
        planned, _ = await asyncio.gather(plan(alerting, request_id), send(alerting, over))
        for made in planned.proposals:
            assert (await alerting.view(made.proposal_id))["state"] == "cancelled"


async def test_a_proposal_that_another_alert_was_told_of_lives_until_both_resolved(alerting: Api) -> None:
    proposal_id = await proposal_of(alerting)
    [joining] = (await send(alerting, another(PAYLOAD, fingerprint="second"))).json()["request_ids"]
    told = await plan(alerting, joining)
    assert (told.status, told.proposals) == ("refused", ())
    assert (await send(alerting, RESOLVED)).json()["cancelled_proposal_ids"] == []
    assert (await alerting.view(proposal_id))["state"] == "evaluating"
    answer = await send(alerting, another(RESOLVED, fingerprint="second"))
    assert answer.json()["cancelled_proposal_ids"] == [proposal_id]


async def test_what_a_person_proposed_is_not_cancelled_by_an_alert_that_was_told_of_it(alerting: Api) -> None:
    proposal_id = await alerting.propose(action=RESIZE)
    [joining] = (await send(alerting, PAYLOAD)).json()["request_ids"]
    assert (await plan(alerting, joining)).proposals == ()
    assert (await send(alerting, RESOLVED)).json()["cancelled_proposal_ids"] == []
    assert (await alerting.view(proposal_id))["state"] == "evaluating"


async def test_joining_and_resolving_at_once_leave_no_alert_without_a_living_proposal(alerting: Api) -> None:
    for n in range(8):
        first, second = (another(PAYLOAD, fingerprint=f"{name}{n}") for name in ("first", "second"))
        [request_id] = (await send(alerting, first)).json()["request_ids"]
        (made,) = (await plan(alerting, request_id)).proposals
        [joining] = (await send(alerting, second)).json()["request_ids"]
        over = another(RESOLVED, fingerprint=f"first{n}")
        joined, _ = await asyncio.gather(plan(alerting, joining), send(alerting, over))
        living = joined.proposals[0].proposal_id if joined.proposals else made.proposal_id
        assert (await alerting.view(living))["state"] == "evaluating"
        await send(alerting, another(RESOLVED, fingerprint=f"second{n}"))
        assert (await alerting.view(living))["state"] == "cancelled"


async def test_a_long_annotation_is_cut_and_a_long_label_refused(alerting: Api) -> None:
    payload = firing()
    payload["alerts"][0]["annotations"]["description"] = "x" * 50_000
    [request_id] = (await send(alerting, payload)).json()["request_ids"]
    alert = (await stored(alerting, request_id)).alert
    assert alert is not None
    assert len(alert.annotations["description"]) == 2_000
    assert (await send(alerting, firing(severity="x" * 2_001))).status_code == 422


@pytest.mark.parametrize(
    ("change", "status", "reason_code"),
    [
        ({"version": "3"}, 422, "webhook_version_unknown"),
        ({"version": 4}, 422, "invalid_request"),
        ({"alerts": None}, 422, "invalid_request"),
        ({"alerts": [{"status": "firing"}]}, 422, "invalid_request"),
        ({"alerts": PAYLOAD["alerts"] * 501}, 422, "invalid_request"),
        ({"padding": "x" * MAX_EVENT_BODY}, 413, "body_too_large"),
    ],
)
async def test_what_is_no_notification_of_version_4_is_refused_with_a_reason(
    alerting: Api, change: dict[str, Any], status: int, reason_code: str
) -> None:
    answer = await send(alerting, PAYLOAD | change)
    assert (answer.status_code, answer.json()["reason_code"]) == (status, reason_code)
    assert await alerting.count("requests") == 0


@pytest.mark.parametrize(
    "change",
    [
        {"status": "pending"},
        {"startsAt": "yesterday"},
        {"startsAt": "2026-11-21T08:15:30"},
        {"startsAt": "0001-01-01T00:00:00+14:00"},
        {"fingerprint": ""},
        {"fingerprint": "a b"},
        {"labels": {"n": 4}},
        {"labels": {f"l{n}": "" for n in range(65)}},
    ],
)
async def test_one_malformed_alert_refuses_the_whole_notification(
    alerting: Api, change: dict[str, Any]
) -> None:
    payload = PAYLOAD | {"alerts": [*PAYLOAD["alerts"], PAYLOAD["alerts"][0] | {"fingerprint": "b"} | change]}
    answer = await send(alerting, payload)
    assert (answer.status_code, answer.json()["reason_code"]) == (422, "invalid_request")
    assert await alerting.count("requests") == 0


async def test_only_a_service_with_the_role_may_send_alerts(alerting: Api) -> None:
    assert (await alerting.http.post("/v1/events/alertmanager", json=PAYLOAD)).status_code == 401
    assert (await send(alerting, PAYLOAD, by="vera")).status_code == 403
    person = await send(alerting, PAYLOAD, by="ana")
    assert (person.status_code, person.json()["reason_code"]) == (403, "service_required")


async def test_keys_that_a_newer_alertmanager_adds_are_left_unread(alerting: Api) -> None:
    payload = another(PAYLOAD, somethingNew="x") | {"notificationReason": "new"}
    assert (await send(alerting, payload)).status_code == 202


async def test_a_proposal_of_an_alert_names_the_sender_and_the_agent_as_authors(alerting: Api) -> None:
    view = await alerting.view(await proposal_of(alerting))
    assert CAPACITY_AGENT.subject in json.dumps(view)
