"""A storm of alerts over a fleet: `make proof-storm` sends 1,000 in 10 s, for 50 targets, at a whole practice stack.

The alerts ask for more and more, so that most targets are changed again and again until the execution budget is used
up. Judged by the provider's own log: at most one change under way per target, exactly as many changes as the budget
has tokens, but for those that came to a target which was as they wanted it by then; each target's size at rest
afterwards and as the last change left it. Every alert has one outcome; what was not changed was answered, coalesced or
refused, with a reason.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from activities.request.coalescing import COALESCED, TARGET_HAS_OPEN_PROPOSAL
from proofs.report import Figure, Report, arguments, at_least, at_most, exactly, say, told
from proofs.workplace import programs, workplace
from tests.e2e.practice_ground import DEVELOPMENT, STAYS_CLOSED, Environment, Ground, Place
from tests.e2e.stack import Stack, eventually, running_stack

FIRST_SIZE = 3
AGREEING = 4
"""Alerts in turn that ask for one size of a target; the last of them disagrees, and asks for one less."""
PER_MESSAGE = 10
SENT_WITHIN = 1.2
"""The most by which sending may take longer than it should: else it is no storm."""
SETTLES_WITHIN = 1_800.0
REST = 5.0
"""Seconds of a fleet that does not change any more."""

_OPEN_REQUESTS = "SELECT count(*) FROM requests WHERE status IN ('received', 'planning')"
_OPEN_PROPOSALS = "SELECT count(*) FROM proposals WHERE closed_at IS NULL"
_WITHOUT_A_CALL = "SELECT count(*) FROM intents WHERE receipt ->> 'outcome' = 'no_op'"


@dataclass(frozen=True)
class Storm:
    """How much comes at once, and how much of it may be done."""

    alerts: int
    targets: int
    tokens: int
    """Execution budget of the whole fleet; nothing refills it."""
    seconds: float
    again: int
    """Targets that must be changed more than once: on the others no two changes could meet."""


FULL = Storm(alerts=1_000, targets=50, tokens=120, seconds=10, again=30)


def size_at(turn: int) -> int:
    """Return the nodes per zone that a target's alert of this turn asks for."""
    level, place = divmod(turn, AGREEING)
    return FIRST_SIZE + level - (place == AGREEING - 1)


@dataclass(frozen=True)
class Outcome:
    """What came of it, in the provider's words and in ours."""

    sent_within: float
    """Seconds from the first alert to the last, each as it was sent for the first time."""
    changes: int
    """Calls that took effect."""
    already_there: int
    """Changes that were admitted and found their target as they wanted it: each took a token and made no call."""
    changed_again: int
    """Targets with more than one of them."""
    refused_calls: int
    """The provider refuses a call while it still works on the one before on the same cluster."""
    last_set: dict[str, int]
    """Target → nodes per zone of the last call that took effect."""
    sizes: dict[str, set[int]]
    """Target → how many nodes run in its zones, at rest."""
    changed_while_resting: int
    tokens_taken: int
    requests: Counter[str]
    """Status and reason → requests."""
    proposals: Counter[str]

    def faults(self, storm: Storm) -> list[str]:
        """Return what is not as it must be, in words."""
        found = []
        if self.refused_calls:
            found.append(f"{self.refused_calls} calls came while another change of the cluster was under way")
        if (self.changes + self.already_there, self.tokens_taken) != (storm.tokens, storm.tokens):
            found.append(
                f"{self.changes} changes, {self.already_there} without a call, and {self.tokens_taken} tokens taken, "
                f"of {storm.tokens} there were"
            )
        if self.requests.total() != storm.alerts:
            found.append(f"{self.requests.total()} outcomes of {storm.alerts} alerts")
        if any(name.endswith("without a reason") for name in (*self.requests, *self.proposals)):
            found.append("something was refused without a reason")
        if self.changed_while_resting:
            found.append(f"{self.changed_while_resting} changes after everything was at rest")
        astray = [name for name, size in self.last_set.items() if self.sizes[name] != {size}]
        if astray:
            found.append(f"{len(astray)} targets are not as their last change set them")
        return found


class StormGround(Ground):
    """A fleet of clusters in development only, and the limits of the storm."""

    def __init__(self, storm: Storm) -> None:
        """Declare as many clusters as the storm has targets."""
        limits = {
            "max_share": 10.0,
            "breaker": STAYS_CLOSED,
            # One agent carries all of it: only the fleet's budget is to be the one that is used up.
            "rates": {
                "fleet": {"capacity": storm.tokens, "per_hour": 0},
                "agent": {"capacity": 10_000, "per_hour": 10_000},
            },
            "reversal_cooldown": "1d",
            "storm": {"proposals": 10 * storm.alerts, "changes": 10 * storm.alerts},
        }
        super().__init__(storm.targets, limits=limits)

    def places(self, environment: Environment) -> list[Place]:
        """No clusters but in development."""
        return super().places(environment) if environment == DEVELOPMENT else []


