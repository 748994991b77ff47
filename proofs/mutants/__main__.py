"""`make proof-mutants`: breaks every guard of the list by itself and expects a test to go red each time.

Exit status 0: every mutant was killed. 1: one survived, could not be judged, or does not fit the code any more.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median

from proofs.mutants.catalogue import MUTANTS
from proofs.mutants.forked import Place, preload, run_tests
from proofs.mutants.mutant import Mutant, Promise
from proofs.mutants.server import running_server
from proofs.mutants.trial import (
    LONGEST,
    Result,
    Trial,
    keep_killers,
    killer_of,
    known_killers,
    processor_seconds,
    try_mutant,
)
from proofs.mutants.working_copy import ROOT, MutantInvalid, copy_repository, mutated
from proofs.report import Report, conclude, exactly, told
from proofs.report import arguments as report_arguments
from proofs.spread import lane, spread

_ALL_MAY_ENTER = 0o755
_ROOM = 4 * 1024**3
_FEW = 3
"""Tests that may be red at first, before there is any mutant: on a busy machine some of them wait for too long."""
_LONGEST = 4 * LONGEST
"""Tests run three times at most for a mutant: its killer, then all of its tests, then a new killer without it."""
SLOW = 60.0
"""Seconds after which a mutant's end is told by name: most of it is a test that waits for what does not come."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mutants that are asked for, and tell what became of them."""
    given = _parsed(arguments)
    chosen = [one for one in MUTANTS if not given.only or any(name in one.name for name in given.only)]
    if not chosen:
        sys.stderr.write("no mutant has such a name; see --list\n")
        return 1
    if given.list:
        _write_list(chosen)
        return 0
    misfits = misfits_among(chosen)
    if misfits:
        sys.stderr.writelines(f"{one}\n" for one in misfits)
        return 1
    began = time.monotonic()
    trials = run(chosen, given.jobs)
    if trials is None:
        return 1
    if given.json:
        given.json.write_text(json.dumps([asdict(one) for one in trials], indent=2) + "\n")
    if given.keep_killers:
        keep_killers(trials, [one.name for one in MUTANTS])
    _write_table(trials)
    alive = [one for one in trials if one.result is not Result.KILLED]
    named = [one.mutant for one in alive] or given.only or ()
    report = Report(
        promise="Every check of the list is guarded: removed or inverted by itself, it turns a test red.",
        figures=(
            exactly("mutants killed", len(trials) - len(alive), len(chosen)),
            exactly("mutants survived", sum(one.result is Result.SURVIVED for one in trials), 0),
            told("seconds of a processor for a mutant, median", f"{median(_costs(trials)):.2f}"),
            told("minutes of a processor altogether", f"{processor_seconds() / 60:.1f}"),
            told(f"killed only after more than {SLOW:g} s", ", ".join(slow_among(trials)) or 0),
        ),
        faults=[f"{one.result}: {one.mutant}: {one.told}" for one in alive],
        again=" ".join(("python -m proofs.mutants", *(f"--only {name}" for name in named))),
        seconds=time.monotonic() - began,
    )
    return conclude(report, given.report)


def misfits_among(mutants: Sequence[Mutant], root: Path = ROOT) -> list[str]:
    """Return what is wrong with the list itself, a sentence for each mutant that does not fit the code."""
    found = []
    for mutant in mutants:
        try:
            mutated(mutant, (root / mutant.file).read_text(encoding="utf-8"))
        except (MutantInvalid, OSError) as error:
            found.append(str(error))
        files = {test.partition("::")[0] for test in mutant.tests}
        found += [
            f"{mutant.name}: there is no {file}" for file in sorted(files) if not (root / file).exists()
        ]
    return found


