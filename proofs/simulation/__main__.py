"""I1 to I8 under an adversarial scheduler: `make proof-simulation`, or one seed that is named.

One process, a virtual clock, one PostgreSQL. Real: the API's services, the dispatcher, the workflow, all activities,
the guardrails, the ledger, the store. Simulated: Temporal (`temporal.py`), the wire to the provider (its state and
rules are the emulator's), OPA, the clock. A process may be lost before and after each commit, send and answer.

    python -m proofs.simulation --seeds 50000 [--first 0] [--jobs 2]
    python -m proofs.simulation --seed 4711
    python -m proofs.simulation --seeds 500 --plant fence [--own-luck]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from proofs.report import Figure, Report, Stopwatch, arguments, at_least, conclude, exactly, say, told
from proofs.simulation.plants import PLANTS
from proofs.simulation.running import Tally, boundaries, simulate
from proofs.spread import lane, spread

MAX_FAULTS = 50
SHARE = 1_000
"""Seeds that a process runs on one PostgreSQL."""
_PROMISE = (
    "Whatever is lost, late or doubled, and wherever a process dies, no invariant from I1 to I8 breaks."
)


@dataclass(frozen=True, slots=True)
class Bug:
    """What is planted, if anything."""

    plant: str | None
    favoured: bool
    """Under a luck that meets it often, not the seeds' own."""

    def __str__(self) -> str:
        """Return it as arguments of the command."""
        if self.plant is None:
            return ""
        return f" --plant {self.plant}{'' if self.favoured else ' --own-luck'}"


def main() -> int:
    """Read the arguments, run the seeds, and judge."""
    given = _parsed()
    began = time.monotonic()
    seeds = [given.seed] if given.seed is not None else list(range(given.first, given.first + given.seeds))
    bug = Bug(given.plant, favoured=not given.own_luck)
    tally = _run(seeds, bug, given.jobs)
    for seed, steps in tally.steps.items():
        say(f"seed {seed}\n" + "\n".join(steps))
    _table(tally)
    faults = [
        f"seed {seed}: {wrong} (again: python -m proofs.simulation --seed {seed}{bug})"
        for seed, several in sorted(tally.faults.items())
        for wrong in several
    ]
    report = Report(
        promise=_PROMISE,
        figures=figures(
            tally, len(seeds), is_whole=given.seed is None and len(seeds) >= len(boundaries()) * 20
        ),
        faults=faults[:MAX_FAULTS],
        again=f"python -m proofs.simulation --seeds {len(seeds)} --first {seeds[0]}{bug}",
        seconds=time.monotonic() - began,
    )
    return conclude(report, given.report)


def figures(tally: Tally, wanted: int, *, is_whole: bool) -> Sequence[Figure]:
    """Return what was counted. A few seeds (`is_whole` is False) cannot come to every boundary, nor to much else."""
    known = boundaries()
    fatal = [name for name in known if tally.crashed[name]]
    every = exactly("boundaries where a process was lost", len(fatal), len(known))
    return (
        exactly("seeds", tally.seeds, wanted),
        exactly("seeds with a fault", len(tally.faults), 0),
        every if is_whole else told("boundaries where a process was lost", f"{len(fatal)} of {len(known)}"),
        at_least("crashes", tally.crashed.total(), 1 if is_whole else 0),
        told("crashes at the rarest boundary", min(tally.crashed[name] for name in known)),
        told("boundaries passed", tally.reached.total()),
        told("effects at the provider", tally.effects),
        at_least("of these, answers lost after the effect", tally.unanswered, wanted // 5 if is_whole else 0),
        told(
            "proposals ended as", ", ".join(f"{count:,} {state}" for state, count in tally.ends.most_common())
        ),
        at_least("halts that became effective", tally.halts, 1 if is_whole else 0),
    )


def _table(tally: Tally) -> None:
    known = boundaries()
    say(f"\n{'crashes':>8} {'passed':>9}  boundary")
    for name in (*known, *sorted(tally.reached.keys() - set(known))):
        say(f"{tally.crashed[name]:>8,} {tally.reached[name]:>9,}  {name}")


def _run(seeds: Sequence[int], bug: Bug, jobs: int) -> Tally:
    """Run seeds here, or in several processes."""
    watch, total = Stopwatch(len(seeds), "seeds"), Tally()

    def take(batch: Tally) -> None:
        total.add(batch)
        watch.at(total.seeds)

    if jobs == 1:
        simulate(seeds, bug.plant, favoured=bug.favoured, done=take)
        return total
    shares = [seeds[first : first + SHARE] for first in range(0, len(seeds), SHARE)]
    for one in spread(partial(_simulate, bug), shares, jobs):
        take(one)
    return total


def _simulate(bug: Bug, seeds: Sequence[int]) -> Tally:
    return simulate(seeds, bug.plant, favoured=bug.favoured, core=lane())


def _parsed() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=50_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="run this one only, and tell what happened")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with a PostgreSQL of its own")
    parser.add_argument(
        "--plant", choices=[name for name in PLANTS if name], help="put a bug into the product"
    )
    parser.add_argument(
        "--own-luck", action="store_true", help="leave each seed its own luck, which may not meet the bug"
    )
    return parser.parse_args()


if __name__ == "__main__":
    # By its own name: a spawned process finds nothing in `__main__`.
    from proofs.simulation.__main__ import main

    sys.exit(main())
