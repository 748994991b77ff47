"""Poison at each entrance: refused with a code or handled, nothing forbidden is stored, and neighbours do not notice.

A catalogue of kinds (`kinds.py`) is sent to a served API on PostgreSQL, byte by byte, as chat, as an alert, as a
proposal, as headers and as addresses; the same kinds go through the reader of a model's answers. The database tells
afterwards that what was promised is stored, once, and nothing else. Then a well-behaved caller is measured beside
company that sends ordinary requests and beside company that sends poison, in turns.

    python -m proofs.hostile --rounds 12 --seconds 4 [--only "chat: text nul in the text"]

Nothing is drawn: the same catalogue is sent each time, in the same order.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proofs.hostile import model, neighbours
from proofs.hostile.judge import ids_in, is_below_the_application, of_answer, of_store
from proofs.hostile.neighbours import Round
from proofs.hostile.poison import ALERT, API, CHAT, Poison, caller_at, everything, kinds_at
from proofs.hostile.wire import send
from proofs.report import Figure, Report, Stopwatch, arguments, at_least, at_most, exactly, told
from proofs.served_api import ServedApi, served_api
from proofs.workplace import workplace

KINDS = 200
"""Wanted at each entrance."""
GROWTH = 1.10
"""The most by which the p95 of neighbours may grow."""
ENOUGH_ROUNDS = 5
"""Fewer say more about what else the machine did: then the growth is told, and not judged."""
_COMPANY = 0.25
"""Share of the company's pace that must come to an end in each half of a round."""
_GROWN = "p95 of neighbours beside poison, times that beside as many ordinary requests"
_SENDERS = 4


@dataclass(slots=True)
class Found:
    """What came of the poison."""

    sent: list[Poison] = field(default_factory=list)
    handled: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By reason code."""
    below: int = 0
    """Refused by the HTTP server, before there was a request."""
    promised: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


async def poisoned(api: ServedApi, calls: Sequence[Poison]) -> Found:
    """Send every call, a few at a time; judge the answers, then the store and the log."""
    found, watch, waiting = Found(), Stopwatch(len(calls), "calls"), iter(calls)
    secrets = (*api.tokens.values(), api.database_url)

    async def sender() -> None:
        for one in waiting:
            await _one(api, one, secrets, found)
            watch.at(len(found.sent))

    await asyncio.gather(*(sender() for _ in range(_SENDERS)))
    found.faults += await of_store(api, found.promised)
    written = await asyncio.to_thread(api.log.read_text, errors="replace")
    found.faults += [f"the log holds {what}" for what in _in_log(written, secrets)]
    return found


async def _one(api: ServedApi, poison: Poison, secrets: Sequence[str], found: Found) -> None:
    again = f'--only "{poison.name}"'
    try:
        answer = await send(api.url, poison, api.tokens[caller_at(poison.entrance)])
    except TimeoutError:
        found.sent.append(poison)
        found.faults.append(f"{again}: no answer")
        return
    found.sent.append(poison)
    found.faults += [f"{again}: {fault}" for fault in of_answer(poison, answer, secrets)]
    found.promised |= ids_in(answer)
    if is_below_the_application(poison, answer):
        found.below += 1
    elif answer.status < 300:
        found.handled += 1
    else:
        found.refused[str(answer.document().get("reason_code"))] += 1


def _in_log(written: str, secrets: Sequence[str]) -> list[str]:
    marks = ("internal error", "Traceback", "Exception in ASGI", *secrets)
    return [mark if mark not in secrets else "a secret" for mark in marks if mark in written]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The whole proof."""

    found: Found
    model: tuple[int, int, list[str]]
    rounds: list[Round]
    seconds: float
    """Of each half of a round."""
    is_whole: bool = True
    """Whether all of the catalogue was sent."""

    def figures(self) -> tuple[Figure, ...]:
        """Return what the report shows."""
        answers, kinds, _ = self.model
        growth = neighbours.growth(self.rounds) if self.rounds else float("inf")
        wanted = KINDS if self.is_whole else 0
        return (
            *(
                at_least(f"kinds at {one}", kinds_at(one, self.found.sent), wanted)
                for one in (CHAT, ALERT, API)
            ),
            at_least("kinds in a model's answer", kinds, KINDS),
            told("calls", len(self.found.sent)),
            told("answers of a model", answers),
            told("handled, and stored once", self.found.handled),
            told("refused", ", ".join(f"{code}: {n:,}" for code, n in self.found.refused.most_common())),
            told("refused by the HTTP server, as no HTTP", self.found.below),
            exactly("server errors, hangs, leaks, and forbidden things stored", len(self.faults()), 0),
            at_most(_GROWN, growth, GROWTH)
            if len(self.rounds) >= ENOUGH_ROUNDS
            else told(_GROWN, f"{growth:.4g}"),
            told("p95 of neighbours, ms", _medians(self.rounds)),
            at_least(
                "calls beside neighbours that came to an end, in the half with fewest",
                min((one.ended for one in self.rounds), default=0),
                int(_COMPANY * self.seconds / neighbours.PACE) if self.rounds else 0,
            ),
        )

    def faults(self) -> list[str]:
        """Return everything that is not as it must be."""
        return [*self.found.faults, *self.model[2]]


def _medians(measured: Sequence[Round]) -> str:
    ordinary, poison = sorted(one.ordinary for one in measured), sorted(one.poison for one in measured)
    middle = len(measured) // 2
    return f"{ordinary[middle]:.1f} and {poison[middle]:.1f}" if measured else "not measured"


async def prove(directory: Path, rounds: int, seconds: float, only: str | None) -> Outcome:
    """Send everything, then measure."""
    calls = [one for one in everything() if only in (None, one.name)]
    async with served_api(directory) as api:
        found = await poisoned(api, calls)
        measured = [] if only else await neighbours.rounds(api, rounds, seconds)
    return Outcome(found, await model.judged(), measured, seconds, is_whole=only is None)


def main() -> int:
    """Read the arguments and prove."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="pairs of measured rounds")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each half of a round")
    parser.add_argument("--only", metavar="NAME", help="one call, by the name that a fault gives it")
    given = parser.parse_args()
    began = time.monotonic()
    with workplace("hostile") as place:
        outcome = asyncio.run(prove(place.directory, given.rounds, given.seconds, given.only))
        report = Report(
            promise="Poison at any entrance is refused or handled, changes nothing, and slows nobody else (I5, I9).",
            figures=outcome.figures(),
            faults=outcome.faults(),
            again=f"python -m proofs.hostile --rounds {given.rounds} --seconds {given.seconds:g}",
            seconds=time.monotonic() - began,
        )
        return place.conclude(report, given.report)


if __name__ == "__main__":
    sys.exit(main())
