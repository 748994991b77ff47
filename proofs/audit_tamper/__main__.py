"""A tampered audit export: every flipped bit and every rearrangement is found by the verifier of the command line.

An export is made by the exporter's own code. Then, in this order of strength:

- every single bit of it is flipped, and judged by the functions with which the verifier judges a line (`flips.py` says
  what that skips); one that passed them would be tried on the whole file;
- every single bit of a short export goes through the whole verifier;
- flips of the long one go through `sluice audit verify` itself, in this process, and a few in a process of their own;
- entries and lines are put in, taken out, moved, cut off, spelled otherwise and re-chained (`rearranging.py`), each
  through the whole verifier; what only a checkpoint kept elsewhere can find is tried with one.

    python -m proofs.audit_tamper --entries 10000 --command 1000 --rearranged 10000 [--seed 1] [--only rearranged/17]
"""

from __future__ import annotations

import argparse
import functools
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.audit.verify import verify_export
from proofs.audit_tamper import flips, rearranging
from proofs.audit_tamper.command import command_on
from proofs.audit_tamper.flips import Flip
from proofs.audit_tamper.log import Log, made
from proofs.report import Figure, Report, Stopwatch, arguments, at_least, conclude, exactly, told
from proofs.spread import spread

EVERY = 1_000
"""Entries between two checkpoints, as the sequencer signs them."""
SHORT, SHORT_EVERY = 6, 3
"""The export of which every bit goes through the whole verifier."""
MIDDLE, MIDDLE_EVERY = 400, 50
"""The export that is rearranged; each hundredth time it is the long one."""
LONG_EACH = 100
_LINES, _TRIES, _COMMANDS = 100, 100, 25
"""Lines, rearrangements and commands of one piece of work."""
SPAWNED_EACH = 100
"""Of so many commands one runs in a process of its own."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of the work."""

    what: str
    """`flips`, `short`, `command` or `rearranged`."""
    entries: int
    seed: int
    numbers: range


@dataclass(slots=True)
class Found:
    """What came of it."""

    done: Counter[str] = field(default_factory=Counter)
    only_kept: Counter[str] = field(default_factory=Counter)
    """Kinds that are found only against a checkpoint kept elsewhere."""
    faults: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Take another's counts."""
        self.done += other.done
        self.only_kept += other.only_kept
        self.faults += other.faults


