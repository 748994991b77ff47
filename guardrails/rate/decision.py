"""GUARDRAIL rate: execution budgets, rests of a target, storms, oscillation, and agents that go round in circles."""

from __future__ import annotations

from datetime import datetime

from pydantic import JsonValue

from contracts.configuration import RateScope
from contracts.evaluation import Verdict
from contracts.holds import FREE_AT
from guardrails.answers import Answers
from guardrails.facts import Facts
from guardrails.rate.direction import direction_of, is_named_by_person
from guardrails.rate.oscillation import history_of, oscillates
from guardrails.rate.storm import storm_in, storm_of_requester
from guardrails.rate.waits import Wait, tokens_of, waits_of

_ANSWER = Answers("rate", revision="2")


def decide(facts: Facts) -> Verdict:
    """Deny storms and circles; then hold what must wait, or deny it when that is not before `execute_by`; then ask."""
    shown: dict[str, JsonValue] = {"tokens": dict(tokens_of(facts))}
    if not _is_whole(facts):
        return _ANSWER.deny("counted", "rate_unknown", "Not every execution budget could be read.", shown)
    direction = direction_of(facts)
    denial = _storm(facts, shown) or (None if facts.admitting else _circle(facts, direction, shown))
    if denial is not None:
        return denial
    waits = waits_of(facts, direction)
    if waits and (facts.admitting or _is_too_long(_longest(waits), facts)):
        return _made_to_wait(_longest(waits), facts, shown)
    told = "Neither too often nor too soon."
    if waits:
        shown[FREE_AT] = _text(_longest(waits).until)
        told = f"It will have to wait: {_longest(waits).message}"
    if oscillates(facts, direction):
        return _ask(facts, shown)
    if direction and direction > 0 and (nodes := _nodes_on_their_way(facts)):
        shown["nodes_on_their_way"] = nodes
        told += f" {nodes} nodes are on their way already."
    return _ANSWER.allow("execution_budget", told, shown)


def _is_whole(facts: Facts) -> bool:
    """Tell whether every budget is among the facts: one that is missing must not count as full."""
    needed = {RateScope.TARGET, RateScope.TENANT, RateScope.FLEET}
    if facts.agent is not None:
        needed.add(RateScope.AGENT)
    return needed <= {rate.scope for rate in facts.rates}


def _storm(facts: Facts, shown: dict[str, JsonValue]) -> Verdict | None:
    alone = storm_of_requester(facts)
    if alone is not None:
        remedy = "Wait until the window has moved on, or ask for less."
        return _ANSWER.deny("storm", "requester_storm", alone, shown, remedy=remedy)
    storm = storm_in(facts)
    if storm is None:
        return None
    scope: JsonValue = storm.scope.model_dump(mode="json", exclude_defaults=True)
    return _ANSWER.deny(
        "storm",
        "action_storm",
        storm.reason,
        shown | {"halt_scope": scope},
        remedy="Find out what sends so much, then end the halt.",
    )


def _circle(facts: Facts, direction: int | None, shown: dict[str, JsonValue]) -> Verdict | None:
    """Before anybody looks at it: the same again, or more of what is still arriving."""
    limit = facts.limits.repeats
    if facts.agent is not None and facts.repeats >= limit.proposals:
        return _ANSWER.deny(
            "repeats",
            "repeated_proposal",
            f"The agent proposed this {facts.repeats} times within {limit.window} already.",
            shown | {"earlier_proposals": facts.repeats},
            remedy="See why the earlier ones did not help; a person may propose it.",
        )
    nodes = _nodes_on_their_way(facts)
    grows = direction is None or direction > 0
    if not nodes or not grows or is_named_by_person(facts.draft):
        return None
    waiting: list[JsonValue] = [one.proposal_id for one in facts.arriving]
    return _ANSWER.deny(
        "arrived",
        "capacity_on_its_way",
        f"{nodes} nodes of this target are on their way and do not count yet.",
        shown | {"nodes_on_their_way": nodes, "proposals_on_their_way": waiting},
        remedy="Wait until they run, then ask again; or let a person name the change.",
    )


def _nodes_on_their_way(facts: Facts) -> int:
    """What the provider was asked for and does not run, or what was accepted here: one may show as the other."""
    missing = 0
    if facts.observation is not None:
        missing = sum(max(zone.target_size - zone.running, 0) for zone in facts.observation.zones)
    return max(missing, sum(one.nodes for one in facts.arriving))


def _longest(waits: list[Wait]) -> Wait:
    return max(waits, key=lambda wait: wait.until.timestamp() if wait.until else float("inf"))


def _is_too_long(wait: Wait, facts: Facts) -> bool:
    return wait.until is None or wait.until > facts.draft.execute_by


def _made_to_wait(wait: Wait, facts: Facts, shown: dict[str, JsonValue]) -> Verdict:
    shown = shown | {FREE_AT: _text(wait.until)}
    if _is_too_long(wait, facts):
        message = f"{wait.message} That does not end before its last moment."
        return _ANSWER.deny(wait.rule, wait.reason_code, message, shown, remedy=wait.remedy)
    return _ANSWER.hold(
        wait.rule, wait.reason_code, wait.message, held_on=wait.held_on, facts=shown, remedy=wait.remedy
    )


def _ask(facts: Facts, shown: dict[str, JsonValue]) -> Verdict:
    window = facts.limits.oscillation.window
    return _ANSWER.require_approval(
        "oscillation",
        "oscillation",
        f"The target was changed up and down within {window}, and this turns it once more.",
        facts=shown | {"history": history_of(facts)},
        remedy="A person must look, or let the target rest.",
    )


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
