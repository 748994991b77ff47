"""`make bench`: every benchmark but the longest, or those that are named, one after the other; a table at the end.

Each one's figures are kept as it ends, so that a run that is broken off loses nothing. Exit status 0 when each of them
measured what it set out to: a missed target is published, and ends nothing. The short form judges what it counts, and
ends with 1 where that is wrong; what it times it tells alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.catalogue import BENCHMARKS, ONLY_WHERE_NAMED
from benchmarks.page import FIGURES, publish
from benchmarks.report import WORDS
from proofs.catalogue import Size
from proofs.figures import keeping
from proofs.report import end_as_by_keyboard, say
from proofs.suite import run, summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    given = _parsed(arguments)
    names = [one.name for one in BENCHMARKS]
    if unknown := sorted(set(given.names) - set(names)):
        sys.stderr.write(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(names)}\n")
        return 2
    wanted = given.names or [name for name in names if given.quick or name not in ONLY_WHERE_NAMED]
    chosen = [one for one in BENCHMARKS if one.name in wanted]
    if given.quick and given.figures is not None and given.figures.resolve() == FIGURES:
        sys.stderr.write("the published figures are those of whole runs\n")
        return 2
    given.scratch.mkdir(parents=True, exist_ok=True)
    end_as_by_keyboard()
    size = Size.QUICK if given.quick else Size.FULL
    keep = keeping(given.figures, FIGURES, publish)
    outcomes = asyncio.run(run(chosen, given.scratch, lanes=1, size=size, keep=keep, words=WORDS))
    say(f"\n{summary(outcomes, WORDS)}")
    return 0 if all(one.holds if given.quick else one.report is not None for one in outcomes) else 1


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run; none: all but the long")
    parser.add_argument(
        "--quick", action="store_true", help="the short form of each; says nothing about speed"
    )
    parser.add_argument(
        "--scratch", type=Path, default=Path(".sluice/benchmarks"), help="for outputs and reports"
    )
    parser.add_argument(
        "--figures", type=Path, metavar="FILE", help="keep the reports there, to publish them"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