@functools.cache
def log_of(entries: int, seed: int) -> Log:
    """Return the log of that size; it is made once in a process."""
    every = {SHORT: SHORT_EVERY, MIDDLE: MIDDLE_EVERY}.get(entries, min(EVERY, max(1, entries // 4)))
    return made(entries, seed, every=every)


@functools.cache
def _other(entries: int, seed: int) -> Log:
    return rearranging.other_than(log_of(entries, seed), seed)


def _unsound(log: Log) -> list[str]:
    """Return what the verifier says of a log before anything was changed: nothing, or what it finds shows nothing."""
    is_sound = verify_export(log.lines, [log.signer.key], log.kept).is_sound
    return [] if is_sound else [f"a log of {len(log.entries)} is refused before anything was changed"]


def work(piece: Piece) -> Found:
    """Do a piece of it."""
    return _WORK[piece.what](piece)


def _flips(piece: Piece) -> Found:
    log, found = log_of(piece.entries, piece.seed), Found()
    for line in piece.numbers:
        if not flips.accepts(log, line):
            found.faults.append(
                f"--seed {piece.seed} --only flips/{line}: refused before anything was changed"
            )
        count, passed = flips.overlooked(log, line)
        found.done["flips"] += count
        found.done["tried on the whole file"] += len(passed)
        found.faults += [f"--seed {piece.seed} --only {one}" for one in passed if not flips.whole(log, one)]
    return found


def _short(piece: Piece) -> Found:
    log, found = log_of(SHORT, piece.seed), Found(faults=_unsound(log_of(SHORT, piece.seed)))
    for line in piece.numbers:
        for one in flips.of_line(log.lines[line], line):
            found.done["short"] += 1
            if not flips.whole(log, one):
                found.faults.append(f"--seed {piece.seed} --only short/{one}: the verifier finds nothing")
    return found


def _command(piece: Piece) -> Found:
    log, found = log_of(piece.entries, piece.seed), Found()
    with command_on(log) as command:
        if not command.accepts():
            found.faults.append("the command refuses the log before anything was changed")
        for number in piece.numbers:
            one = _drawn(log, piece.seed, number)
            wrong = command.finds(one, in_process_of_its_own=number % SPAWNED_EACH == 0)
            found.done["command"] += 1
            found.done["spawned"] += number % SPAWNED_EACH == 0
            if wrong is not None:
                found.faults.append(f"--seed {piece.seed} --only command/{number} ({one}): {wrong}")
    return found


def _drawn(log: Log, seed: int, number: int) -> Flip:
    chance = random.Random(seed * 1_000_003 + number)  # noqa: S311  replayable, no secret
    # One in eight hits a line that is no entry: there are few of them.
    places = [at for at, line in enumerate(log.lines) if not line.startswith(b'{"leaf"')]
    line = chance.choice(places) if number % 8 == 0 else chance.randrange(len(log.lines))
    return Flip(line, chance.randrange(len(log.lines[line])), chance.randrange(8))


def _rearranged(piece: Piece) -> Found:
    found = Found(faults=_unsound(log_of(min(MIDDLE, piece.entries), piece.seed)))
    for number in piece.numbers:
        entries = piece.entries if number % LONG_EACH == LONG_EACH - 1 else min(MIDDLE, piece.entries)
        came = rearranging.tried(
            log_of(entries, piece.seed), _other(entries, piece.seed), piece.seed, number // LONG_EACH + number
        )
        found.done["rearranged"] += 1
        found.done[f"rearranged: {came.kind}"] += 1
        if came.is_found and not came.is_found_alone:
            found.only_kept[came.kind] += 1
        if not came.is_found:
            found.faults.append(
                f"--seed {piece.seed} --only rearranged/{number} ({came.kind}): found nothing"
            )
    return found


_WORK = {"flips": _flips, "short": _short, "command": _command, "rearranged": _rearranged}


def pieces(entries: int, commands: int, rearranged: int, seed: int) -> list[Piece]:
    """Return all work in pieces."""
    sizes = (
        ("flips", len(log_of(entries, seed).lines), _LINES),
        ("short", len(log_of(SHORT, seed).lines), 1),
        ("command", commands, _COMMANDS),
        ("rearranged", rearranged, _TRIES),
    )
    return [
        Piece(what, entries, seed, range(first, min(first + step, total)))
        for what, total, step in sizes
        for first in range(0, total, step)
    ]


def prove(work_to_do: list[Piece], jobs: int) -> Found:
    """Do all of it, `jobs` processes at a time."""
    found, watch = Found(), Stopwatch(len(work_to_do), "pieces")
    for done, one in enumerate(spread(work, work_to_do, jobs), start=1):
        found.add(one)
        watch.at(done)
    return found


def replayed(only: str, entries: int, seed: int) -> Found:
    """Do one thing again, by the name that a fault gives it."""
    what, *place = only.split("/")
    if what == "flip":
        line, byte, bit = map(int, place)
        is_found = flips.whole(log_of(entries, seed), Flip(line, byte, bit))
        return Found(Counter({"flips": 1}), faults=[] if is_found else [only])
    number = int(place[1] if what == "short" else place[0])
    return work(Piece(what, entries, seed, range(number, number + 1)))


def counted(found: Found, given: argparse.Namespace) -> Sequence[Figure]:
    """Return what a whole run has tried."""
    bits, short = (8 * len(log_of(entries, given.seed).content) for entries in (given.entries, SHORT))
    kept = (f"{kind}: {count:,}" for kind, count in sorted(found.only_kept.items()))
    return (
        exactly("single bits flipped, judged by line", found.done["flips"], bits),
        told("of them tried on the whole file", found.done["tried on the whole file"]),
        exactly("bits of a short export, through the whole verifier", found.done["short"], short),
        exactly("flips through the command", found.done["command"], given.command),
        told("of them in a process of their own", found.done["spawned"]),
        at_least("rearranged", found.done["rearranged"], given.rearranged),
        told("found only against a kept checkpoint", ", ".join(kept) or "none"),
    )


def main() -> int:
    """Read the arguments and prove."""
    parser = arguments(__doc__)
    parser.add_argument("--entries", type=int, default=10_000, help="events of the export")
    parser.add_argument("--command", type=int, default=1_000, help="flips through the command itself")
    parser.add_argument("--rearranged", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--only", metavar="NAME", help="one of them, by the name that a fault gives it")
    given = parser.parse_args()
    began = time.monotonic()
    if given.only:
        found = replayed(given.only, given.entries, given.seed)
    else:
        todo = pieces(given.entries, given.command, given.rearranged, given.seed)
        found = prove(todo, given.jobs)
    again = (
        f"python -m proofs.audit_tamper --entries {given.entries} --command {given.command} "
        f"--rearranged {given.rearranged} --seed {given.seed}"
    )
    unfound = exactly("not found, or not where it was done", len(found.faults), 0)
    report = Report(
        promise="Whatever is changed in an exported audit log is found offline (I6).",
        figures=(*([] if given.only else counted(found, given)), unfound),
        faults=found.faults,
        again=again,
        seconds=time.monotonic() - began,
    )
    return conclude(report, given.report)


if __name__ == "__main__":
    # By its own name: a spawned process finds nothing in `__main__`.
    from proofs.audit_tamper.__main__ import main

    sys.exit(main())
