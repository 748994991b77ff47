"""`make proof`: every proof but that of the tests, or those that are named; a table at the end.

Exit status 0 when all promises were kept.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from proofs.catalogue import ONLY_WHERE_NAMED, PROOFS, Size
from proofs.figures import keeping
from proofs.page import FIGURES, publish
from proofs.report import end_as_by_keyboard, say
from proofs.suite import run, summary

LANES = 3
"""On two cores: most of their time is waiting."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    given = _parsed(arguments)
    names = [one.name for one in PROOFS]
    if unknown := sorted(set(given.names) - set(names)):
        sys.stderr.write(f"no proof is called {', '.join(unknown)}; there are {', '.join(names)}\n")
        return 2
    left_out = ONLY_WHERE_NAMED if given.size is Size.FULL else frozenset()
    chosen = [one for one in PROOFS if one.name in (given.names or set(names) - left_out)]
    if lacking := [one.name for one in chosen if given.names and one.arguments(given.size) is None]:
        sys.stderr.write(f"no {given.size} form has {', '.join(lacking)}\n")
        return 2
    if given.size is Size.QUICK and given.figures is not None and given.figures.resolve() == FIGURES:
        sys.stderr.write("the published figures are those of whole runs\n")
        return 2
    given.scratch.mkdir(parents=True, exist_ok=True)
    end_as_by_keyboard()
    keep = keeping(given.figures, FIGURES, publish)
    outcomes = asyncio.run(run(chosen, given.scratch, lanes=given.lanes, size=given.size, keep=keep))
    say(f"\n{summary(outcomes)}")
    return 0 if all(one.holds for one in outcomes) else 1


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m proofs", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="proofs to run; none: all but `mutants`")
    parser.add_argument(
        "--quick",
        action="store_const",
        dest="size",
        const=Size.QUICK,
        default=Size.FULL,
        help="the short form of those that have one",
    )
    parser.add_argument(
        "--long",
        action="store_const",
        dest="size",
        const=Size.LONG,
        help="the longest form of those that have one",
    )
    parser.add_argument(
        "--lanes", type=int, default=LANES, help="proofs that run at the same time (default %(default)s)"
    )
    parser.add_argument(
        "--scratch", type=Path, default=Path(".sluice/proofs"), help="for outputs and reports"
    )
    parser.add_argument(
        "--figures", type=Path, metavar="FILE", help="keep the reports there, to publish them"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
