"""EXECUTION and VERIFICATION as one activity: the second stage begins the moment the first is over, on the same worker.

Each stage keeps its own transactions and may be repeated from any point, so a repetition goes on with the one that was
under way. What is spared is a task of the workflow and an activity between two stages with nothing to decide.
"""

from __future__ import annotations

from temporalio import activity

from activities.execution.activities import EffectActivities
from activities.verification.activities import VerificationActivities
from contracts.effect import EffectResult
from contracts.messages import EffectInput, EffectOutcome


class ThroughVerification:
    """Registered on the effects queue as `execute_action`. `verify_effect` stays for workflows that began before."""

    def __init__(self, effects: EffectActivities, verification: VerificationActivities) -> None:
        """Run the stages of these, in this order."""
        self._effects = effects
        self._verification = verification

    @activity.defn
    async def execute_action(self, given: EffectInput) -> EffectOutcome:
        """Take the effect, or its compensation, to the end of the provider's operation, and verify what came of it.

        The state is the one that verification ended in, unless the first stage ended the step: `succeeded`,
        `rolling_back`, `rolled_back` or `dirty`. Safe to repeat from any point.

        Raises:
            ApplicationError: typed by reason code, always retryable: another attempt reads and goes on.
        """
        outcome = await self._effects.execute_action(given)
        if outcome.result is not EffectResult.ISSUED or outcome.state.is_final:
            return outcome
        verified = await self._verification.verify_effect(given)
        return outcome.model_copy(update={"state": verified.state, "reason_code": verified.reason_code})
