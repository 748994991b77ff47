from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from adapters.store.schema import evaluations
from contracts.action import ResizeNodePool
from contracts.evaluation import Verdict
from contracts.proposal import Draft, Planner, PlannerKind, Proposal
from guardrails import registry
from guardrails.answers import Answers
from guardrails.extension import Extension
from guardrails.facts import Facts
from tests.activities.guardrail.conftest import Guards
from tests.api.serving import Api
from tests.contracts.samples import AGENT, ANA, BEN, resize
from tests.editing import edit
from tests.guardrails.distribution import restored

clean_registry = pytest.fixture(autouse=True)(restored)


async def explained(api: Api, proposal: Proposal, *, by: str = "vera") -> dict[str, Any]:
    answer = await api.get(f"/v1/proposals/{proposal.id}/explanation", by=by)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_what_waits_for_people_says_who_must_approve_and_why(api: Api, gates: Guards) -> None:
    proposal = await gates.propose()
    await gates.check(proposal)
    found = await explained(api, proposal)
    assert found["outcome"] == "require_approval"
    assert [one["guardrail"] for one in found["reasons"]] == ["approval_rule"]
    people = found["people"]
    assert (people["quorum"], people["roles"], people["given"]) == (1, ["approver"], 0)
    assert people["rules"] == ["approval_rule.environment"]
    assert [one["who"]["subject"] for one in people["who_can_decide"]["excluded"]] == ["ana"]
    assert any("Changes in production need one person" in one["text"] for one in found["judged"])
    assert found["policy_revision"].startswith("sha256:")
    assert found["configuration_revision"] == gates.configuration.revision


async def test_what_is_allowed_has_no_reason_against_it_and_nothing_to_change(
    api: Api, gates: Guards
) -> None:
    proposal = await gates.propose_in_development()
    await gates.check(proposal)
    found = await explained(api, proposal)
    assert found["outcome"] == "allow"
    assert (found["reasons"], found["people"], found["would_have_to_change"]) == ([], None, [])
    assert (found["alternatives"], found["no_alternative"]) == ([], None)
    assert any("together they allowed it" in one["text"] for one in found["judged"])


async def test_a_denial_names_the_nearest_size_that_would_not_be_denied(api: Api, gates: Guards) -> None:
    proposal = await gates.propose(action=resize(40))
    await gates.check(proposal)
    found = await explained(api, proposal)
    assert found["outcome"] == "deny"
    assert found["reasons"][0]["outcome"] == "deny"
    (other,) = found["alternatives"]
    assert (other["outcome"], other["action"]["node_count"]) == ("require_approval", 12)
    assert other["policy"] == "as_recorded"
    assert "taken as recorded" in other["text"]
    assert other["text"] in found["would_have_to_change"]


async def test_the_alternative_is_what_a_real_pass_says_and_the_next_size_is_denied(
    api: Api, gates: Guards
) -> None:
    api.app.state.parts = replace(api.parts, policy=gates.policy)
    denied = await gates.propose_in_development(node_pool="one", node_count=30)
    await gates.check(denied)
    found = await explained(api, denied)
    size = {one["outcome"]: one["action"]["node_count"] for one in found["alternatives"]}
    assert all(one["policy"] == "asked" for one in found["alternatives"])
    assert set(size) == {"allow", "require_approval"}
    for outcome, count in size.items():
        proposal = await gates.propose_in_development(node_pool=f"pool-{count}", node_count=count)
        await gates.check(proposal)
        assert (await gates.evaluation(proposal)).outcome.value == outcome
    for outcome, count in size.items():
        proposal = await gates.propose_in_development(node_pool=f"more-{count}", node_count=count + 1)
        await gates.check(proposal)
        assert (await gates.evaluation(proposal)).outcome.value != outcome


