"""How a guardrail words its verdict: one constructor per outcome, so that no verdict lacks what its outcome needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

from contracts.evaluation import ApprovalRequirement, Outcome, Verdict
from contracts.principal import Role

OK = "ok"
"""Reason code of a plain allow."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The verdicts of one guardrail. `revision` is that of its rules and rises when their meaning changes."""

    guardrail: str
    revision: str = "1"

    def allow(self, rule: str, message: str, facts: Mapping[str, JsonValue] | None = None) -> Verdict:
        """Nothing against it."""
        return self._verdict(Outcome.ALLOW, rule, OK, message, facts)

    def deny(
        self,
        rule: str,
        reason_code: str,
        message: str,
        facts: Mapping[str, JsonValue] | None = None,
        *,
        remedy: str | None = None,
    ) -> Verdict:
        """Never in this form. `remedy` says what would have to change."""
        return self._verdict(Outcome.DENY, rule, reason_code, message, facts, remedy)

    def hold(
        self,
        rule: str,
        reason_code: str,
        message: str,
        *,
        held_on: str,
        facts: Mapping[str, JsonValue] | None = None,
        remedy: str | None = None,
    ) -> Verdict:
        """Not now: wait until what `held_on` names is free."""
        verdict = self._verdict(Outcome.HOLD, rule, reason_code, message, facts, remedy)
        return verdict.model_copy(update={"held_on": held_on})

    def require_approval(
        self,
        rule: str,
        reason_code: str,
        message: str,
        *,
        quorum: int = 1,
        roles: Iterable[Role] = (Role.APPROVER,),
        groups: Iterable[str] = (),
        decide_within: timedelta | None = None,
        execute_within: timedelta | None = None,
        rules: Iterable[str] = (),
        facts: Mapping[str, JsonValue] | None = None,
        remedy: str | None = None,
    ) -> Verdict:
        """Only if people agree. `rules` names every rule that asks for them, by default this one."""
        named = tuple(rules) or (rule,)
        requirement = ApprovalRequirement(
            quorum=quorum,
            roles=tuple(roles),
            groups=tuple(groups),
            decide_within=decide_within,
            execute_within=execute_within,
            rules=tuple(f"{self.guardrail}.{name}" for name in named),
        )
        verdict = self._verdict(Outcome.REQUIRE_APPROVAL, rule, reason_code, message, facts, remedy)
        return verdict.model_copy(update={"requirement": requirement})

    def _verdict(
        self,
        outcome: Outcome,
        rule: str,
        reason_code: str,
        message: str,
        facts: Mapping[str, JsonValue] | None,
        remedy: str | None = None,
    ) -> Verdict:
        return Verdict(
            guardrail=self.guardrail,
            outcome=outcome,
            rule=rule,
            reason_code=reason_code,
            message=message,
            facts=dict(facts or {}),
            rule_revision=self.revision,
            remedy=remedy,
        )
