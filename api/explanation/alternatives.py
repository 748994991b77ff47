"""The nearest other sizes, with the policies asked again where this process knows them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import JsonValue

from activities.guardrail.policy_input import Surroundings, policy_input
from api.explanation import wording
from api.explanation.schemas import Alternative, PolicyBasis
from contracts.action import Action
from contracts.errors import PolicyUnavailable
from contracts.evaluation import Evaluation, Outcome
from contracts.ports import PolicyEngine, PolicyResult
from guardrails.counterfactual import judged, passing
from guardrails.facts import Facts
from guardrails.recording import Record

_FREE = frozenset({Outcome.ALLOW})
_NOT_DENIED = frozenset({Outcome.ALLOW, Outcome.REQUIRE_APPROVAL})
_MOST_QUESTIONS = 100
_OF_THE_ACTION = ("action", "change", "cost")
"""Parts of the policies' input that follow from the action; the rest stays as it was recorded."""


@dataclass(frozen=True, slots=True)
class _Weighing:
    record: Record
    policy: PolicyEngine | None

    async def nearest(self, acceptable: frozenset[Outcome]) -> Alternative | None:
        facts = self.record.facts
        actions = await asyncio.to_thread(lambda: list(passing(facts, acceptable)))
        for action in actions[:_MOST_QUESTIONS]:
            answer, basis = await self._answer(action)
            outcome = judged(facts, action, answer).outcome
            if outcome in acceptable:
                return Alternative(
                    outcome=outcome,
                    action=action,
                    text=wording.alternative(action, outcome, basis),
                    policy=basis,
                )
            if basis is PolicyBasis.AS_RECORDED:
                return None  # one recorded answer stands for all sizes
        return None

    async def _answer(self, action: Action) -> tuple[PolicyResult | None, PolicyBasis]:
        document = self.record.policy_input
        if self.policy is not None and document is not None:
            try:
                return await self.policy.evaluate(
                    _asking(self.record.facts, document, action)
                ), PolicyBasis.ASKED
            except PolicyUnavailable:
                pass
        return self.record.facts.policy, PolicyBasis.AS_RECORDED


async def alternatives(
    record: Record, evaluation: Evaluation, policy: PolicyEngine | None
) -> tuple[Alternative, ...]:
    """Return the nearest size that nobody need approve, and the nearest that is not denied; freest first.

    An evaluation that allows has none. Holds are left out: time ends them, not another size.
    """
    if evaluation.outcome is Outcome.ALLOW:
        return ()
    facts = replace(record.facts, approvers=())
    weighing = _Weighing(replace(record, facts=facts), policy)
    free = await weighing.nearest(_FREE)
    found = [free]
    if evaluation.outcome is not Outcome.REQUIRE_APPROVAL:
        found.append(await weighing.nearest(_NOT_DENIED))
    return tuple({one.action: one for one in found if one is not None}.values())


def _asking(facts: Facts, recorded: Mapping[str, JsonValue], action: Action) -> dict[str, JsonValue]:
    draft = facts.draft.model_copy(update={"action": action})
    fresh = policy_input(
        draft,
        target=facts.target,
        production=facts.is_production,
        observation=facts.observation,
        now=facts.now,
        around=Surroundings(price=facts.price),
    )
    return {**recorded, **{name: fresh[name] for name in _OF_THE_ACTION if name in recorded}}
