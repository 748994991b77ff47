"""The section that says why: taken from the explanation, with a way to the size that would pass."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest

from agents.planners.phrases import Bounds, Scale, parse
from api.web.proposal.why import asking
from contracts.action import SetNodePoolAutoscaling
from contracts.proposal import ProposalState
from tests.activities.guardrail.conftest import Guards
from tests.api.serving import Api
from tests.contracts.samples import resize


async def page(api: Api, proposal_id: str, by: str, path: str = "") -> str:
    async with api.browser(by) as browser:
        answer = await browser.get(f"/proposals/{proposal_id}{path}")
        assert answer.status_code == 200, answer.text
        return unescape(answer.text)


async def test_a_denial_says_what_would_have_to_change_and_opens_the_request_for_it(
    api: Api, gates: Guards
) -> None:
    proposal = await gates.propose(action=resize(40))
    await gates.check(proposal)
    told = await page(api, proposal.id, "ana", "/why")
    assert "The guardrails denied it." in told
    assert "What would have to change" in told
    assert "With 12 nodes per zone it would not have been denied" in told
    assert "Ask for that size instead" in told
    assert re.search(r'href="/chat\?text=scale\+[^"]+to\+12\+nodes\+per\+zone"', told)


async def test_who_only_reads_is_told_the_other_size_without_a_form(api: Api, gates: Guards) -> None:
    proposal = await gates.propose(action=resize(40))
    await gates.check(proposal)
    told = await page(api, proposal.id, "vera", "/why")
    assert "With 12 nodes per zone" in told
    assert "/chat?text=" not in told


async def test_what_waits_says_who_must_approve_and_because_of_which_rule(api: Api, gates: Guards) -> None:
    proposal = await gates.propose()
    await gates.check(proposal)
    told = await page(api, proposal.id, "ben", "/why")
    assert "The guardrails allow it once people have approved." in told
    assert "One person with the role" in told
    assert "approval_rule.environment" in told


async def test_once_people_have_answered_nothing_would_have_to_change(api: Api, gates: Guards) -> None:
    proposal = await gates.propose()
    await gates.check(proposal)
    assert "What would have to change" in await page(api, proposal.id, "ben", "/why")
    await api.move(proposal.id, ProposalState.READY)
    told = await page(api, proposal.id, "ben", "/why")
    assert "Who must approve" in told
    assert "What would have to change" not in told


async def test_who_may_edit_is_led_to_the_form_with_the_size_that_nobody_need_approve(
    api: Api, gates: Guards
) -> None:
    api.app.state.parts = replace(api.parts, policy=gates.policy)
    denied = await gates.propose_in_development(node_pool="one", node_count=30)
    await gates.check(denied)
    others = (await api.get(f"/v1/proposals/{denied.id}/explanation")).json()["alternatives"]
    asked = next(one["action"]["node_count"] for one in others if one["outcome"] == "require_approval")
    proposal = await gates.propose_in_development(node_pool="two", node_count=asked)
    await gates.check(proposal)
    assert (await api.view(proposal.id))["state"] == "awaiting_approval"
    led = re.search(
        rf'href="(/proposals/{proposal.id}\?node_count=(\d+))#edit"',
        await page(api, proposal.id, "ben", "/why"),
    )
    assert led is not None
    async with api.browser("ben") as browser:
        form = (await browser.get(led[1])).text
    assert f'name="node_count" type="number" value="{led[2]}"' in form
    assert int(led[2]) < asked


async def test_a_sentence_of_a_denial_stands_once_beside_its_guardrail(api: Api, gates: Guards) -> None:
    proposal = await gates.propose(action=resize(40))
    await gates.check(proposal)
    view = await api.view(proposal.id)
    remedies = [one["remedy"] for one in view["verdicts"] if one["outcome"] == "deny" and one.get("remedy")]
    told = await page(api, proposal.id, "ana")
    # Everything as JSON repeats it, and so does nothing else.
    shown = told.split('id="raw-view"')[0] + await page(api, proposal.id, "ana", "/why")
    assert remedies
    assert [shown.count(one) for one in remedies] == [1] * len(remedies)


async def test_before_the_first_pass_nothing_is_explained(api: Api) -> None:
    proposal_id = await api.propose()
    assert "Who must approve" not in await page(api, proposal_id, "ben", "/why")


async def test_the_words_that_ask_for_another_size_stand_in_the_chat_and_are_not_sent(api: Api) -> None:
    async with api.browser("ana") as browser:
        answer = await browser.get("/chat", params={"text": "scale a/b to 3 <b>"})
    assert "scale a/b to 3 &lt;b&gt;</textarea>" in answer.text
    assert await api.count("requests") == 0


@pytest.mark.parametrize(
    ("action", "phrase"),
    [
        (resize(3), Scale),
        (
            SetNodePoolAutoscaling(
                project="acme-prod",
                location="europe-west4",
                cluster="serving",
                node_pool="inference",
                min_node_count=1,
                max_node_count=4,
            ),
            Bounds,
        ),
    ],
    ids=["size", "bounds"],
)
def test_the_rules_planner_reads_the_words_that_ask_for_another_size(action: object, phrase: type) -> None:
    found = parse(asking(action))  # type: ignore[arg-type]
    assert isinstance(found, phrase)
