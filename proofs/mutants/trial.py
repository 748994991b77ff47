"""Tries a mutant: runs its tests in the copy, the one that killed it last time first, and says whether one noticed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from proofs.mutants.forked import Place, Run, run_tests
from proofs.mutants.mutant import Mutant
from proofs.mutants.working_copy import applied

LONGEST = 600.0
"""Seconds after which the tests of one mutant are given up."""
KILLERS = Path(__file__).with_name("killers.json")
"""Which test noticed which mutant. It only saves time: whoever is not killed by that test meets all of its tests."""
_GREEN = 0
_MAKE_TABLES = ("adapters/store/schema/", "adapters/store/migrat")
"""A mutant in here makes other tables, so that its tests need a database server of their own."""


class Result(StrEnum):
    """What became of a mutant. Only the first is as it must be."""

    KILLED = "killed"
    """A test went red, and is green without the mutant."""
    SURVIVED = "survived"
    ERROR = "error"
    """The tests could not judge it: collection, a fixture or an import broke, time ran out, or one is red anyway."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One mutant, tried."""

    mutant: str
    result: Result
    told: str
    """The test that went red first, or what went wrong."""
    seconds: float
    processor_seconds: float
    """Of the tests and whatever they start, without the shared database server."""


def try_mutant(mutant: Mutant, place: Place, killer: str | None = None) -> Trial:
    """Return whether the mutant's tests notice it. The copy is as before afterwards.

    `killer`: the test that noticed it last time.
    """
    began, spent = time.monotonic(), processor_seconds()
    if mutant.file.startswith(_MAKE_TABLES):
        place = replace(place, server=None)
    result, told = Result.SURVIVED, ""
    with applied(mutant, place.copy):
        for tests in ([[killer]] if killer else []) + [list(mutant.tests)]:
            result, told = _judged(run_tests(tests, place, LONGEST))
            if result is Result.KILLED:
                break
    # What is known to kill was found green once. Another may be red for what else goes on: time was short, for example.
    if result is Result.KILLED and told != killer and run_tests([told], place, LONGEST).status != _GREEN:
        result, told = Result.ERROR, f"red without the mutant, too: {told}"
    return Trial(mutant.name, result, told, time.monotonic() - began, processor_seconds() - spent)


def processor_seconds() -> float:
    """Return what the children of this process, and theirs, have used so far. Another's work beside it is not in it."""
    times = os.times()
    return times.children_user + times.children_system


def _judged(run: Run) -> tuple[Result, str]:
    if run.failed:  # Whatever came of the run after that.
        return Result.KILLED, run.failed[0]
    if run.status == _GREEN:
        return Result.SURVIVED, "every test named is green"
    return Result.ERROR, run.broken[0] if run.broken else run.output[-500:].strip()


def known_killers() -> dict[str, str]:
    """Return the test that last noticed each mutant, by its name."""
    found: dict[str, str] = json.loads(KILLERS.read_text(encoding="utf-8")) if KILLERS.exists() else {}
    return found


def killer_of(mutant: Mutant, killers: Mapping[str, str]) -> str | None:
    """Return the mutant's killer, where it is still among its tests."""
    killer = killers.get(mutant.name)
    is_its_own = killer is not None and any(
        killer == test or killer.startswith((f"{test}::", f"{test}[")) for test in mutant.tests
    )
    return killer if is_its_own else None


def keep_killers(trials: Sequence[Trial], names: Sequence[str]) -> None:
    """Write down who killed whom now. Mutants that are not among `names` any more are forgotten."""
    killers = known_killers()
    killers |= {one.mutant: one.told for one in trials if one.result is Result.KILLED}
    kept = {name: killers[name] for name in sorted(names) if name in killers}
    KILLERS.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
