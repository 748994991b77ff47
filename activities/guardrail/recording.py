"""The end of a guard pass: what is kept beside its evaluation. It costs no round trip and never fails the pass."""

from __future__ import annotations

from dataclasses import replace

import structlog

from activities.guardrail.asking import ShadowAnswer
from activities.guardrail.gathering import Outside
from adapters.store.guard_pass import Beside
from contracts.shadow import ShadowVerdict
from guardrails.evaluate import evaluate
from guardrails.facts import Facts
from guardrails.recording import Record, dump

_log = structlog.get_logger(__name__)


def recorded(facts: Facts, outside: Outside) -> Beside:
    """Return the facts of a pass, and the candidate policy's word on them, as they are stored."""
    try:
        shadow = in_shadow(facts, outside.shadow) if outside.shadow is not None else None
        return Beside(
            facts=dump(Record(facts=facts, policy_input=outside.policy_input)),
            shadow=shadow.model_dump_json() if shadow is not None else None,
        )
    except Exception:  # noqa: BLE001  what is only kept for later must not stop what is decided now
        _log.exception("a pass could not be recorded", proposal_id=facts.draft.id)
        return Beside()


def in_shadow(facts: Facts, answer: ShadowAnswer) -> ShadowVerdict:
    """Return what the pass would have come to under the candidate. Pure."""
    if answer.result is None:
        return ShadowVerdict(error=answer.error)
    judged = evaluate(replace(facts, policy=answer.result, policy_error=None))
    return ShadowVerdict(
        revision=answer.result.revision, outcome=judged.outcome, violations=answer.result.violations
    )
