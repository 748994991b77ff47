"""Judges a stack whose database's clock was set: the invariants, read by the clock that the records went by."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from adapters.keys import load_public_keys
from emulators.gke.log import Calls, ServedCall
from proofs.clocks.course import DECIDE_WITHIN, EXECUTE_WITHIN, POOR, Course, cap
from proofs.judgement import approvals, deadlines, money
from proofs.judgement.deadlines import Given
from proofs.judgement.whole import Judgement, judge
from tests.e2e.stack import CALL_TIMEOUT

SLACK = timedelta(seconds=CALL_TIMEOUT + 3)
"""A call that began in time arrives within its time-out; and an answer takes a moment on a busy machine."""


async def judged(course: Course) -> Judgement:
    """Judge by I1 to I7, and by the deadlines. When a halt began and ended is not known by the true time."""
    stack = course.stack
    found = await judge(stack, course.proposals, [])
    keys = load_public_keys(stack.state_dir / "keys" / "decision.pub")
    seen = Calls(_as_of(one, course.database_clock.latest(one.ts)) for one in found.calls)
    given = Given(course.asked_at, DECIDE_WITHIN + EXECUTE_WITHIN + SLACK, SLACK)
    verdicts = found.verdicts | {
        "deadlines": deadlines.faults(found.records, found.calls, course.database_clock, given),
        "I2": approvals.faults(found.records, seen, keys),
        "I3": found.verdicts["I3"] + money.faults(found.records, {f"team={POOR}": cap()}),
    }
    del verdicts["I8"]
    return replace(found, verdicts=verdicts)


def _as_of(call: ServedCall, moment: datetime) -> ServedCall:
    return call.model_copy(update={"ts": moment})
