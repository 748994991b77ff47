"""Approval races: `make proof-races` lets people, clocks and workers act on one proposal at the same moment.

Two processes, each with connections of its own, run the API's own code, the activities and the store against one
PostgreSQL: they vote, change their minds, edit, cancel, expire, deliver decisions again, judge and execute, several at
once for each proposal, round after round until it has ended. No workflow keeps them in order, only the database does.
Judged by the database, the audit log and the provider's log: one legal end each, the log rebuilds the tables, no
decision counts twice, and nothing goes on without enough people at the newest digest.

    python -m proofs.races --races 10000 [--seed 20261122] [--only 17]

A seed replays who calls what, where and when; how the machine interleaves it is new each time.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from adapters.store.migrate import upgrade
from proofs.judgement.story import tell
from proofs.postgres import on_core, postgres
from proofs.races.course import BATCH, Tally, run
from proofs.report import Figure, Report, arguments, at_least, exactly, told
from proofs.workplace import workplace

SEED = 20_261_122
_CORE = -1
"""The last one: other proofs run beside it."""


def batches(size: int = BATCH) -> Iterator[Sequence[int]]:
    """Return numbers of proposals, without an end."""
    for first in itertools.count(0, size):
        yield range(first, first + size)


async def _prove(directory: Path, url: str, races: int, seed: int, only: int | None) -> Tally:
    await upgrade(url)
    if only is not None:
        return await run(directory, url, iter([[only]]), races=None, seed=seed)
    return await run(directory, url, batches(), races=races, seed=seed)


def figures(tally: Tally, races: int) -> tuple[Figure, ...]:
    """Return what was counted."""
    return (
        at_least("races (calls for one proposal that overlapped)", tally.races, races),
        at_least("of these between processes", tally.across, races // 2),
        told("proposals", tally.proposals),
        told("calls", tally.calls),
        at_least("effects", tally.effects, races // 20),
        *(told(state, number) for state, number in sorted(tally.ends.items())),
        exactly("deadlocks", tally.deadlocks, 0),
        exactly("calls that the database could not serve", tally.unavailable, 0),
        exactly("faults", len(tally.faults), 0),
    )


def main() -> int:
    """Race, and say what the judges found."""
    parser = arguments(__doc__)
    parser.add_argument("--races", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", type=int, help="number of one proposal")
    given = parser.parse_args()
    began = time.monotonic()
    with workplace("races") as place:
        with on_core(_CORE), postgres() as url:
            tally = asyncio.run(_prove(place.directory, url, given.races, given.seed, given.only))
        tell(tally.stories)
        report = Report(
            promise=(
                "Whoever acts on one proposal at the same moment: it ends once and legally, the audit log says so, and "
                "nothing goes on without enough people at the newest digest (I1, I2, I4)."
            ),
            figures=figures(tally, 0 if given.only is not None else given.races),
            faults=[_replayable(one, given.seed) for one in tally.faults],
            again=f"python -m proofs.races --races {given.races} --seed {given.seed}",
            seconds=time.monotonic() - began,
        )
        return place.conclude(report, given.report)


def _replayable(fault: str, seed: int) -> str:
    named = re.search(r"prp_race(\d+)", fault)
    return f"{fault} (--seed {seed} --only {int(named[1])})" if named else fault


if __name__ == "__main__":
    sys.exit(main())
