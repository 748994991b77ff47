"""Wrong clocks: `make proof-clocks` skews and sets the clocks of the worker, the API and PostgreSQL, one at a time.

A whole stack runs under libfaketime. In each case a clock is an hour ahead or behind, or jumps while proposals wait,
are held or execute, or into another month; in the last one a token is issued two days ahead, and the API's clock and
the database's are both set. Temporal's clock stays right: it is written in Go, which the library cannot mislead.
Judged by the emulator's log and by the database: no vote counts after `decide_by`, no effect comes after `execute_by`,
neither by the database's clock nor by the time that has really gone by; no budget is exceeded; I1 to I7 hold.

    python -m proofs.clocks [--only "end of a month"] [--plant]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proofs.clocks.cases import CASES, is_calm
from proofs.clocks.course import Course, clocked
from proofs.clocks.judging import judged
from proofs.clocks.part import PLANT
from proofs.judgement.story import stories, tell
from proofs.report import Figure, Report, arguments, at_least, exactly, say, told
from proofs.workplace import programs, workplace


@dataclass
class Outcome:
    """What the cases showed."""

    wrong: dict[str, list[str]] = field(default_factory=dict)
    """Case → what was not as it must be while it ran."""
    verdicts: dict[str, list[str]] = field(default_factory=dict)
    effects: int = 0
    ends: str = ""
    """Of proposals, in words."""
    stories: dict[str, list[str]] = field(default_factory=dict)
    """Proposal → its steps, of the first that have a fault."""

    @property
    def faults(self) -> list[str]:
        """All of it, in words."""
        return [
            f"{name}: {one}" for found in (self.wrong, self.verdicts) for name in found for one in found[name]
        ]


async def run(course: Course, chosen: Sequence[str]) -> Outcome:
    """Run these cases, one after the other, and judge what they left behind."""
    outcome = Outcome()
    for number, name in enumerate(chosen, 1):
        began = time.monotonic()
        try:
            await is_calm(course)
            outcome.wrong[name] = [*course.out_of_reach(), *await CASES[name](course)]
        except (TimeoutError, AssertionError) as error:
            outcome.wrong[name] = [str(error)]
        said = "; ".join(outcome.wrong[name]) or "as it must be"
        say(f"{number} of {len(chosen)}, {name}: {said} ({time.monotonic() - began:.0f} s)")
    judgement = await judged(course)
    outcome.verdicts = judgement.verdicts
    outcome.effects = len(judgement.calls.accepted("SetNodePoolSize"))
    outcome.ends = judgement.ends
    outcome.stories = stories(judgement.records, outcome.faults)
    return outcome


async def _prove(directory: Path, chosen: Sequence[str], *, planted: bool) -> Outcome:
    changes = {PLANT: "1"} if planted else {}
    async with clocked(directory, programs(), **changes) as course:
        return await run(course, chosen)


def figures(outcome: Outcome, wanted: int) -> list[Figure]:
    """Return what the cases showed, of so many."""
    changes = "effects in the provider's log"
    sound = [name for name, found in outcome.wrong.items() if not found]
    return [
        exactly("cases that went as they must", len(sound), wanted),
        *[exactly(f"{name}, violations", len(found), 0) for name, found in sorted(outcome.verdicts.items())],
        # Together they change a pool for each case; a case that is chosen by itself says what must succeed.
        at_least(changes, outcome.effects, wanted)
        if wanted == len(CASES)
        else told(changes, outcome.effects),
        told("proposals", outcome.ends),
    ]


def main() -> int:
    """Read the arguments and prove."""
    given = _parsed()
    began = time.monotonic()
    chosen = given.chosen
    again = "python -m proofs.clocks"
    again += f' --only "{given.only}"' if given.only else ""
    with workplace("clocks") as place:
        outcome = asyncio.run(_prove(place.directory, chosen, planted=given.plant))
        tell(outcome.stories)
        report = Report(
            promise=(
                "Whichever clock is wrong or jumps, no time to decide or to begin grows, no budget is exceeded, and "
                "I1 to I7 hold."
            ),
            figures=figures(outcome, len(chosen)),
            faults=outcome.faults,
            again=again + (" --plant" if given.plant else ""),
            seconds=time.monotonic() - began,
        )
        return place.conclude(report, given.report)


def _parsed() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--only", default="", metavar="WORDS", help="cases with these words in their name")
    parser.add_argument(
        "--plant", action="store_true", help="put a bug into the product: its own clock is asked"
    )
    given = parser.parse_args()
    given.chosen = [name for name in CASES if given.only in name]
    if not given.chosen:
        parser.error(f"no case has «{given.only}» in its name")
    return given


if __name__ == "__main__":
    sys.exit(main())
