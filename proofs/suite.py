"""Runs proofs side by side, each a process of its own, and puts their reports into one table."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofs.catalogue import Proof, Size
from proofs.report import PROOF, Words, say

ROOT = Path(__file__).resolve().parent.parent
_PROGRESS_EVERY = 30.0
_NO_REPORT = "ended without a report"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one proof."""

    proof: Proof
    size: Size
    command: str
    seconds: float
    report: dict[str, Any] | None
    """None: it ended without one."""
    last_words: str
    """The end of its output."""

    @property
    def name(self) -> str:
        """The name under which its report is kept: a long run stands beside the full one."""
        return f"{self.proof.name}-long" if self.size is Size.LONG else self.proof.name

    @property
    def holds(self) -> bool:
        """Whether it ended with a report that holds."""
        return self.report is not None and self.report["holds"] is True


async def run(
    proofs: Sequence[Proof],
    scratch: Path,
    *,
    lanes: int,
    size: Size,
    keep: Callable[[Outcome], None] = lambda _: None,
    words: Words = PROOF,
) -> list[Outcome]:
    """Run the proofs that have this size, `lanes` at a time, and return what became of them in the order given.

    Those that take long begin first, so that no lane is left with one; those that measure time come last, alone.
    `keep` is told of each as it ends: a run that is broken off loses nothing of what it has found.
    """
    turns = asyncio.Semaphore(lanes)

    async def ended(proof: Proof) -> Outcome:
        outcome = await _run(proof, scratch, size, words)
        keep(outcome)
        return outcome

    async def one(proof: Proof) -> Outcome:
        async with turns:
            return await ended(proof)

    proofs = [proof for proof in proofs if proof.arguments(size) is not None]
    together = sorted((proof for proof in proofs if not proof.is_alone), key=lambda proof: -proof.minutes)
    found = dict(zip(together, await asyncio.gather(*map(one, together)), strict=True))
    for proof in proofs:
        if proof.is_alone:
            found[proof] = await ended(proof)
    return [found[proof] for proof in proofs]


async def _run(proof: Proof, scratch: Path, size: Size, words: Words) -> Outcome:
    given = proof.arguments(size) or ()
    report, log = scratch / f"{proof.name}.json", scratch / f"{proof.name}.log"
    report.unlink(missing_ok=True)
    say(f"{proof.name}: started; its output is in {log}")
    began = time.monotonic()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", proof.module, *given, "--report", str(report),
            stdout=output, stderr=asyncio.subprocess.STDOUT, cwd=ROOT,
        )  # fmt: skip
        try:
            await _ended(process, proof, log)
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
    outcome = Outcome(
        proof,
        size,
        " ".join(("python -m", proof.module, *given)),
        time.monotonic() - began,
        json.loads(report.read_text(encoding="utf-8")) if report.exists() else None,
        _end_of(log, 2_000),
    )
    became = _NO_REPORT if outcome.report is None else words.kept if outcome.holds else words.broken
    say(f"{proof.name}: {became} after {outcome.seconds:.0f} s")
    if not outcome.holds:
        say(f"{outcome.last_words}\nagain: {outcome.command}")
    return outcome


async def _ended(process: asyncio.subprocess.Process, proof: Proof, log: Path) -> None:
    """Wait for the end, and say from time to time how far it is."""
    while True:
        try:
            await asyncio.wait_for(process.wait(), _PROGRESS_EVERY)
        except TimeoutError:
            say(f"{proof.name}: {_end_of(log, 200).splitlines()[-1]}")
        else:
            return


def _end_of(log: Path, length: int) -> str:
    return log.read_text(encoding="utf-8", errors="replace").rstrip()[-length:] or "it said nothing yet"


def summary(outcomes: Sequence[Outcome], words: Words = PROOF) -> str:
    """Return the table that a person reads at the end, as Markdown."""
    lines = [f"| {words.one} | {words.asked} | figures | minutes | {words.kept} |", "|---|---|---|---|---|"]
    for one in outcomes:
        report = one.report or {"promise": _NO_REPORT, "figures": []}
        figures = "; ".join(f"{figure['name']}: {figure['value']}" for figure in report["figures"])
        lines.append(
            f"| {one.name} | {report['promise']} | {figures} | {one.seconds / 60:.1f} "
            f"| {'yes' if one.holds else '**no**'} |"
        )
    return "\n".join(lines)
