"""REQUEST → PROPOSAL: the deterministic planner, for chat phrases and alert labels. It says that it is one.

It answers when no model is configured or the model is down. Of an alert it reads five labels and no annotation;
no text of a request ever reaches an action except as a checked name or number.
"""

from __future__ import annotations

from typing import Any

from agents.capacity.state import AgentState
from agents.capacity.tools.list_targets import registered_pools
from agents.heartbeat import heartbeating
from agents.planners.decision_words import DECIDES_NOTHING, DECISIONS_ELSEWHERE, sounds_like_a_decision
from agents.planners.follow_up import understood
from agents.planners.openai import NO_MODEL
from agents.planners.phrases import IT, Bounds, Named, Phrase, Plain, Scale, Size
from agents.planners.pool_names import find_labelled, find_named, spell
from agents.planners.sizing import Sized, Wish, bounds_to, describe_size, size_to
from contracts.action import NodePoolTarget
from contracts.circuit_breaker import MODEL_BREAKER_OPEN, MODEL_BUDGET_EXHAUSTED, MODEL_PRICE_UNKNOWN
from contracts.configuration import ConfigurationSource
from contracts.errors import ProviderRefused
from contracts.messages import AgentResult
from contracts.observation import NodePoolObservation
from contracts.ports import NodePoolReader
from contracts.proposal import Planner, PlannerKind
from contracts.request import (
    Alert,
    Answered,
    Asked,
    Proposed,
    ProposedAction,
    Refused,
    Request,
    RequestOutcome,
)

RULES_VERSION = "rules.v2"
NODE_COUNT_LABEL = "sluice_node_count"
"""Alert label with the wished size, in nodes per zone."""
ALERT_WITHOUT_SIZE = "alert_without_node_count"
ALERT_TARGET_UNKNOWN = "alert_target_unknown"

_PREFACE = {
    NO_MODEL: "Answered by the rules planner; no language model is configured.",
    DECIDES_NOTHING: "",
    MODEL_BREAKER_OPEN: "Answered by the rules planner: the language model failed too often and is given a rest.",
    MODEL_PRICE_UNKNOWN: "Answered by the rules planner: the language model has a budget and no known price.",
    MODEL_BUDGET_EXHAUSTED: "Answered by the rules planner: the budget for the language model is used up.",
    "": "Answered by the rules planner.",
}
_DOWN = "Answered by the rules planner, because the language model does not answer."
HELP = (
    "I understand: “scale inference in acme-prod to 4” (nodes per zone), “scale web in acme-prod up by 1 per zone”, "
    "“set autoscaling of batch in acme-prod to 1-6”, “how big is inference in acme-prod?”, “list pools”, “help”."
)
_MAX_LISTED = 20


class RulesPlanner:
    """The graph's `rules` node. Its process reads the provider under a viewer identity."""

    def __init__(self, reader: NodePoolReader, configuration: ConfigurationSource) -> None:
        """Names are resolved among the targets that `configuration` registers."""
        self._reader = reader
        self._configuration = configuration

    @heartbeating
    async def answer(self, state: AgentState) -> dict[str, Any]:
        """Return the outcome for the request in the state.

        Raises:
            ProviderError: the provider could not be read; another attempt may help.
        """
        outcome = await self.plan(Request.model_validate(state["request"]))
        told = _with_preface(outcome, _PREFACE.get(state["fallback"], _DOWN))
        planner = Planner(kind=PlannerKind.RULES, prompt_version=RULES_VERSION)
        result = AgentResult(outcome=told, planner=planner)
        return {"route": "end", "pending": [], "result": result.model_dump(mode="json")}

    async def plan(self, request: Request) -> RequestOutcome:
        """Return the outcome of a request: of its alert where it carries one, else of its text.

        Raises:
            ProviderError: the provider could not be read; another attempt may help.
        """
        try:
            if request.alert is not None:
                return await self._for_alert(request.alert)
            if sounds_like_a_decision(request.text):
                return Answered(text=DECISIONS_ELSEWHERE)
            return await self._for_phrase(understood(request.text, request.earlier))
        except ProviderRefused as error:
            text = "The provider does not let me read that node pool. Nothing was proposed."
            return Refused(text=text, reason_code=error.reason_code)

    async def _for_alert(self, alert: Alert) -> RequestOutcome:
        wished = alert.labels.get(NODE_COUNT_LABEL, "")
        if not (wished.isascii() and wished.isdigit() and len(wished) <= 9):
            text = f"The alert carries no label {NODE_COUNT_LABEL} with a number of nodes per zone."
            return Refused(text=text, reason_code=ALERT_WITHOUT_SIZE)
        pools = await registered_pools(self._reader, self._configuration.current, where=alert.labels)
        meant = find_labelled(alert.labels, pools)
        if len(meant) != 1:
            text = (
                "The labels project, location, cluster and node_pool of the alert do not name exactly one "
                f"registered node pool; they fit {len(meant)}."
            )
            return Refused(text=text, reason_code=ALERT_TARGET_UNKNOWN)
        because = f"An alert asks for {int(wished)} nodes per zone by its label {NODE_COUNT_LABEL}"
        seen = await self._reader.observe(meant[0])
        return _outcome(size_to(Wish(meant[0], int(wished), 0.8, because), seen))

    async def _for_phrase(self, phrase: Phrase | None) -> RequestOutcome:
        if phrase is None:
            return Asked(text=f"I did not understand that. {HELP}")
        if isinstance(phrase, Plain) and phrase.wish == "help":
            return Answered(text=HELP)
        if not isinstance(phrase, Plain) and phrase.pool == IT:
            return Asked(text="Which node pool do you mean? Nothing said before names exactly one.")
        pools = await registered_pools(self._reader, self._configuration.current)
        if isinstance(phrase, Plain):
            return Answered(text=f"Registered node pools: {_listed([target for target, _ in pools])}.")
        meant = find_named(phrase.pool, pools)
        if len(meant.pools) != 1:
            return _which(phrase.pool, meant.pools, [target for target, _ in pools])
        seen = await self._reader.observe(meant.pools[0])
        return _answer(phrase, meant.pools[0], seen, confidence=0.95 if meant.exact else 0.7)


