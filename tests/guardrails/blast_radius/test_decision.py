from __future__ import annotations

from typing import Any

import pytest

from contracts.configuration import Limits
from contracts.evaluation import Outcome
from contracts.observation import NodePoolObservation
from guardrails.blast_radius.decision import decide
from tests.contracts.samples import observation, resize
from tests.guardrails.samples import autoscaled, bounds, draft, facts


@pytest.mark.parametrize(
    ("sizes", "wanted", "before", "after", "share", "outcome"),
    [
        ((2, 2, 2), 4, 6, 12, 1.0, Outcome.ALLOW),
        ((2, 2, 2), 5, 6, 15, 1.5, Outcome.REQUIRE_APPROVAL),
        ((2, 2, 2), 0, 6, 0, 1.0, Outcome.ALLOW),
        ((0, 0, 0), 1, 0, 3, 1.0, Outcome.ALLOW),
        ((0, 0, 0), 2, 0, 6, 2.0, Outcome.REQUIRE_APPROVAL),
        ((2, 2, 2), 2, 6, 6, 0.0, Outcome.ALLOW),
        ((3, 2, 1), 2, 6, 6, 0.0, Outcome.REQUIRE_APPROVAL),
    ],
)
def test_the_share_of_the_pool_decides(
    sizes: tuple[int, ...], wanted: int, before: int, after: int, share: float, outcome: Outcome
) -> None:
    verdict = decide(facts(observation=observation(*sizes), draft=draft(action=resize(wanted))))
    assert verdict.outcome is outcome
    shown = {"nodes_before": before, "nodes_after": after, "share_of_pool": share}
    assert shown.items() <= verdict.facts.items()
    assert verdict.facts["share_of_cluster"] == abs(after - before) / 12


@pytest.mark.parametrize(
    ("max_share", "outcome"),
    [(0.0, Outcome.REQUIRE_APPROVAL), (0.99, Outcome.REQUIRE_APPROVAL), (1.0, Outcome.ALLOW)],
)
def test_the_limit_is_configured(max_share: float, outcome: Outcome) -> None:
    assert decide(facts(limits=Limits(max_share=max_share))).outcome is outcome


def test_uneven_zones_cannot_be_brought_back_so_a_person_must_agree() -> None:
    verdict = decide(facts(observation=observation(3, 2, 1), draft=draft(action=resize(3))))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.REQUIRE_APPROVAL, "not_reversible")
    assert verdict.facts["reversible"] is False
    assert verdict.requirement is not None
    assert verdict.requirement.quorum >= 1
    assert verdict.requirement.rules == ("blast_radius.reversible",)


def test_bounds_of_zero_have_no_way_back() -> None:
    verdict = decide(facts(observation=autoscaled(0, 0), draft=draft(action=bounds(1, 4))))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.REQUIRE_APPROVAL, "not_reversible")
    assert verdict.facts["reversible"] is False


def test_it_says_what_is_in_the_way_of_a_single_call_back() -> None:
    uneven = decide(facts(observation=observation(3, 2, 1), draft=draft(action=resize(3))))
    never_bounded = decide(facts(observation=observation(2, 2, 2), draft=draft(action=bounds(1, 4))))
    assert "The zones differ in size, so no single call" in uneven.message
    assert "There are no bounds per zone to return to, so no single call" in never_bounded.message


def test_both_reasons_are_told() -> None:
    verdict = decide(facts(observation=observation(3, 2, 1), draft=draft(action=resize(9))))
    assert verdict.requirement is not None
    assert verdict.requirement.rules == ("blast_radius.reversible", "blast_radius.max_share")


def test_bounds_count_with_the_most_they_allow() -> None:
    verdict = decide(facts(observation=autoscaled(1, 2), draft=draft(action=bounds(1, 4))))
    assert (verdict.facts["nodes_before"], verdict.facts["nodes_after"]) == (6, 12)
    assert verdict.facts["reversible"] is True


def test_a_floor_that_starts_many_nodes_at_once_is_a_large_change() -> None:
    verdict = decide(facts(observation=autoscaled(1, 50), draft=draft(action=bounds(50, 50))))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.REQUIRE_APPROVAL, "large_change")
    assert (verdict.facts["nodes_before"], verdict.facts["nodes_after"]) == (6, 150)


def autoscaled_at(sizes: tuple[int, ...], minimum: int, maximum: int) -> NodePoolObservation:
    return observation(*sizes).model_copy(update={"autoscaling": autoscaled(minimum, maximum).autoscaling})


def test_a_higher_floor_hides_nothing_of_an_upper_bound_that_falls() -> None:
    seen = autoscaled_at((9, 9, 9), 0, 10)
    limits = Limits(max_share=0.5)
    floor_kept = decide(facts(limits=limits, observation=seen, draft=draft(action=bounds(0, 1))))
    floor_raised = decide(facts(limits=limits, observation=seen, draft=draft(action=bounds(1, 1))))
    assert floor_kept.outcome is floor_raised.outcome is Outcome.REQUIRE_APPROVAL
    assert floor_raised.facts == floor_kept.facts
    assert (floor_raised.facts["nodes_before"], floor_raised.facts["nodes_after"]) == (30, 3)


def test_a_floor_starts_nodes_in_each_zone_that_is_below_it_however_large_another_one_is() -> None:
    verdict = decide(facts(observation=autoscaled_at((9, 0, 0), 0, 10), draft=draft(action=bounds(3, 10))))
    assert (verdict.facts["nodes_before"], verdict.facts["nodes_after"]) == (24, 30)


@pytest.mark.parametrize("seen", [None, observation().model_copy(update={"zones": ()})])
def test_an_unknown_size_denies(seen: Any) -> None:
    verdict = decide(facts(observation=seen))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.DENY, "blast_radius_unknown")


def test_a_cluster_of_unknown_size_has_no_share() -> None:
    seen = observation().model_copy(update={"cluster_node_count": 0})
    assert decide(facts(observation=seen)).facts["share_of_cluster"] is None
