"""The network fails: `make proof-network` breaks it in nine ways before each dependency, and lets 500 calls time out.

Between Sluice and each of Temporal, PostgreSQL, OPA, GKE and the model's endpoint stands toxiproxy. Each fault strikes
while one change is somewhere on its path, a person approves another one, and two more are asked for; when it is over,
all must come to their end. Most faults at each dependency must be felt: the same without a fault is what they are
compared with. Then the provider's answers to changes are lost after it has made them, by the hundred:
most callers wait until their time is over, some see their connection end.
Judged by the emulator's own log and the database. `--only` repeats cells by their name, with the same seed, and the
lost answers with them unless there are to be none.

    python -m proofs.network --answers 648 --wanted 500 [--only "half-open at GKE"] [--seed 1]
    python -m proofs.network --answers 0 --only "half-open at GKE"
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path

from proofs.judgement.story import stories, tell
from proofs.judgement.whole import Judgement, judge
from proofs.kills.traffic import LIMITS, OPERATION_SECONDS
from proofs.network import cells, lost_answers
from proofs.network.cells import RECOVERS_WITHIN, Cell
from proofs.network.faults import FAULTS, NO_FAULT, Fault
from proofs.network.lost_answers import Losses
from proofs.network.stack import DEPENDENCIES, GKE, proxied
from proofs.network.toxiproxy import program
from proofs.report import Figure, Report, arguments, at_least, at_most, exactly, say, told
from proofs.workplace import programs, workplace
from tests.e2e.practice_ground import Ground

_PROMISE = (
    "However the network fails, a change is made once or not at all, what is told of it is true, and everything "
    "comes to its end when the network is back (I1 to I7)."
)


async def strike(
    directory: Path, chosen: Sequence[tuple[Fault, str]], seed: int
) -> tuple[list[Cell], Cell, Judgement]:
    """Run these cells, one after the other, on one stack, then one without a fault, and judge what they left behind.

    Before them, too, one meets no fault: the first of a stack is slow by itself, and is compared with nothing.
    """
    met = list[Cell]()
    courses = [(replace(NO_FAULT, name="warm-up"), GKE), *chosen, (NO_FAULT, GKE)]
    ground = Ground(3 * cells.SPOTS, limits=dict(LIMITS))
    async with proxied(directory, programs(), program(), ground) as running:
        await running.stack.admin.settings(operation=OPERATION_SECONDS)
        for number, (fault, dependency) in enumerate(courses):
            one = await cells.run(running, fault, dependency, cells.spot(ground, number), seed)
            met.append(one)
            say(f"{number + 1} of {len(courses)}, {one.name}: {one.said()}")
        taken = [one for cell in met for one in cell.proposals]
        asked = [one for cell in met for one in cell.requests]
        votes = [one for cell in met for one in cell.votes]
        _, *struck, calm = met
        return struck, calm, await judge(running.stack, taken, asked, votes)


def felt(met: Sequence[Cell], calm: Cell) -> Iterable[Figure]:
    """Return whether the faults were felt, so that they show anything."""
    yield at_least("without a fault, calls that reached the model", calm.asked_model, 1)
    for name in DEPENDENCIES:
        there = [one for one in met if one.dependency == name]
        if there:
            yield at_least(
                f"faults felt at {name}", sum(one.is_felt(calm) for one in there), ceil(len(there) / 2)
            )


def figures_of_cells(met: Sequence[Cell], calm: Cell, judgement: Judgement, wanted: int) -> list[Figure]:
    """Return what the cells show."""
    outcomes = {name: Counter[str]() for name in DEPENDENCIES}
    for one in met:
        outcomes[one.dependency] += one.outcomes
    return [
        exactly("faults of the network, each at each dependency", len(met), wanted),
        *felt(met, calm),
        *[
            exactly(f"{name}, violations", len(found), 0)
            for name, found in sorted(judgement.verdicts.items())
        ],
        at_most(
            "all at its end after the fault, slowest",
            max(one.recovered_after for one in met),
            RECOVERS_WITHIN,
            " s",
        ),
        *[
            told(
                f"proposals under way during faults at {name}",
                ", ".join(f"{n} {state}" for state, n in found.most_common()),
            )
            for name, found in outcomes.items()
            if found
        ],
    ]


def figures_of_answers(losses: Losses, wanted: int) -> list[Figure]:
    """Return what the lost answers show."""
    return [
        at_least("calls that timed out after the effect", sum(losses.timed_out.values()), wanted),
        at_least("calls whose connection ended after the effect", sum(losses.ended.values()), 1),
        exactly("of these proposals, succeeded", losses.states.get("succeeded", 0), len(losses.cases)),
        told(
            "ways of losing the answer",
            ", ".join(f"{n} {way}" for way, n in [*losses.timed_out.items(), *losses.ended.items()]),
        ),
        told("attempts at most", max(one.attempts for one in losses.cases)),
    ]


def main() -> int:
    """Read the arguments and prove."""
    given = _parsed()
    began = time.monotonic()
    chosen = given.chosen
    figures, faults = list[Figure](), list[str]()
    with workplace("network") as place:
        if given.answers:
            losses = asyncio.run(lost_answers.run(place.directory, given.answers, program()))
            figures += figures_of_answers(losses, given.wanted)
            faults += losses.faults
        if chosen:
            met, calm, judgement = asyncio.run(strike(place.directory, chosen, given.seed))
            say(cells.table(met))
            figures = figures_of_cells(met, calm, judgement, len(chosen)) + figures
            faults += [fault for one in (*met, calm) for fault in one.faults()]
            faults += [f"{name}: {one}" for name, found in judgement.verdicts.items() for one in found]
            tell(stories(judgement.records, faults))
        only = f' --only "{given.only}"' if given.only else ""
        report = Report(
            promise=_PROMISE,
            figures=figures,
            faults=faults,
            again=(
                f"python -m proofs.network --answers {given.answers} --wanted {given.wanted} "
                f"--seed {given.seed}{only}"
            ),
            seconds=time.monotonic() - began,
        )
        return place.conclude(report, given.report)


def _parsed() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--answers", type=int, default=648, help="calls whose answer is to be lost; 0: none")
    parser.add_argument(
        "--wanted", type=int, default=500, help="how many of them must time out after the effect"
    )
    parser.add_argument("--only", default="", metavar="WORDS", help="cells with these words in their name")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.chosen = [
        (fault, dependency)
        for fault in FAULTS
        for dependency in DEPENDENCIES
        if given.only in f"{fault.name} at {dependency}"
    ]
    if not given.chosen:
        parser.error(f"no cell has «{given.only}» in its name")
    return given


if __name__ == "__main__":
    sys.exit(main())