async def blow(stack: Stack, storm: Storm) -> Outcome:
    """Send the storm, wait until all is at rest, and say what came of it."""
    places = stack.ground.places(DEVELOPMENT)[: storm.targets]
    sent_within = await _send(stack, places, storm)
    await eventually(lambda: _is_at_rest(stack), limit=SETTLES_WITHIN, pause=0.5)
    before = len(stack.emulator.calls().accepted("SetNodePoolSize"))
    await asyncio.sleep(REST)
    calls = stack.emulator.calls()
    accepted = calls.accepted("SetNodePoolSize")
    pools = {place.pool(): await stack.admin.pool(place.pool()) for place in places}
    return Outcome(
        sent_within=sent_within,
        changes=len(accepted),
        already_there=(await stack.rows(_WITHOUT_A_CALL))[0][0],
        changed_again=sum(times > 1 for times in Counter(call.target for call in accepted).values()),
        refused_calls=len(calls.refused("SetNodePoolSize")),
        last_set={call.target: call.request["node_count"] for call in accepted},
        sizes={name: {group["running"] for group in pool["groups"]} for name, pool in pools.items()},
        changed_while_resting=len(accepted) - before,
        tokens_taken=(await stack.rows("SELECT count(*) FROM rate_uses"))[0][0],
        requests=await _counted(stack, "SELECT status, reason_code FROM requests"),
        proposals=await _counted(stack, "SELECT state, reason_code FROM proposals"),
    )


async def _send(stack: Stack, places: Sequence[Place], storm: Storm) -> float:
    """Send messages at an even pace, whatever the API takes for each; return how long that took."""
    turns = zip(itertools.cycle(places), itertools.count(), strict=False)
    alerts = [
        _alert(place, size_at(number // len(places)))
        for place, number in itertools.islice(turns, storm.alerts)
    ]
    messages = [alerts[start : start + PER_MESSAGE] for start in range(0, len(alerts), PER_MESSAGE)]
    sending, began = [], time.monotonic()
    for number, message in enumerate(messages):
        await asyncio.sleep(max(0.0, began + number * storm.seconds / len(messages) - time.monotonic()))
        sending.append(asyncio.create_task(_deliver(stack, message)))
    within = time.monotonic() - began
    await asyncio.gather(*sending)
    return within


async def _deliver(stack: Stack, alerts: Sequence[dict[str, Any]]) -> None:
    body = {"version": "4", "alerts": list(alerts)}

    async def is_taken() -> bool:
        answer = await stack.people["alertmanager"].post("/v1/events/alertmanager", json=body)
        # Alertmanager sends again what was answered with a 5xx, and so does this.
        answer.raise_for_status()
        return True

    await eventually(is_taken, limit=SETTLES_WITHIN, pause=1)


def _alert(place: Place, node_count: int) -> dict[str, Any]:
    project, location, cluster, pool = place.pool().split("/")
    where = {"project": project, "location": location, "cluster": cluster, "node_pool": pool}
    return {
        "status": "firing",
        "labels": {"alertname": "QueueGrows", **where, "sluice_node_count": str(node_count)},
        "annotations": {},
        "startsAt": datetime.now(UTC).isoformat(),
        "fingerprint": uuid.uuid4().hex[:16],
    }


async def _is_at_rest(stack: Stack) -> bool:
    [(requests,)] = await stack.rows(_OPEN_REQUESTS)
    [(proposals,)] = await stack.rows(_OPEN_PROPOSALS)
    return not requests and not proposals


async def _counted(stack: Stack, statement: str) -> Counter[str]:
    quiet = {"proposed", "answered", "succeeded"}
    return Counter(
        status if status in quiet else f"{status}: {reason or 'without a reason'}"
        for status, reason in await stack.rows(statement)
    )


def _say(outcome: Outcome) -> None:
    for name, counted in (("requests", outcome.requests), ("proposals", outcome.proposals)):
        say(name)
        for told_as, count in counted.most_common():
            say(f"{count:>7}  {told_as}")


async def prove(directory: Path, storm: Storm = FULL) -> Outcome:
    """Run a stack, let the storm loose on it, and return what came of it."""
    async with running_stack(
        directory, programs(), StormGround(storm), SLUICE_GKE__CALL_TIMEOUT="PT10S"
    ) as stack:
        return await blow(stack, storm)


def figures(outcome: Outcome, storm: Storm) -> tuple[Figure, ...]:
    """Return what was counted."""
    return (
        at_most("alerts sent within", outcome.sent_within, SENT_WITHIN * storm.seconds, " s"),
        exactly("alerts with one outcome", outcome.requests.total(), storm.alerts),
        exactly("changes in the provider's log", outcome.changes, storm.tokens - outcome.already_there),
        told("tokens for what was as wanted by then", outcome.already_there),
        at_least("targets changed more than once", outcome.changed_again, storm.again),
        told("alerts that met an open change of their target", _met_another(outcome)),
        exactly("tokens taken", outcome.tokens_taken, storm.tokens),
        exactly("calls while another change was under way", outcome.refused_calls, 0),
        exactly("changes after all was at rest", outcome.changed_while_resting, 0),
        told("proposals", outcome.proposals.total()),
    )


def _met_another(outcome: Outcome) -> int:
    return sum(outcome.requests[f"refused: {reason}"] for reason in (COALESCED, TARGET_HAS_OPEN_PROPOSAL))


def main() -> int:
    """Let the storm loose and say what it did."""
    given = arguments(__doc__).parse_args()
    began = time.monotonic()
    with workplace("storm") as place:
        outcome = asyncio.run(prove(place.directory))
        _say(outcome)
        report = Report(
            promise=(
                f"{FULL.alerts:,} alerts in {FULL.seconds:g} s over {FULL.targets} targets: one change at a time per "
                "target, the execution budget kept exactly, the fleet stable (I1)."
            ),
            figures=figures(outcome, FULL),
            faults=outcome.faults(FULL),
            again="python -m proofs.storm",
            seconds=time.monotonic() - began,
        )
        return place.conclude(report, given.report)


if __name__ == "__main__":
    sys.exit(main())
