"""Real processes killed under load: `make proof-kills` ends the worker 120 times, and the others 20 times each.

A whole stack runs under load: some proposals wait, some are edited, some fail and are rolled back. The worker is ended
with SIGKILL at the named points of the path in turn, and those kills count that find at least 20 proposals in flight;
then Temporal and the API with SIGKILL and PostgreSQL with SIGQUIT at drawn moments. Each kill of the worker counts for
the point that the rows and the provider's log show right after it. After one of ten kills nothing else is killed until
all that it had caught at its work has gone on. In the end everything comes to rest, and I1 to I8 are judged. `--seed`
draws the same aims and moments again; what real processes do between them is their own, so the steps of what has a
fault are told, with the kills that met it.
"""

from __future__ import annotations

import asyncio
import sys
import time

from proofs.judgement.story import tell
from proofs.kills.course import Outcome, Plan, run
from proofs.kills.killing import ENOUGH, WHOLE_EVERY, WITHIN
from proofs.kills.points import FAMILIES, POINTS
from proofs.report import Figure, Report, arguments, at_least, at_most, exactly, say, told
from proofs.workplace import programs, workplace


def figures(plan: Plan, outcome: Outcome, points: int) -> list[Figure]:
    """Return the table. What the load must have brought grows with the kills; the last runs brought twice as much."""
    kills, met = outcome.killer.kills, outcome.killer.by_point()
    planned = plan.workers + 3 * plan.others
    by_part = {
        part: [one for one in kills if one.part == part] for part in ("worker", "temporal", "postgres", "api")
    }
    slowest = {part: max((one.back_after for one in found), default=0.0) for part, found in by_part.items()}
    return [
        at_least(
            f"SIGKILLs of the worker, {ENOUGH} or more proposals in flight",
            len(outcome.killer.under_load()),
            plan.workers,
        ),
        at_least(f"named points of {len(POINTS)} that it was killed at", len(met), points),
        exactly(
            "families of these of which it met as large a share",
            sum(len(met.keys() & set(one)) >= len(one) * points // len(POINTS) for one in FAMILIES),
            len(FAMILIES),
        ),
        exactly("SIGKILLs of Temporal", len(by_part["temporal"]), plan.others),
        exactly("SIGQUITs of PostgreSQL", len(by_part["postgres"]), plan.others),
        exactly("SIGKILLs of the API during intake", len(by_part["api"]), plan.others),
        at_least(
            "proposals in flight at a kill of these, fewest",
            min((one.in_flight for one in kills if one.part != "worker"), default=0),
            min(1, plan.others),
        ),
        exactly("acknowledgements lost", len(outcome.verdicts["I5"]), 0),
        *[
            at_most(
                f"{'intake' if part == 'api' else 'path'} goes on after a kill of {part}, slowest",
                seconds,
                plan.within,
                " s",
            )
            for part, seconds in slowest.items()
            if by_part[part]
        ],
        at_least("caught at its work by a kill", sum(len(one.interrupted) for one in kills), plan.workers),
        at_most("what a kill had caught goes on, slowest", outcome.slowest, plan.within, " s"),
        at_least(
            "kills after which all they had caught was waited for",
            len(outcome.killer.recovered),
            _whole(plan.workers) + 2 * _whole(plan.others),
        ),
        *[exactly(f"{name}, violations", len(found), 0) for name, found in sorted(outcome.verdicts.items())],
        at_least("effects in the provider's log", outcome.effects, 2 * planned),
        told("proposals", len(outcome.taken.proposals)),
        told("they and those asked for in words ended as", outcome.ends),
        at_least("proposals rolled back", outcome.rolled_back, planned // 3),
        at_least("requests taken", len(outcome.taken.requests), planned // 6),
        at_least("proposals that came of them", outcome.worded, planned // 6),
        at_least("votes taken", len(outcome.taken.votes), planned),
        told("calls of people sent again", outcome.taken.repeated),
    ]


def _whole(kills: int) -> int:
    """After how many of these everything is waited for."""
    return (kills + WHOLE_EVERY // 2) // WHOLE_EVERY


def main() -> int:
    """Read the arguments and prove."""
    parser = arguments(__doc__)
    parser.add_argument("--kills", type=int, default=120, help="of the worker")
    parser.add_argument("--others", type=int, default=20, help="of Temporal, PostgreSQL and the API, each")
    parser.add_argument(
        "--points", type=int, default=40, help="named points at which it must have been killed"
    )
    parser.add_argument("--crew", type=int, default=28, help="members of the crew that keeps the path busy")
    parser.add_argument("--within", type=float, default=WITHIN, help="seconds in which the path must go on")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began, plan = time.monotonic(), Plan(given.kills, given.others, given.crew, given.seed, given.within)
    with workplace("kills") as place:
        outcome = asyncio.run(run(plan, programs(), place.directory))
        tell(outcome.stories)
        for point in POINTS:
            say(f"{outcome.killer.by_point()[point]:>6}  {point}")
        say(f"slowest to go on: {outcome.slowest_one}")
        again = (
            f"python -m proofs.kills --kills {plan.workers} --others {plan.others} --points {given.points} "
            f"--crew {plan.crew} --within {plan.within:g} --seed {plan.seed}"
        )
        report = Report(
            promise="Wherever a process dies, the path goes on in time, nothing acknowledged is lost, I1 to I8 hold.",
            figures=figures(plan, outcome, given.points),
            faults=[
                *(f"{name}: {one}" for name, found in outcome.verdicts.items() for one in found),
                *([] if outcome.is_at_rest else ["not all came to its end, or somebody waits for an answer"]),
            ],
            again=again,
            seconds=time.monotonic() - began,
        )
        return place.conclude(report, given.report)


if __name__ == "__main__":
    sys.exit(main())
