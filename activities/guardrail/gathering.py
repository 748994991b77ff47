"""Before the transaction of a guard pass: what the provider, OPA and the price table say. Nothing is locked yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from activities.guardrail.asking import ShadowAnswer, ask
from activities.guardrail.policy_input import Surroundings, policy_input
from contracts.action import ResizeNodePool
from contracts.configuration import Configuration, Target
from contracts.errors import PriceUnknown, ProviderError
from contracts.observation import BoundsPrecondition, NodePoolObservation, Precondition, SizesPrecondition
from contracts.ports import (
    LoadReader,
    NodePoolReader,
    NodePrice,
    PolicyEngine,
    PolicyResult,
    PoolLoad,
    PriceList,
)
from contracts.proposal import Draft, Proposal
from guardrails.change import change_of

PROVIDER_ATTEMPTS = 3
"""Attempts of a pass after which a provider that does not answer is a reason to deny."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What the outside world said. Every answer is there, or the reason code why it is not."""

    draft: Draft
    proposal: Proposal | None
    """The draft with its observation; None when there is none."""
    target: Target | None
    observation_error: str | None
    policy: PolicyResult | None
    policy_error: str | None
    price: NodePrice | None
    price_error: str | None
    policy_input: dict[str, JsonValue]
    """The document that the policies judged."""
    shadow: ShadowAnswer | None = None
    """What a candidate policy said of the same document; None where there is none."""

    @property
    def observation(self) -> NodePoolObservation | None:
        """What the provider reported."""
        return self.proposal.observation if self.proposal else None


@dataclass(frozen=True, slots=True)
class Gathering:
    """Asks the ports."""

    reader: NodePoolReader
    policy: PolicyEngine
    prices: PriceList
    configuration: Configuration
    shadow: PolicyEngine | None = None
    """A candidate that is asked and recorded, and decides nothing."""
    load: LoadReader | None = None
    fleet_nodes: int | None = None
    """Nodes of all registered pools, as the fleet was last seen; None = unknown."""

    async def first(self, draft: Draft, now: datetime, *, attempt: int) -> Outside:
        """Observe the target, which fixes the proposal, and ask about it.

        Raises:
            ProviderError: a retryable one, while `attempt` is below `PROVIDER_ATTEMPTS`.
        """
        target = self.configuration.registered(draft.action.target)
        if target is None:
            # What is out of scope is not even read.
            return await self._asked(draft, None, None, "target_not_registered", now)
        try:
            seen = await self.reader.observe(draft.action.target)
        except ProviderError as error:
            if error.retryable and attempt < PROVIDER_ATTEMPTS:
                raise
            return await self._asked(draft, None, target, error.reason_code, now)
        return await self._asked(draft, fixed(draft, seen), target, None, now)

    async def again(self, proposal: Proposal, now: datetime) -> Outside:
        """Ask about a proposal that was fixed before. Whether the pool drifted is for the execution to see."""
        target = self.configuration.registered(proposal.action.target)
        return await self._asked(proposal, proposal, target, None, now)

    async def _asked(
        self,
        draft: Draft,
        proposal: Proposal | None,
        target: Target | None,
        observation_error: str | None,
        now: datetime,
    ) -> Outside:
        seen = proposal.observation if proposal else None
        price, price_error = self._price(draft, seen)
        document = policy_input(
            draft,
            target=target,
            production=self.configuration.is_production(draft.environment),
            observation=seen,
            now=now,
            around=Surroundings(
                price=price,
                load=await self._load(draft, seen),
                fleet_nodes=self.fleet_nodes,
            ),
        )
        asked = await ask(self.policy, self.shadow, document)
        return Outside(
            draft=draft,
            proposal=proposal,
            target=target,
            observation_error=observation_error,
            policy=asked.result,
            policy_error=asked.error,
            policy_input=asked.document,
            shadow=asked.shadow,
            price=price,
            price_error=price_error,
        )

    async def _load(self, draft: Draft, seen: NodePoolObservation | None) -> PoolLoad | None:
        """What runs on a pool that would shrink. Unknown is for the policies to judge, so no error is raised."""
        if self.load is None or seen is None or not _shrinks(draft, seen):
            return None
        try:
            return await self.load.read_load(draft.action.target)
        except ProviderError:
            return None

    def _price(self, draft: Draft, seen: NodePoolObservation | None) -> tuple[NodePrice | None, str | None]:
        if seen is None:
            return None, None
        try:
            return self.prices.node_price(draft.action.location, seen), None
        except PriceUnknown as error:
            return None, error.reason_code


def _shrinks(draft: Draft, seen: NodePoolObservation) -> bool:
    """Whether the pool may have fewer nodes than it has now."""
    return change_of(draft.action, seen).nodes_after < seen.total_target


def fixed(draft: Draft, seen: NodePoolObservation) -> Proposal:
    """Return the proposal that a draft and an observation make. Its digest is what people sign."""
    return Proposal.model_validate(
        {**draft.model_dump(), "observation": seen, "precondition": precondition_of(draft, seen)}
    )


def precondition_of(draft: Draft, seen: NodePoolObservation) -> Precondition:
    """Return what must still hold right before the effect."""
    if isinstance(draft.action, ResizeNodePool):
        return SizesPrecondition(machine_type=seen.machine_type, target_sizes=seen.target_sizes)
    return BoundsPrecondition(machine_type=seen.machine_type, bounds=seen.autoscaling)
