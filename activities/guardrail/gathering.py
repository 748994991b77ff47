"""Before the transaction of a guard pass: what the provider, OPA and the price table say. Nothing is locked yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from activities.guardrail.policy_input import policy_input
from contracts.action import ResizeNodePool
from contracts.configuration import Configuration, Target
from contracts.errors import PolicyUnavailable, PriceUnknown, ProviderError
from contracts.observation import BoundsPrecondition, NodePoolObservation, Precondition, SizesPrecondition
from contracts.ports import NodePoolReader, NodePrice, PolicyEngine, PolicyResult, PriceList
from contracts.proposal import Draft, Proposal

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
        )
        policy: PolicyResult | None = None
        policy_error: str | None = None
        try:
            policy = await self.policy.evaluate(document)
        except PolicyUnavailable as error:
            policy_error = error.reason_code
        return Outside(
            draft=draft,
            proposal=proposal,
            target=target,
            observation_error=observation_error,
            policy=policy,
            policy_error=policy_error,
            price=price,
            price_error=price_error,
        )

    def _price(self, draft: Draft, seen: NodePoolObservation | None) -> tuple[NodePrice | None, str | None]:
        if seen is None:
            return None, None
        try:
            return self.prices.node_price(draft.action.location, seen), None
        except PriceUnknown as error:
            return None, error.reason_code


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