async def test_policies_that_are_asked_again_can_forbid_what_the_gates_would_take(
    api: Api, gates: Guards
) -> None:
    """40 nodes are the most in development: with four zones of eight that is below, with six above."""
    api.app.state.parts = replace(api.parts, policy=gates.policy)
    gates.provider.answer = gates.provider.answer.model_copy(
        update={"zones": tuple(
            gates.provider.answer.zones[0].model_copy(update={"zone": f"z-{n}", "instance_group": f"g-{n}"})
            for n in range(6)
        )}
    )  # fmt: skip
    proposal = await gates.propose_in_development(node_count=30)
    await gates.check(proposal)
    found = await explained(api, proposal)
    sizes = [
        one["action"]["node_count"] for one in found["alternatives"] if one["outcome"] == "require_approval"
    ]
    assert sizes == [6]


async def test_where_the_policies_denied_and_cannot_be_asked_nothing_is_promised(
    api: Api, gates: Guards
) -> None:
    proposal = await gates.propose(action=resize(200))
    await gates.check(proposal)
    found = await explained(api, proposal)
    assert found["alternatives"] == []
    assert "were not asked about other sizes" in found["no_alternative"]


async def test_a_target_out_of_scope_has_no_other_size(api: Api, gates: Guards) -> None:
    proposal = await gates.propose(action=resize().model_copy(update={"cluster": "unknown"}))
    await gates.check(proposal)
    found = await explained(api, proposal)
    assert found["alternatives"] == []
    assert "not observed" in found["no_alternative"]


async def test_every_denial_says_what_would_have_to_change(api: Api, gates: Guards) -> None:
    proposal = await gates.propose(action=resize(200))
    await gates.check(proposal)
    found = await explained(api, proposal)
    against = [one for one in found["reasons"] if one["outcome"] in ("deny", "hold")]
    remedies = {one["remedy"] for one in against if one["remedy"]}
    assert remedies <= set(found["would_have_to_change"])
    assert len(found["would_have_to_change"]) >= len(against)


HELPS = "all other facts the same. The policies"
NOTHING_HELPS = ("No smaller change", "cannot be said", "cannot be weighed", "can be weighed")
LARGEST = 6
OWN = Answers("acme-rules/largest")


def largest(facts: Facts) -> Verdict:
    """Denies above a size, and names no remedy."""
    action = facts.draft.action
    assert isinstance(action, ResizeNodePool)
    if action.node_count > LARGEST:
        return OWN.deny("largest", "too_large", "Too large.")
    return OWN.allow("largest", "Not too large.")


CASES: dict[str, Callable[[Guards], Awaitable[Proposal]]] = {
    "people are asked": lambda gates: gates.propose(),
    "allowed": lambda gates: gates.propose_in_development(),
    "denied, a size helps": lambda gates: gates.propose(action=resize(40)),
    "denied by a rule without a remedy, a size helps": lambda gates: gates.propose(
        action=resize(LARGEST + 1)
    ),
    "denied, nothing helps": lambda gates: gates.propose(action=resize(200)),
    "denied by policy": lambda gates: gates.propose(action=resize(0)),
    "unknown target": lambda gates: gates.propose(action=resize().model_copy(update={"cluster": "unknown"})),
}


@pytest.mark.parametrize("asked", [True, False], ids=["policies asked", "policies not asked"])
@pytest.mark.parametrize("case", CASES)
async def test_what_would_have_to_change_never_contradicts_itself(
    api: Api, gates: Guards, case: str, asked: bool
) -> None:
    api.app.state.parts = replace(api.parts, policy=gates.policy if asked else None)
    registry.install([Extension(OWN.guardrail, "acme-rules", "1.0.0", largest)])
    proposal = await CASES[case](gates)
    await gates.check(proposal)
    found = await explained(api, proposal)
    told, none = found["would_have_to_change"], found["no_alternative"]
    assert bool([one for one in told if HELPS in one]) == bool(found["alternatives"])
    assert none is None or not found["alternatives"]
    assert none is None or any(words in none for words in NOTHING_HELPS)
    assert not any(words in one for one in told for words in (*NOTHING_HELPS, "No change"))
    without = [one for one in found["reasons"] if one["remedy"] is None]
    assert without or "without a remedy" not in case
    of_this_size = [one for one in told if one.startswith("For the size that was asked for, the rule ")]
    of_any_size = [one for one in told if one.startswith("The rule ")]
    assert len(of_this_size if found["alternatives"] else of_any_size) == len(without)
    assert not (of_any_size if found["alternatives"] else of_this_size)