def _answer(
    phrase: Scale | Bounds | Size, target: NodePoolTarget, seen: NodePoolObservation, *, confidence: float
) -> RequestOutcome:
    if isinstance(phrase, Size):
        return Answered(text=f"{spell(target)}: {describe_size(seen)}.")
    if isinstance(phrase, Bounds):
        if seen.autoscaling is None:
            return Asked(text=f"{spell(target)} has no autoscaler. To which size should it be set instead?")
        return _outcome(bounds_to(target, phrase.low, phrase.high, seen))
    if phrase.count is not None:
        if _leads_elsewhere(phrase.direction, phrase.count, seen):
            said, meant = ("up", "down") if phrase.direction > 0 else ("down", "up")
            text = (
                f"{spell(target)} has {describe_size(seen)}: {phrase.count} per zone is {meant}, not {said}."
            )
            return Asked(text=f"{text} To how many nodes per zone should it be set?")
        because = f"Chat asked for {phrase.count} nodes per zone"
        return _outcome(size_to(Wish(target, phrase.count, confidence, because), seen))
    return _relative(phrase, target, seen, confidence)


def _leads_elsewhere(direction: int, count: int, seen: NodePoolObservation) -> bool:
    """Tell whether somebody said "up" of a size that is below the present one in some zone, or "down" of one above."""
    return any((count - zone.target_size) * direction < 0 for zone in seen.zones)


def _relative(
    phrase: Scale, target: NodePoolTarget, seen: NodePoolObservation, confidence: float
) -> RequestOutcome:
    """Resolve "up by" and "down by" to an absolute size, or ask back where that could be read in two ways."""
    present = seen.even_node_count
    if seen.autoscaling is not None:
        return Asked(text=f"{spell(target)} is autoscaled. Which bounds should it have, as in “to 1-6”?")
    if present is None:
        return Asked(
            text=f"The zones of {spell(target)} differ in size ({describe_size(seen)}). To which size?"
        )
    if len(seen.zones) > 1 and not phrase.per_zone:
        return Asked(
            text=f"{spell(target)} has {present} nodes in each of {len(seen.zones)} zones. "
            "To how many nodes per zone should it be set?"
        )
    change = phrase.change or 0
    because = f"Chat asked for a change of {change:+d} per zone from {present}"
    return _outcome(size_to(Wish(target, present + change, min(confidence, 0.9), because), seen))


def _outcome(sized: Sized) -> RequestOutcome:
    if isinstance(sized, ProposedAction):
        return Proposed(text=sized.rationale, actions=(sized,))
    return sized


def _which(named: Named, fitting: tuple[NodePoolTarget, ...], known: list[NodePoolTarget]) -> Asked:
    place = f" in {' in '.join(named.places)}" if named.places else ""
    if fitting:
        text = f"Several node pools fit “{named.name}”{place}: {_listed(fitting)}. Which one?"
    else:
        text = (
            f"I know no registered node pool “{named.name}”{place}. There are: {_listed(known)}. Which one?"
        )
    return Asked(text=text)


def _listed(targets: list[NodePoolTarget] | tuple[NodePoolTarget, ...]) -> str:
    names = [spell(target) for target in targets[:_MAX_LISTED]]
    more = [f"and {len(targets) - _MAX_LISTED} more"] if len(targets) > _MAX_LISTED else []
    return ", ".join([*names, *more]) or "none"


def _with_preface(outcome: RequestOutcome, preface: str) -> RequestOutcome:
    told = f"{preface} {outcome.text}".strip()[:8_000]
    return outcome.model_copy(update={"text": told})
