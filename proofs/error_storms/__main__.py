"""Storms of 429 and 503: `make proof-errors` lets the provider and the model refuse everything under a steady demand.

Before that the provider refuses only changes: one of twelve calls at first, which opens no breaker, and then all.
Judged by the log of the emulator and of the model's endpoint: while they refuse, no more arrives than in calm times
(amplification at most 1.1, what the breakers hold back counted as demand); afterwards all that was held succeeds, and
comes without a herd (at most twice the steady rate in any fifteen seconds); and nobody asks the model again before its
Retry-After.

    python -m proofs.error_storms [--storm 30] [--only 429]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from proofs.error_storms import retries
from proofs.error_storms.course import RETRY_AFTER, Met, Refusal, Storm, ground_for, weather_over
from proofs.error_storms.judging import LARGEST_PEAK, MOST_AMPLIFIED, Weather, impatient, weather
from proofs.error_storms.retries import Retried
from proofs.report import Figure, Report, arguments, at_least, at_most, exactly, say, told
from proofs.workplace import workplace


def storm_of(refusal: Refusal, lasts: float, *, only_effects: bool = False) -> Storm:
    """Return a storm of so many seconds, with calm before and after it."""
    return Storm(
        refusal,
        proposals_per_second=0.25,
        approvals_per_second=0.5,
        requests_per_second=1.0,
        calm=30,
        storm=lasts,
        after=25,
        only_effects=only_effects,
    )


def storms_of(kinds: Sequence[Refusal], lasts: float) -> list[Storm]:
    """Return all storms, those in which everything is refused last."""
    return [storm_of(kind, lasts, only_effects=only) for only in (True, False) for kind in kinds]


def faults(met: Met) -> list[str]:
    """Return what one storm shows to be not as promised."""
    found = [f"{met.storm}: {what}" for what in impatient(met.asked, RETRY_AFTER)]
    for name, arrived in _endpoints(met):
        found += [f"{met.storm}: {what}" for what in weather(arrived, met.phases).faults(name)]
    return found + [f"{met.storm}: {one} was held and {end}" for one, end in met.not_made.items()]


def _endpoints(met: Met) -> tuple[tuple[str, Sequence[float]], ...]:
    if met.storm.only_effects:
        return (("effects while only they are refused", met.effects),)
    return ("the provider", met.provider), ("the provider's effects", met.effects), ("the model", met.model)


def figures(met: Sequence[Met]) -> Iterable[Figure]:
    """Return the worst of all storms."""
    seen: dict[str, list[Weather]] = {}
    for one in met:
        for name, arrived in _endpoints(one):
            seen.setdefault(name, []).append(weather(arrived, one.phases))
    for name, found in seen.items():
        yield at_most(f"amplification, {name}", max(one.amplification for one in found), MOST_AMPLIFIED)
        yield at_most(
            f"peak after the storm, {name}", max(one.peak for one in found), LARGEST_PEAK, "× steady"
        )
        least = min(found, key=lambda one: one.peak)
        yield at_least(f"calls in the least of these peaks, {name}", least.in_peak, least.least_in_peak)
    yield _in_each_storm("refusals of the provider", [one.refused for one in met])
    yield _in_each_storm("changes that a breaker held back", [len(one.held) for one in met])
    held = sum(len(one.held) for one in met)
    yield exactly("of these, succeeded", held - sum(len(one.not_made) for one in met), held)
    whole = [one for one in met if not one.storm.only_effects]
    asked = [sum(was for made in one.asked.values() for _, was in made) for one in whole]
    yield _in_each_storm("refusals of the model with Retry-After", asked)
    early = sum(len(impatient(one.asked, RETRY_AFTER)) for one in whole)
    yield exactly("calls of the model before Retry-After", early, 0)
    ends = sum((one.ends for one in met[-1:]), Counter[str]())
    yield from (told(state, number) for state, number in sorted(ends.items()))


def _in_each_storm(what: str, counted: Sequence[int]) -> Figure:
    """Return the least of all storms: one that met nobody shows nothing."""
    return at_least(f"{what}, in each storm", min(counted), 1)


async def prove(directory: Path, storms: Sequence[Storm]) -> tuple[Retried, list[Met]]:
    """Refuse effects now and then, then run the storms one after the other, all on one stack."""
    async with ground_for(directory, storms, retries.CHANGES) as (stack, model):
        retried = await retries.now_and_then(stack)
        say(f"now and then: {retried}")
        return retried, [await weather_over(stack, model, storm) for storm in storms]


def main() -> int:
    """Let it storm, and say what arrived."""
    parser = arguments(__doc__)
    parser.add_argument("--storm", type=float, default=30.0, help="seconds of each storm")
    parser.add_argument("--only", type=Refusal, choices=list(Refusal), help="one kind of refusal")
    given = parser.parse_args()
    began = time.monotonic()
    kinds = [given.only] if given.only else list(Refusal)
    with workplace("weather") as place:
        retried, met = asyncio.run(prove(place.directory, storms_of(kinds, given.storm)))
        for one in met:
            for name, arrived in _endpoints(one):
                say(f"{one.storm}: {name}: {weather(arrived, one.phases)}")
            say(f"{one.storm}: {dict(one.ends)} {dict(one.answers)}")
        again = f"python -m proofs.error_storms --storm {given.storm:g}"
        report = Report(
            promise=(
                "While the provider or the model refuses everything, or the provider only what changes something, no "
                "more arrives there than in calm times, and afterwards all that was held is done, without a herd."
            ),
            figures=(*retried.figures(), *figures(met)),
            faults=[fault for one in met for fault in faults(one)],
            again=f"{again} --only {given.only}" if given.only else again,
            seconds=time.monotonic() - began,
        )
        return place.conclude(report, given.report)


if __name__ == "__main__":
    sys.exit(main())
