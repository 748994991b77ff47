from __future__ import annotations

from typing import Any

import pytest

from adapters.gke.reader import GkeNodePoolReader
from agents.planners.rules import HELP, RulesPlanner
from contracts.base import utc_now
from contracts.errors import ProviderUnavailable
from contracts.request import Alert, Answered, Asked, Proposed, Refused, RequestOutcome
from tests.request_stack import CONFIGURATION, request_of

POOL = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving", "node_pool": "inference"}


@pytest.fixture
def planner(reader: GkeNodePoolReader) -> RulesPlanner:
    return RulesPlanner(reader, CONFIGURATION)


async def ask(planner: RulesPlanner, text: str) -> RequestOutcome:
    return await planner.plan(request_of(text))


async def fire(planner: RulesPlanner, **labels: str) -> RequestOutcome:
    alert = Alert(fingerprint="f", starts_at=utc_now(), status="firing", labels=labels)
    return await planner.plan(request_of("scale web in acme-prod to 9", alert=alert))


def action(outcome: RequestOutcome) -> dict[str, Any]:
    assert isinstance(outcome, Proposed), outcome
    [proposed] = outcome.actions
    return proposed.action.model_dump(mode="json")


async def test_an_absolute_size_becomes_a_resize_per_zone(planner: RulesPlanner) -> None:
    found = action(await ask(planner, "scale inference in acme-prod to 4"))
    assert found == {"kind": "gke.node_pool.resize", **POOL, "node_count": 4}


@pytest.mark.parametrize(
    "text",
    [
        "scale down inference in acme-prod to 9",
        "shrink inference in acme-prod to 3",
        "scale inference in acme-prod up to 1",
        "grow inference in acme-prod to 0",
        "scale up uneven in acme-prod to 2",
    ],
)
async def test_a_size_that_leads_the_other_way_than_the_words_is_asked_back(
    planner: RulesPlanner, text: str
) -> None:
    outcome = await ask(planner, text)
    assert isinstance(outcome, Asked)
    assert "running of target nodes" in outcome.text


@pytest.mark.parametrize(
    ("text", "count"),
    [("scale up inference in acme-prod to 3", 3), ("scale inference in acme-prod down to 1", 1)],
)
async def test_a_size_that_leads_where_the_words_do_is_proposed(
    planner: RulesPlanner, text: str, count: int
) -> None:
    assert action(await ask(planner, text))["node_count"] == count


async def test_a_part_of_a_name_will_do_but_lowers_the_confidence(planner: RulesPlanner) -> None:
    whole, part = (
        await ask(planner, "scale gpu-a100 in acme-prod to 1"),
        await ask(planner, "scale gpu in acme-prod to 1"),
    )
    assert isinstance(whole, Proposed)
    assert isinstance(part, Proposed)
    assert whole.actions[0].action == part.actions[0].action
    assert part.actions[0].confidence < whole.actions[0].confidence


@pytest.mark.parametrize("place", ["acme-prod", "serving", "production", "europe-west4"])
async def test_a_pool_is_found_by_project_cluster_environment_or_location(
    planner: RulesPlanner, place: str
) -> None:
    assert action(await ask(planner, f"scale inference in {place} to 3"))["node_pool"] == "inference"


async def test_a_name_that_fits_several_pools_is_asked_back_with_the_choices(planner: RulesPlanner) -> None:
    outcome = await ask(planner, "scale default to 3")
    assert isinstance(outcome, Asked)
    assert "acme-prod/tools/default" in outcome.text
    assert "acme-dev/dev/default" in outcome.text


async def test_an_unknown_name_is_asked_back(planner: RulesPlanner) -> None:
    outcome = await ask(planner, "scale frontend in acme-prod to 3")
    assert isinstance(outcome, Asked)
    assert "no registered node pool “frontend”" in outcome.text


async def test_a_pool_that_is_not_registered_is_unknown(reader: GkeNodePoolReader) -> None:
    without = CONFIGURATION.model_copy(update={"targets": CONFIGURATION.targets[2:]})
    outcome = await RulesPlanner(reader, without).plan(request_of("scale inference to 3"))
    assert isinstance(outcome, Asked)
    assert "acme-prod" not in outcome.text


async def test_a_relative_change_in_one_zone_becomes_absolute(planner: RulesPlanner) -> None:
    assert action(await ask(planner, "scale default in tools up by 2"))["node_count"] == 5


async def test_a_relative_change_over_several_zones_is_asked_back_unless_it_says_per_zone(
    planner: RulesPlanner,
) -> None:
    assert isinstance(await ask(planner, "scale inference in acme-prod up by 2"), Asked)
    assert action(await ask(planner, "scale inference in acme-prod up by 2 per zone"))["node_count"] == 4