async def test_words_of_an_agent_are_quoted_as_unverified_and_in_no_sentence_of_ours(
    api: Api, gates: Guards
) -> None:
    words = "Approve at once, it was cleared by the board."
    proposal = await gates.propose(
        authors=(ANA, AGENT),
        reason=words,
        confidence=0.9,
        planner=Planner(kind=PlannerKind.OPENAI, model="m"),
    )
    await gates.check(proposal)
    found = await explained(api, proposal)
    assert found["rationale"] == {"text": words, "by": "agent capacity-agent", "is_unverified": True}
    del found["rationale"]
    for sentence in (*found["judged"], *found["decided"]):
        assert words not in sentence["text"]
    assert words not in str(found["reasons"]) + str(found["would_have_to_change"])


async def test_an_edit_is_explained_by_what_it_changed_and_who_made_it(api: Api, gates: Guards) -> None:
    proposal = await gates.propose()
    await gates.check(proposal)
    assert (await explained(api, proposal))["edited"] == []
    assert isinstance(await edit(api.database, proposal.id, BEN, node_count=3), Draft)
    (told,) = (await explained(api, proposal))["edited"]
    assert told["text"].startswith("ben edited it into revision 2: nodes per zone 4 → 3. ")


async def test_before_the_first_pass_there_is_nothing_to_explain_yet(api: Api) -> None:
    proposal_id = await api.propose()
    found = (await api.get(f"/v1/proposals/{proposal_id}/explanation")).json()
    assert (found["outcome"], found["judged"], found["reasons"]) == (None, [], [])
    assert "being evaluated" in found["headline"]["text"]


async def test_without_recorded_facts_the_verdicts_are_explained_and_no_size_is_guessed(
    api: Api, gates: Guards
) -> None:
    proposal = await gates.propose(action=resize(200))
    await gates.check(proposal)
    for facts in (None, {"facts": {"unreadable": True}}):
        async with api.database.transaction() as connection:
            await connection.execute(update(evaluations).values(facts=facts))
        found = await explained(api, proposal)
        assert found["reasons"]
        assert found["alternatives"] == []
        assert "not kept" in found["no_alternative"]


async def test_nobody_explains_what_is_not_there(api: Api) -> None:
    for path in ("explanation", "policy"):
        assert (await api.get(f"/v1/proposals/prp_none/{path}")).status_code == 404
        assert (await api.http.get(f"/v1/proposals/prp_none/{path}")).status_code == 401


async def test_the_policies_answer_is_shown_with_the_document_that_gives_it_again(
    api: Api, gates: Guards
) -> None:
    action = ResizeNodePool.model_validate(resize(0).model_dump())
    proposal = await gates.propose(action=action)
    await gates.check(proposal)
    answer = await api.get(f"/v1/proposals/{proposal.id}/policy")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [one["rule"] for one in found["violations"]] == ["shrink_to_zero_in_production"]
    assert found["outcome"] == "deny"
    again = await gates.policy.evaluate(found["input"])
    assert again.revision == found["policy_revision"]
    assert [one.model_dump(mode="json") for one in again.violations] == found["violations"]


async def test_before_the_first_pass_no_policy_was_asked(api: Api) -> None:
    answer = await api.get(f"/v1/proposals/{await api.propose()}/policy")
    assert (answer.status_code, answer.json()["reason_code"]) == (404, "not_evaluated")


async def test_the_page_comes_without_its_explanation_which_loads_by_itself(api: Api, gates: Guards) -> None:
    """Other sizes are weighed with one question each: the facts that a decision rests on never wait for that."""
    proposal = await gates.propose(action=resize(40))
    await gates.check(proposal)
    async with api.browser("vera") as browser:
        page = (await browser.get(f"/proposals/{proposal.id}")).text
        why = (await browser.get(f"/proposals/{proposal.id}/why")).text
    assert 'hx-trigger="load, sluice:changed"' in page
    assert "all other facts the same" not in page
    assert "all other facts the same" in why
    assert 'hx-trigger="sluice:changed"' in why
