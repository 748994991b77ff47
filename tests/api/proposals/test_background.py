from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from adapters.store import requests
from adapters.store.schema import decisions, proposals
from api.proposals.schemas import ProposalView
from contracts.base import canonical_json
from contracts.decision import ReasonName, SignedDecision
from contracts.request import AgentStep, Alert, Channel, Request, RequestStatus, Trust
from contracts.signature import is_signed_by
from tests.api.serving import Api, decision_on
from tests.contracts.samples import ANA, NOON


async def test_the_view_tells_risk_with_its_reasons(api: Api) -> None:
    assert (await api.waiting())["risk"] == {
        "tier": "medium",
        "reasons": [
            "It is production.",
            "It changes 100% of the pool at once.",
            "It adds 2,744.80 per month.",
        ],
    }
    uneven = (await api.waiting(sizes=(2, 3)))["risk"]
    assert (uneven["tier"], uneven["reasons"][0]) == ("high", "No single call can take it back.")


async def test_what_was_not_observed_yet_is_high(api: Api) -> None:
    risk = (await api.view(await api.propose()))["risk"]
    assert (risk["tier"], risk["reasons"][0]) == ("high", "The provider did not report what would change.")


async def test_a_risk_that_the_first_pass_fixed_is_not_undercut_later(api: Api) -> None:
    proposal_id = (await api.waiting())["id"]
    async with api.database.transaction() as connection:
        await connection.execute(update(proposals).values(risk="high"))
    risk = (await api.view(proposal_id))["risk"]
    assert (risk["tier"], risk["reasons"][0]) == ("high", "So it was judged when it was first looked at.")


async def test_the_view_names_who_can_decide_and_who_can_not(api: Api) -> None:
    view = await api.waiting()
    found = view["who_can_decide"]
    assert found["roles"] == ["approver"]
    assert [(one["who"]["subject"], one["why"]) for one in found["excluded"]] == [
        ("ana", "not_eligible_requester")
    ]
    await api.post(f"/v1/proposals/{view['id']}/decisions", decision_on(view), by="ben")
    after = await api.view(view["id"])
    assert [(one["who"]["subject"], one["why"]) for one in after["who_can_decide"]["excluded"]] == [
        ("ana", "not_eligible_requester"),
        ("ben", "already_voted"),
    ]
    assert (after["decided_by"]["reviewer"]["subject"], after["decided_by"]["decision"]) == ("ben", "approve")


async def test_before_the_first_pass_nobody_is_asked(api: Api) -> None:
    view = await api.view(await api.propose())
    assert (view["who_can_decide"], view["decided_by"]) == (None, None)


async def test_the_view_tells_monthly_totals_and_the_share_of_each_budget(api: Api) -> None:
    cost = (await api.waiting())["cost"]
    assert (cost["monthly_before"], cost["monthly_after"]) == ("2744.80", "5489.60")
    assert Decimal(cost["monthly_after"]) - Decimal(cost["monthly_before"]) == Decimal(cost["monthly_delta"])
    assert cost["budgets"][0]["share"] == pytest.approx(0.0203125)


async def _from_request(api: Api, proposal_id: str, **changes: Any) -> None:
    step = AgentStep(
        kind="tool", name="read_node_pool", arguments={"pool": "inference"}, input_tokens=7, cost_usd="0.01"
    )
    request = Request(
        id="req_1",
        tenant=api.parts.tenant,
        requester=ANA,
        channel=Channel.EVENT,
        text="",
        trust=Trust.UNTRUSTED,
        received_at=NOON,
        **changes,
    )
    async with api.database.transaction() as connection:
        await requests.create(connection, request)
        await requests.close(connection, request.id, RequestStatus.PROPOSED, "", None, [step])
        await connection.execute(
            update(proposals).where(proposals.c.id == proposal_id).values(request_id="req_1")
        )


async def test_the_view_brings_the_request_and_the_agents_steps(api: Api) -> None:
    proposal_id = (await api.waiting())["id"]
    alert = Alert(fingerprint="f", starts_at=NOON, status="firing", labels={"severity": "<b>page</b>"})
    await _from_request(api, proposal_id, alert=alert)
    view = await api.view(proposal_id)
    assert (view["request"]["trust"], view["request"]["alert"]["labels"]) == (
        "untrusted",
        {"severity": "<b>page</b>"},
    )
    (step,) = view["agent_steps"]
    assert (step["kind"], step["name"], step["arguments"]) == (
        "tool",
        "read_node_pool",
        {"pool": "inference"},
    )


async def test_where_the_action_was_named_there_is_no_request(api: Api) -> None:
    view = await api.waiting()
    assert (view["request"], view["agent_steps"]) == (None, [])


async def test_a_named_reason_is_signed_stored_and_shown(api: Api) -> None:
    view = await api.waiting()
    body = decision_on(view, "reject", reason_name="too_expensive")
    assert (await api.post(f"/v1/proposals/{view['id']}/decisions", body, by="ben")).status_code == 200
    (signed,) = api.gateway.decided
    assert signed.decision.reason_name == "too_expensive"
    assert is_signed_by(signed, api.parts.public_keys)
    forged = signed.model_copy(
        update={"decision": signed.decision.model_copy(update={"reason_name": ReasonName.OTHER})}
    )
    assert not is_signed_by(forged, api.parts.public_keys)
    (vote,) = (await api.view(view["id"]))["approvals"]
    assert (vote["reason_name"], vote["reason"]) == ("too_expensive", "not now")


async def test_a_name_outside_the_list_is_refused(api: Api) -> None:
    view = await api.waiting()
    body = decision_on(view, "reject", reason_name="because")
    assert (await api.post(f"/v1/proposals/{view['id']}/decisions", body, by="ben")).status_code == 422


async def test_a_decision_signed_before_reasons_had_names_still_verifies_byte_for_byte(api: Api) -> None:
    view = await api.waiting()
    await api.post(f"/v1/proposals/{view['id']}/decisions", decision_on(view), by="ben")
    async with api.database.reading() as connection:
        document = (await connection.execute(select(decisions.c.document))).scalar_one()
    # What such a decision looks like in the database: no such key at all, under the same bytes.
    assert "reason_name" not in document["decision"]
    stored = SignedDecision.model_validate(document)
    assert stored.decision.signing_bytes() == b"sluice.decision.v1\n" + canonical_json(document["decision"])
    assert is_signed_by(stored, api.parts.public_keys)


async def test_a_program_that_reads_an_answer_of_an_older_server_gets_defaults(api: Api) -> None:
    view = await api.waiting()
    for name in ("risk", "who_can_decide", "comments", "request", "agent_steps", "decided_by"):
        del view[name]
    parsed = ProposalView.model_validate_json(json.dumps(view))
    assert (parsed.risk.tier, parsed.comments, parsed.who_can_decide) == ("high", (), None)