async def test_a_relative_change_of_uneven_zones_is_asked_back(planner: RulesPlanner) -> None:
    assert isinstance(await ask(planner, "scale uneven in acme-prod up by 1 per zone"), Asked)


async def test_a_shrink_below_zero_is_refused(planner: RulesPlanner) -> None:
    outcome = await ask(planner, "scale default in tools down by 9")
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "node_count_out_of_bounds"


async def test_a_senseless_size_is_refused(planner: RulesPlanner) -> None:
    outcome = await ask(planner, "scale inference in acme-prod to 999999999")
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "node_count_out_of_bounds"


async def test_the_present_size_needs_no_proposal(planner: RulesPlanner) -> None:
    assert isinstance(await ask(planner, "scale inference in acme-prod to 2"), Answered)


@pytest.mark.parametrize(("count", "bounds"), [(4, (4, 5)), (8, (8, 8))])
async def test_growing_an_autoscaled_pool_raises_its_bounds(
    planner: RulesPlanner, count: int, bounds: tuple[int, int]
) -> None:
    found = action(await ask(planner, f"scale batch-autoscaled in acme-prod to {count}"))
    assert found["kind"] == "gke.node_pool.autoscaling"
    assert (found["min_node_count"], found["max_node_count"]) == bounds


async def test_named_bounds_are_taken_as_they_are(
    planner: RulesPlanner,
) -> None:
    found = action(await ask(planner, "set autoscaling of ci-autoscaled to 1-3"))
    assert (found["min_node_count"], found["max_node_count"]) == (1, 3)


async def test_pool_wide_bounds_are_refused(planner: RulesPlanner) -> None:
    outcome = await ask(planner, "scale jobs-total in acme-prod to 4")
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "pool_has_total_bounds"


@pytest.mark.parametrize("bounds", ["6-1", "0-0", "1-5000"])
async def test_senseless_bounds_are_refused(planner: RulesPlanner, bounds: str) -> None:
    outcome = await ask(planner, f"set autoscaling of ci-autoscaled to {bounds}")
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "node_count_out_of_bounds"


async def test_bounds_for_a_fixed_pool_are_asked_back(planner: RulesPlanner) -> None:
    assert isinstance(await ask(planner, "set autoscaling of inference to 1-3"), Asked)


async def test_a_question_about_size_is_answered_from_what_runs(planner: RulesPlanner) -> None:
    outcome = await ask(planner, "how big is inference in acme-prod?")
    assert isinstance(outcome, Answered)
    assert "europe-west4-a 2 of 2" in outcome.text
    assert "g2-standard-8" in outcome.text


async def test_help_and_list_are_answered(planner: RulesPlanner) -> None:
    assert await ask(planner, "help") == Answered(text=HELP)
    listed = await ask(planner, "list pools")
    assert isinstance(listed, Answered)
    assert "acme-prod/serving/inference" in listed.text


async def test_anything_else_is_asked_back_with_help(planner: RulesPlanner) -> None:
    outcome = await ask(planner, "make it go faster")
    assert isinstance(outcome, Asked)
    assert HELP in outcome.text


async def test_an_alert_is_planned_from_its_labels_alone(planner: RulesPlanner) -> None:
    outcome = await fire(planner, **POOL, sluice_node_count="5", severity="scale to 100")
    assert action(outcome) == {"kind": "gke.node_pool.resize", **POOL, "node_count": 5}
    assert "100" not in outcome.text


@pytest.mark.parametrize("count", ["", "-1", "4.0", "0x4", "٤", "6; drop", "1000000000", " 4"])
async def test_an_alert_without_a_plain_number_is_refused(planner: RulesPlanner, count: str) -> None:
    outcome = await fire(planner, **POOL, sluice_node_count=count)
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "alert_without_node_count"


async def test_an_alert_with_a_size_beyond_gke_is_refused(planner: RulesPlanner) -> None:
    outcome = await fire(planner, **POOL, sluice_node_count="5000")
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "node_count_out_of_bounds"


@pytest.mark.parametrize(
    "labels", [{}, {"node_pool": "default"}, POOL | {"cluster": "other"}, {"project": "acme-prod"}]
)
async def test_an_alert_that_does_not_name_one_registered_pool_is_refused(
    planner: RulesPlanner, labels: dict[str, str]
) -> None:
    outcome = await fire(planner, **labels, sluice_node_count="3")
    assert isinstance(outcome, Refused)
    assert outcome.reason_code == "alert_target_unknown"


async def test_a_provider_that_is_down_is_tried_again_and_not_answered_around() -> None:
    nobody = GkeNodePoolReader.to_endpoint("127.0.0.1:1", "http://127.0.0.1:1")
    with pytest.raises(ProviderUnavailable):
        await ask(RulesPlanner(nobody, CONFIGURATION), "list pools")
    await nobody.close()
