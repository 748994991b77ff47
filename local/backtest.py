"""Recorded passes through a candidate: lines of `GET /v1/backtest/records` in, a report out. Nothing is written.

A line that cannot be replayed is named in the report with its reason, whatever is wrong with it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from adapters.opa.batch import BATCH_SIZE, OpaBatch
from contracts.errors import NotReplayable, PolicyUnavailable, RecordUnreadable
from contracts.evaluation import Evaluation
from contracts.ports import PolicyResult
from guardrails.backtest.candidate import Candidate
from guardrails.backtest.replay import Past, judge
from guardrails.backtest.report import Report
from guardrails.recording import Record, parse

Answer = tuple[PolicyResult | None, str | None]
"""What the policies said, or the reason code why they said nothing."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A pass, and what it would have known under the candidate."""

    past: Past
    record: Record


@dataclass(slots=True)
class Backtest:
    """One candidate: policies, a configuration, or both. What is not given stays as it was recorded."""

    configuration: Candidate | None = None
    policies: OpaBatch | None = None
    report: Report = field(default_factory=Report)

    async def replay(self, lines: Iterable[bytes]) -> None:
        """Judge every line into the report. The policies are asked in batches, while others are judged."""
        prepared = [one for line in lines if (one := self._prepared(line)) is not None]
        batches = [prepared[first : first + BATCH_SIZE] for first in range(0, len(prepared), BATCH_SIZE)]
        async with asyncio.TaskGroup() as asking:
            answers = [asking.create_task(self._answers(batch)) for batch in batches]
            for batch, answered in zip(batches, answers, strict=True):
                self._judge(batch, await answered)

    def _prepared(self, line: bytes) -> Prepared | None:
        try:
            content = json.loads(line)
            named = str(content["proposal_id"]), int(content["revision"])
        except (ValueError, KeyError, TypeError):
            self.report.leave_out("unknown", 0, "the line is not a record")
            return None
        try:
            past = _past(content)
            if past.record.facts.draft.dry_run:
                self.report.dry_runs += 1
                return None
            record = self.configuration.facts(past.record) if self.configuration else past.record
            self._can_be_asked(past.record, record)
        except (NotReplayable, RecordUnreadable) as error:
            self.report.leave_out(*named, str(error))
            return None
        return Prepared(past, record)

    def _can_be_asked(self, before: Record, now: Record) -> None:
        if self.policies is not None and now.policy_input is None:
            raise NotReplayable("what the policies were asked was not recorded")
        if self.policies is None and now.policy_input != before.policy_input:
            raise NotReplayable("the candidate changes what the policies are asked: name the policies too")

    def _judge(self, prepared: Sequence[Prepared], answers: Sequence[Answer]) -> None:
        for one, (answer, error) in zip(prepared, answers, strict=True):
            try:
                self.report.add(judge(one.past, one.record, answer, error))
            except NotReplayable as reason:
                self.report.leave_out(one.past.proposal_id, one.past.revision, str(reason))

    async def _answers(self, prepared: Sequence[Prepared]) -> list[Answer]:
        if self.policies is None:
            return [(one.record.facts.policy, one.record.facts.policy_error) for one in prepared]
        documents = [one.record.policy_input or {} for one in prepared]
        return [
            (None, one.reason_code) if isinstance(one, PolicyUnavailable) else (one, None)
            for one in await self.policies.evaluate_many(documents)
        ]


def _past(content: dict[str, Any]) -> Past:
    if content.get("record") is None:
        raise NotReplayable("no facts were recorded, or they were pruned")
    try:
        evaluation = Evaluation.model_validate(content["evaluation"])
    except (KeyError, ValidationError) as error:
        raise RecordUnreadable("this version cannot read the evaluation") from error
    return Past(
        proposal_id=evaluation.proposal_id,
        revision=evaluation.revision,
        at=evaluation.at,
        target=str(content.get("target", "")),
        evaluation=evaluation,
        record=parse(content["record"]),
    )
