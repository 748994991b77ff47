"""AUDIT: verifies the whole log on request, in this process: the export's own lines through `adapters/audit/verify.py`.

It answers "is what the database holds what was signed?" for somebody who looks at a screen. Who does not trust this
server verifies the export on their own machine (docs/how-to/verify-the-audit-log.md).
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from adapters.audit.checkpoint import CheckpointInvalid, CheckpointKey
from adapters.audit.checkpoint import verify as verify_note
from adapters.audit.export import read_entry
from adapters.audit.signatures import DecisionSignatures
from adapters.audit.verify import Fault, FaultKind, Report, verify_export
from api.audit import wording
from api.audit.schemas import FaultView, RunStatus, SignedDecisions, VerificationView
from api.problems import Problem
from contracts.base import new_id, utc_now
from contracts.errors import SluiceError

KEPT_RUNS = 20
"""Results that are remembered; the oldest is forgotten first."""
LONGEST = timedelta(minutes=10)
SHOWN_FAULTS = 20
_LINES = 500
"""Lines handed to the thread at once."""
_log = structlog.get_logger(__name__)

_FAULTS: Mapping[FaultKind, str] = {
    FaultKind.FLIPPED: "{it} was changed after it was written: its content does not give its hash.",
    FaultKind.MISSING: "{it} is missing.",
    FaultKind.SWAPPED: "{it} does not stand where it was written.",
    FaultKind.EXTRA: "{it} was put in: it does not belong there.",
    FaultKind.TRUNCATED: "The log ends too early: entries that the kept checkpoint covers are gone.",
    FaultKind.BAD_SIGNATURE: "A checkpoint of the log is signed by no key that this server knows.",
    FaultKind.CHECKPOINT_MISMATCH: "{it} or one after it was rewritten together with its hash: the entries do not "
    "give the root that was signed.",
}


class TookTooLong(SluiceError):
    """The log could not be verified here in the time there is."""

    reason_code = "verification_too_long"


@dataclass(frozen=True, slots=True)
class Source:
    """What a run verifies: how many entries, the signed note over them, and the lines of the export."""

    size: int
    note: str
    lines: AsyncIterator[bytes]


@dataclass(slots=True)
class _Run:
    id: str
    started_at: datetime
    began: float
    kept: str | None
    signatures: DecisionSignatures
    status: RunStatus = RunStatus.RUNNING
    ended: float | None = None
    entries: int = 0
    size: int | None = None
    note: str | None = None
    report: Report | None = None
    reason_code: str | None = None

    @property
    def seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.began


class Verifications:
    """The verifications of this process, one at a time. Results stay until `KEPT_RUNS` newer ones came."""

    def __init__(
        self,
        open_source: Callable[[], Awaitable[Source]],
        key: CheckpointKey,
        public_keys: Mapping[str, str],
        *,
        former_keys: Collection[CheckpointKey] = (),
        longest: timedelta = LONGEST,
    ) -> None:
        """`open_source` brings the log up to date; `public_keys` verify decisions.

        `key` signs checkpoints, `former_keys` did before it: what either signed is believed.
        """
        self._open_source = open_source
        self._key = key
        self._known = (key, *former_keys)
        self._public_keys = public_keys
        self._longest = longest.total_seconds()
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def start(self, kept: str | None = None) -> VerificationView:
        """Start a run, or join the one that is under way.

        Raises:
            Problem: 422, the kept checkpoint is none or signed by no key of the log; 409, another one is
                being verified against.
        """
        if kept is not None:
            try:
                verify_note(kept, self._known)
            except CheckpointInvalid as error:
                raise Problem(422, "checkpoint_invalid", f"The kept checkpoint: {error}.") from error
        running = next((run for run in self._runs.values() if run.status is RunStatus.RUNNING), None)
        if running is None:
            return self._view(self._begin(kept))
        if running.kept != kept:
            told = "Another verification is under way, against another checkpoint. Wait for it to end."
            raise Problem(409, "verification_running", told, verification_id=running.id)
        return self._view(running)

    def find(self, run_id: str) -> VerificationView | None:
        """Return a run of this process, or None."""
        run = self._runs.get(run_id)
        return None if run is None else self._view(run)

    def newest(self) -> VerificationView | None:
        """Return the run that was started last, or None."""
        return self._view(next(reversed(self._runs.values()))) if self._runs else None

    def _begin(self, kept: str | None) -> _Run:
        signatures = DecisionSignatures(self._public_keys)
        run = _Run(new_id("ver"), utc_now(), time.monotonic(), kept, signatures)
        self._runs[run.id] = run
        while len(self._runs) > KEPT_RUNS:
            self._runs.popitem(last=False)
        self._task = asyncio.create_task(self._verify(run))
        return run

    async def _verify(self, run: _Run) -> None:
        try:
            source = await self._open_source()
            run.size, run.note = source.size, source.note
            loop = asyncio.get_running_loop()
            run.report = await asyncio.to_thread(self._read, run, source, loop)
            signed = run.signatures.invalid == 0
            run.status = RunStatus.SOUND if run.report.is_sound and signed else RunStatus.FAULTY
        except SluiceError as error:
            run.status, run.reason_code = RunStatus.FAILED, error.reason_code
        except Exception:  # noqa: BLE001 -- whatever it was, the run has to end
            _log.exception("a verification failed", verification=run.id)
            run.status, run.reason_code = RunStatus.FAILED, "internal_error"
        finally:
            run.ended = time.monotonic()
            if run.status is RunStatus.RUNNING:
                run.status, run.reason_code = RunStatus.FAILED, "verification_stopped"

    def _read(self, run: _Run, source: Source, loop: asyncio.AbstractEventLoop) -> Report:
        """In a thread of its own: hashing is work for a processor, and must not hold up the loop."""
        lines = run.signatures.watch(self._lines(run, source, loop))
        return verify_export(lines, self._known, run.kept)

    def _lines(self, run: _Run, source: Source, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
        while True:
            if run.seconds > self._longest:
                raise TookTooLong("the log is too long to be verified here")
            # The thread waits for the loop, so memory never holds more than one batch.
            batch = asyncio.run_coroutine_threadsafe(_take(source.lines, _LINES), loop).result()
            yield from batch
            run.entries += sum(read_entry(line) is not None for line in batch)
            if len(batch) < _LINES:
                return

    def _view(self, run: _Run) -> VerificationView:
        report, signatures = run.report, run.signatures
        checkpoint = report.checkpoint if report else None
        decisions = SignedDecisions(
            valid=signatures.valid,
            invalid=signatures.invalid,
            unknown_key=signatures.unknown_key,
            invalid_numbers=tuple(signatures.invalid_numbers),
        )
        return VerificationView(
            id=run.id,
            status=run.status,
            started_at=run.started_at,
            seconds=round(run.seconds, 3),
            events_checked=report.entries if report else run.entries,
            tree_size=run.size,
            proved_size=report.proved_size if report else None,
            root_hash=base64.b64encode(checkpoint.root).decode() if checkpoint else None,
            checkpoint=run.note if run.status is RunStatus.SOUND else None,
            verifier_key=self._key.encode(),
            tail=report.tail if report else None,
            is_anchored=report.is_anchored if report and run.kept else None,
            decisions=decisions if report else None,
            fault_count=report.fault_count if report else 0,
            faults=tuple(_fault(one) for one in report.faults[:SHOWN_FAULTS]) if report else (),
            reason_code=run.reason_code,
            message=_message(run),
        )


async def _take(lines: AsyncIterator[bytes], limit: int) -> list[bytes]:
    taken: list[bytes] = []
    async for line in lines:
        taken.append(line)
        if len(taken) == limit:
            break
    return taken


def _fault(found: Fault) -> FaultView:
    it = f"Event {found.number}" if found.number is not None else f"Line {found.line} of the log"
    message = _FAULTS[found.kind].format(it=it)
    return FaultView(kind=found.kind, number=found.number, line=found.line, message=message)


def _message(run: _Run) -> str:
    match run.status, run.report:
        case RunStatus.RUNNING, _:
            return "The log is being verified."
        case RunStatus.SOUND, Report() as report:
            entries = wording.count(report.proved_size, "event")
            return f"The log is what was signed: {entries} proved, none changed, missing or put in."
        case RunStatus.FAULTY, Report(faults=(first, *_)):
            return f"The log is not what was signed. {_fault(first).message}"
        case RunStatus.FAULTY, _:
            number = run.signatures.invalid_numbers[0]
            return f"The tree is whole, and the decision in event {number} is not signed by a key of this system."
        case _, _:
            return (
                f"It could not be verified to its end ({run.reason_code}). That says nothing about the log."
            )
