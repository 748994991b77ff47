"""Fuzzed outputs of a language model through the reader that the planner uses: nothing forbidden becomes a proposal.

Most are valid outputs that were damaged, in their structure or their text; some are grown from a grammar; the rest
come from a model that is hostile, as streams of chunks, from which the reply is assembled as it is from a real one's.
Each goes the real way: planner, tools under a provider that notes what it is asked, drafts of proposals, and the
guardrail that knows targets and limits.
`judge.py` reads the same text with another, strict reader and says what may become of it.

    python -m proofs.llm_fuzz --outputs 1000000 --hostile 100000 [--seed 1] [--only hostile/17]

An output is replayed by its seed and its name.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from contracts.errors import ModelRefused, ModelUnavailable
from contracts.ports import ModelReply
from contracts.request import Refused
from proofs.llm_fuzz import ground, hostile_model, mutation
from proofs.llm_fuzz.judge import faults
from proofs.llm_fuzz.rig import Rig, Taken, assembled
from proofs.report import Report, Stopwatch, arguments, at_least, conclude, exactly, say, told
from proofs.spread import spread

BATCH = 2_000
MAX_FAULTS = 20
"""Faults that are kept of a batch; the rest is counted."""
_PRIMES = {"damaged": 1_000_003, "grown": 1_000_033, "hostile": 1_000_037}


@dataclass(slots=True)
class Found:
    """What became of some outputs."""

    outputs: Counter[str] = field(default_factory=Counter)
    """By family."""
    ends: Counter[str] = field(default_factory=Counter)
    """By outcome, reason code, or verdict on a proposal."""
    replies: set[bytes] = field(default_factory=set)
    """Hashes of the replies that outputs came to: some are drawn more than once."""
    faults: list[str] = field(default_factory=list)
    fault_count: int = 0

    def add(self, other: Found) -> None:
        """Take another's counts."""
        self.outputs += other.outputs
        self.ends += other.ends
        self.replies |= other.replies
        self.faults += other.faults[: MAX_FAULTS - len(self.faults)]
        self.fault_count += other.fault_count


@dataclass(frozen=True, slots=True)
class Batch:
    """Some outputs of one family, by number."""

    family: str
    seed: int
    numbers: range


def reply_of(family: str, seed: int, number: int) -> ModelReply:
    """Return one output as the reply that the planner is given.

    Raises:
        ModelRefused, ModelUnavailable: the adapter makes none of it.
    """
    chance = random.Random(seed * _PRIMES[family] + number)  # noqa: S311  replayable, no secret
    if family == "hostile":
        return assembled(hostile_model.chunks(chance))
    calls = mutation.mutated(chance) if family == "damaged" else mutation.grown(chance)
    try:
        return ground.as_reply(calls)
    except ValueError as error:
        raise ModelRefused("no reply") from error


async def run(batch: Batch, rig: Rig) -> Found:
    """Send every output of a batch its way, and judge each."""
    found = Found()
    for number in batch.numbers:
        found.outputs[batch.family] += 1
        for fault in await _one(batch, number, rig, found):
            found.fault_count += 1
            if len(found.faults) < MAX_FAULTS:
                found.faults.append(f"--seed {batch.seed} --only {batch.family}/{number}: {fault}")
    return found


async def _one(batch: Batch, number: int, rig: Rig, found: Found) -> list[str]:
    try:
        reply = reply_of(batch.family, batch.seed, number)
    except (ModelRefused, ModelUnavailable) as error:
        found.ends[error.reason_code] += 1
        return []
    except Exception as error:  # noqa: BLE001  whatever it is, it is not the typed refusal
        return [f"the assembly raised {_named(error)}"]
    found.replies.add(hashlib.blake2b(repr(reply).encode("utf-8", "surrogatepass"), digest_size=8).digest())
    try:
        taken = await rig.take(reply)
    except Exception as error:  # noqa: BLE001  as above
        return [f"raised {_named(error)}"]
    found.ends.update(_ends_of(taken))
    return faults(reply, taken)


def _named(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {where.name}, line {where.lineno}"


def _ends_of(taken: Taken) -> Iterator[str]:
    if taken.result is None:
        yield "reads"
        return
    outcome = taken.result.outcome
    yield outcome.reason_code if isinstance(outcome, Refused) else outcome.outcome
    for _, verdict in taken.drafts:
        yield f"drafts: {verdict.outcome.value}"


def batches(counts: dict[str, int], seed: int) -> list[Batch]:
    """Return all work in pieces, families mixed."""
    pieces = [
        Batch(family, seed, range(first, min(first + BATCH, count)))
        for family, count in counts.items()
        for first in range(0, count, BATCH)
    ]
    return sorted(pieces, key=lambda one: one.numbers.start / counts[one.family])


def work(batch: Batch) -> Found:
    """Run a batch in a process of its own."""
    return asyncio.run(run(batch, Rig()))


def prove(pieces: list[Batch], jobs: int) -> Found:
    """Run everything, `jobs` processes at a time."""
    found, done = Found(), 0
    watch = Stopwatch(sum(len(one.numbers) for one in pieces), "outputs")
    for one in spread(work, pieces, jobs):
        found.add(one)
        done += sum(one.outputs.values())
        watch.at(done)
    return found


def _show(seed: int, only: str) -> int:
    """Print one output and what is wrong with it."""
    family, _, number = only.partition("/")
    say(repr(_said(family, seed, int(number))))
    found = work(Batch(family, seed, range(int(number), int(number) + 1)))
    for line in (*found.ends, *found.faults):
        say(line)
    return 1 if found.fault_count else 0


def _said(family: str, seed: int, number: int) -> object:
    try:
        return reply_of(family, seed, number)
    except Exception as error:  # noqa: BLE001  told to whoever replays it
        return error


def main() -> int:
    """Read the arguments and prove."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--outputs", type=int, default=1_000_000, help="damaged ones, and a fifth of them grown"
    )
    parser.add_argument("--hostile", type=int, default=100_000, help="streams of a hostile model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--only", metavar="FAMILY/NUMBER", help="one output, shown")
    given = parser.parse_args()
    if given.only:
        return _show(given.seed, given.only)
    began, grown = time.monotonic(), given.outputs // 5
    counts = {"damaged": given.outputs - grown, "grown": grown, "hostile": given.hostile}
    found = prove(batches(counts, given.seed), given.jobs)
    arrived = sum(count for end, count in found.ends.items() if end.startswith("drafts: "))
    report = Report(
        promise="Whatever a model says, only typed, registered actions within their limits get past it (I2).",
        figures=(
            exactly("fuzzed outputs", found.outputs["damaged"] + found.outputs["grown"], given.outputs),
            exactly("answers of a hostile model", found.outputs["hostile"], given.hostile),
            told("different replies among them", len(found.replies)),
            exactly("forbidden actions, and errors that are no refusal", found.fault_count, 0),
            at_least("proposals among them that were judged", arrived, max(1, given.outputs // 20)),
            *(told(f"ended: {end}", count) for end, count in found.ends.most_common()),
        ),
        faults=found.faults,
        again=f"python -m proofs.llm_fuzz --outputs {given.outputs} --hostile {given.hostile} --seed {given.seed}",
        seconds=time.monotonic() - began,
    )
    return conclude(report, given.report)


if __name__ == "__main__":
    # By its own name: a spawned process finds nothing in `__main__`.
    from proofs.llm_fuzz.__main__ import main

    sys.exit(main())
