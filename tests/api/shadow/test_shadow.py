from __future__ import annotations

from typing import Any

from contracts.evaluation import Outcome
from contracts.ports import PolicyViolation
from contracts.shadow import ShadowVerdict
from tests.api.serving import Api
from tests.api.shadow.shadowing import shadowed

HARD = PolicyViolation(rule="no_more", level="hard", message="No more.")
DENIES = ShadowVerdict(revision="sha256:new", outcome=Outcome.DENY, violations=(HARD,))
AGREES = ShadowVerdict(revision="sha256:new", outcome=Outcome.REQUIRE_APPROVAL)


async def compared(api: Api, **params: Any) -> dict[str, Any]:
    answer = await api.get("/v1/policy/shadow", **params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_agreement_and_disagreement_are_counted_with_their_money(api: Api) -> None:
    ids = await shadowed(api, DENIES, AGREES, DENIES, None)
    found = await compared(api)
    assert (found["revision"], found["answered"], found["agreed"]) == ("sha256:new", 3, 1)
    assert found["pairs"] == [
        {"live": "require_approval", "candidate": "deny", "count": 2, "unpriced": 0,
         "monthly_delta": {"USD": "5489.60"}},
        {"live": "require_approval", "candidate": "require_approval", "count": 1, "unpriced": 0,
         "monthly_delta": {"USD": "2744.80"}},
    ]  # fmt: skip
    assert [one["proposal_id"] for one in found["disagreements"]] == [ids[2], ids[0]]
    assert found["disagreements"][0]["rules"] == ["policy.no_more"]
    assert found["disagreements"][0]["monthly_delta"] == "2744.80"


async def test_a_denial_that_would_fall_away_names_the_live_rules(api: Api) -> None:
    await shadowed(api, ShadowVerdict(revision="sha256:new", outcome=Outcome.ALLOW))
    (one,) = (await compared(api))["disagreements"]
    assert one["rules"] == ["approval_rule.environment_quorum"]


async def test_passes_without_an_answer_are_neither_agreement_nor_disagreement(api: Api) -> None:
    await shadowed(
        api, ShadowVerdict(error="shadow_too_slow"), ShadowVerdict(error="shadow_too_slow"), AGREES
    )
    found = await compared(api)
    assert (found["answered"], found["unanswered"]) == (1, {"shadow_too_slow": 2})
    assert found["disagreements"] == []


async def test_only_one_candidate_is_compared_the_latest_unless_another_is_named(api: Api) -> None:
    older = ShadowVerdict(revision="sha256:old", outcome=Outcome.ALLOW)
    await shadowed(api, older, AGREES)
    found = await compared(api)
    assert (found["revision"], found["answered"], found["agreed"]) == ("sha256:new", 1, 1)
    assert found["revisions"] == ["sha256:new", "sha256:old"]
    assert (await compared(api, revision="sha256:old"))["pairs"][0]["candidate"] == "allow"


async def test_without_a_candidate_there_is_nothing_to_compare(api: Api) -> None:
    await shadowed(api, None)
    found = await compared(api)
    assert (found["revision"], found["answered"], found["pairs"]) == (None, 0, [])