def run(mutants: Sequence[Mutant], jobs: int = 1) -> list[Trial] | None:
    """Try mutants in copies, `jobs` at a time; None when their tests are red without any mutant."""
    with _scratch() as scratch, running_server(scratch / "pg") as server:
        places = tuple(
            Place(scratch / f"copy-{number}", scratch / f"scratch-{number}", server) for number in range(jobs)
        )
        copy_repository(places[0].copy)
        libraries = _libraries(mutants, places[0])
        if libraries is None:
            return None
        for other in places[1:]:
            shutil.copytree(places[0].copy, other.copy)
        trials = []
        for trial in spread(
            partial(_tried, places, libraries, known_killers()), mutants, jobs, longest=_LONGEST
        ):
            _tell(
                f"{trial.result:<9}{trial.seconds:6.1f} s {trial.processor_seconds:6.1f} s cpu  {trial.mutant}\n"
            )
            trials.append(trial)
        return trials


def _libraries(mutants: Sequence[Mutant], place: Place) -> tuple[str, ...] | None:
    """Run the tests without a mutant. Return what they had to load; None where some are red, by themselves too."""
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    _tell(f"{len(tests)} files or tests, without a mutant ...\n")
    preload()
    healthy = run_tests(tests, place, LONGEST * 10, whole=True)
    if healthy.status == 0:
        return healthy.libraries
    if healthy.broken or not 0 < len(healthy.failed) <= _FEW:
        _tell(f"RED\n{healthy.output[-4000:]}\n")
        return None
    _tell(f"red beside what else goes on, again alone: {', '.join(healthy.failed)}\n")
    alone = run_tests(healthy.failed, place, LONGEST)
    if alone.status == 0:
        return healthy.libraries
    _tell(f"RED\n{alone.output[-4000:]}\n")
    return None


def slow_among(trials: Sequence[Trial]) -> list[str]:
    """Return the names of mutants that were killed, but not soon."""
    return [one.mutant for one in trials if one.result is Result.KILLED and one.seconds > SLOW]


def _costs(trials: Sequence[Trial]) -> list[float]:
    return [one.processor_seconds for one in trials]


def _tried(
    places: Sequence[Place], libraries: tuple[str, ...], killers: Mapping[str, str], mutant: Mutant
) -> Trial:
    """Try one in the copy of this process, which loads the libraries before its first."""
    preload(libraries)
    return try_mutant(mutant, places[lane()], killer_of(mutant, killers))


def _tell(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sluice-mutants-", dir=_memory()) as folder:
        # A database server that root starts runs as another account.
        Path(folder).chmod(_ALL_MAY_ENTER)
        yield Path(folder)


def _memory() -> Path | None:
    """Return where files are kept in memory, if there is room: databases are hundreds of small files."""
    memory = Path("/dev") / "shm"
    has_room = memory.is_dir() and shutil.disk_usage(memory).free >= _ROOM
    return memory if has_room else None


def _write_list(mutants: Sequence[Mutant]) -> None:
    for promise in Promise:
        of_promise = [one for one in mutants if one.promise is promise]
        if of_promise:
            sys.stdout.write(f"{promise}\n")
            sys.stdout.writelines(f"  {one.name:<56} {one.file}\n" for one in of_promise)


def _write_table(trials: Sequence[Trial]) -> None:
    by_name = {one.name: one for one in MUTANTS}
    sys.stdout.write("\npromise | mutants | killed\n")
    for promise in Promise:
        tried = [one for one in trials if by_name[one.mutant].promise is promise]
        killed = sum(one.result is Result.KILLED for one in tried)
        if tried:
            sys.stdout.write(f"{promise} | {len(tried)} | {killed}\n")


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = report_arguments(__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="mutants whose name has this in it")
    parser.add_argument("--list", action="store_true", help="name the mutants by promise, and end")
    parser.add_argument("--jobs", type=int, default=1, help="mutants that are tried at the same time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write each mutant's result there, too")
    parser.add_argument("--keep-killers", action="store_true", help="note who killed whom, to be tried first")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    # By its own name: a spawned process finds nothing in `__main__`.
    from proofs.mutants.__main__ import main

    sys.exit(main())
