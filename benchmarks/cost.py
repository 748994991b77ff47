"""What does one proposal cost: events, billable actions, rows, bytes, processor time? `make bench-cost`.

Runs proposals of four kinds one after the other, on Sluice over a real Temporal server: one approval, approved by
nobody, denied, rolled back after a stock-out. Events and actions are exact and asserted by tests, too
(docs/reference/workflow-cost.md); rows and bytes are counted in the database before and after.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import asyncpg

from benchmarks.floor.calm import settle
from benchmarks.floor.ground import BenchGround
from benchmarks.floor.load import PATH
from benchmarks.floor.processor import spent
from benchmarks.floor.sluice import Sluice, sluice_alone
from benchmarks.report import Bar, Chart, Figure, Result, Spread, arguments, at_most, conclude, say, told
from contracts.messages import proposal_workflow_id
from emulators.gke.faults import FaultKind
from tests.e2e.practice_ground import DEVELOPMENT, PRODUCTION, Place
from tests.history_cost import Cost, cost_of

FULL, QUICK = 5, 2
"""Proposals of each kind in a round."""
ROUNDS = 3
MOST_EVENTS, MOST_ACTIONS = 30, 7
KINDS = ("one approval", "approved by nobody", "denied", "rolled back")
_TOO_MANY = 11
"""Nodes per zone: one more than the targets allow."""
SETTLES_WITHIN = 1.5
"""Seconds until the last outbox rows and numbers of the audit log are written."""


@dataclass(frozen=True)
class Paid:
    """What one kind of proposal costs, on average where it is not exact."""

    history: Cost
    rows: Mapping[str, float]
    """Table → rows; those that stay at zero are left out."""
    row_bytes: float
    disk_bytes: float
    """Growth of the database's files, indexes included; whole pages."""
    processor_ms: Mapping[str, float]
    spread: Spread | None = None
    """Of the processor time of the path, round by round."""

    @classmethod
    def on_average(cls, rounds: Sequence[Paid]) -> Self:
        """Return what a kind costs by several rounds of as many proposals each: of processor time the medians."""
        tables = {name: None for one in rounds for name in one.rows}
        return cls(
            history=rounds[-1].history,
            rows={name: statistics.mean(one.rows.get(name, 0.0) for one in rounds) for name in tables},
            row_bytes=statistics.mean(one.row_bytes for one in rounds),
            disk_bytes=statistics.mean(one.disk_bytes for one in rounds),
            processor_ms={
                role: statistics.median(one.processor_ms[role] for one in rounds)
                for role in rounds[-1].processor_ms
            },
            spread=Spread.of([one.path_ms for one in rounds]),
        )

    @property
    def path_ms(self) -> float:
        """Processor time of the path, without the API."""
        return sum(self.processor_ms[role] for role in PATH)

    @property
    def processor_text(self) -> str:
        """The processor time of the path and what it is made of, then what stands beside it."""
        path, beside = (
            ", ".join(
                f"{role} {ms:.0f}" for role, ms in self.processor_ms.items() if (role in PATH) is wanted
            )
            for wanted in (True, False)
        )
        whole = f"{self.path_ms:.0f}" if self.spread is None else self.spread.text()
        return f"{whole}: {path}; beside: {beside}"


def each_ms(used: Mapping[str, float], idle: Mapping[str, float], count: int) -> dict[str, float]:
    """Return milliseconds of each role per proposal: seconds used, less those that as long a pause uses by itself."""
    return {role: 1_000 * max(0.0, used[role] - idle[role]) / count for role in used}


def _since(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    return {role: now[role] - before[role] for role in now}


async def pay(sluice: Sluice, kind: str, place: Place, count: int) -> Paid:
    """Run `count` proposals of a kind, one after the other, and count what they left behind.

    Raises:
        RuntimeError: one came to another end, or a process that is measured ended.
    """
    roles = sluice.roles
    await _one(sluice, kind, place, 0)
    await asyncio.sleep(SETTLES_WITHIN)
    quiet = spent(roles)
    await asyncio.sleep(SETTLES_WITHIN)
    idle = _since(quiet, spent(roles))
    before, sizes, busy = await _rows(sluice.pool), await _sizes(sluice.pool), spent(roles)
    for number in range(1, count + 1):
        last = await _one(sluice, kind, place, number)
    await asyncio.sleep(SETTLES_WITHIN)
    used = _since(busy, spent(roles))
    after, grown = await _rows(sluice.pool), await _sizes(sluice.pool)
    handle = sluice.client.get_workflow_handle(proposal_workflow_id(last))
    return Paid(
        history=await cost_of(handle),
        rows={name: (after[name] - before[name]) / count for name in after if after[name] != before[name]},
        row_bytes=(grown[0] - sizes[0]) / count,
        disk_bytes=(grown[1] - sizes[1]) / count,
        processor_ms=each_ms(used, idle, count),
    )


async def _one(sluice: Sluice, kind: str, place: Place, number: int) -> str:
    nodes = 2 + number % 2
    if kind == "denied":
        nodes = _TOO_MANY
    if kind == "rolled back":
        where = {"cluster": place.name, "node_pool": "web"}
        await sluice.emulator.admin.add_fault(
            "SetNodePoolSize", FaultKind.STOCKOUT, recovers_after=0.5, **where
        )
        nodes = 4 + number % 2
    proposal_id = await sluice.propose(place, nodes)
    if kind in ("one approval", "rolled back"):
        await sluice.judged(proposal_id)
        await sluice.approve(proposal_id)
    ended = await sluice.state_after(proposal_id)
    wanted = {"denied": "denied", "rolled back": "rolled_back"}.get(kind, "succeeded")
    if ended != wanted:
        raise RuntimeError(f"{proposal_id} ended as {ended}, not {wanted}")
    return proposal_id


async def _rows(pool: asyncpg.Pool) -> dict[str, int]:
    tables = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names = sorted(one["tablename"] for one in tables)
    return {name: await pool.fetchval(f'SELECT count(*) FROM "{name}"') for name in names}  # noqa: S608  the catalogue's


async def _sizes(pool: asyncpg.Pool) -> tuple[int, int]:
    """Return the bytes of all rows, and those of all files."""
    names = [
        one["tablename"]
        for one in await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ]
    rows = 0
    for name in names:
        rows += await pool.fetchval(f'SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM "{name}" t')  # noqa: S608
    return rows, await pool.fetchval("SELECT pg_database_size(current_database())")


async def pay_for_each(
    sluice: Sluice, places: Sequence[Place], alone: Place, count: int, rounds: int = ROUNDS
) -> dict[str, Paid]:
    """Return what each kind costs, at two places where one person approves and at one where nobody has to.

    Kinds take turns, every second round in the opposite order: what one leaves for Temporal to do weighs on the next.
    """
    plain, undone = places
    where = dict(zip(KINDS, (plain, alone, alone, undone), strict=True))
    found: dict[str, list[Paid]] = {kind: [] for kind in KINDS}
    for number in range(rounds):
        for kind in KINDS if number % 2 == 0 else reversed(KINDS):
            paid = await pay(sluice, kind, where[kind], count)
            found[kind].append(paid)
            say(f"round {number + 1} of {rounds}: {kind}: {paid.history}, {paid.path_ms:.0f} ms")
    return {kind: Paid.on_average(several) for kind, several in found.items()}


async def measure(count: int) -> dict[str, Paid]:
    """Do so on a server and a stack of its own."""
    ground = BenchGround(2, (PRODUCTION, DEVELOPMENT))
    async with sluice_alone(ground) as sluice:
        await settle([pid for pids in sluice.roles.values() for pid in pids])
        return await pay_for_each(sluice, ground.slots, ground.places(DEVELOPMENT)[0], count)


def figures(found: Mapping[str, Paid]) -> list[Figure]:
    """Return the limits of one approval, then every kind."""
    plain = found[KINDS[0]]
    lines = [
        at_most("one approval: history events", plain.history.events, MOST_EVENTS),
        at_most(
            "one approval: billable actions, heartbeats not counted", plain.history.actions, MOST_ACTIONS
        ),
    ]
    for kind, paid in found.items():
        if kind != KINDS[0]:
            counted = f"{paid.history.events} events, {paid.history.actions} actions"
            lines.append(told(f"{kind}: history", counted))
        tables = ", ".join(f"{name} {rows:.4g}" for name, rows in paid.rows.items())
        lines += [
            told(f"{kind}: rows", f"{sum(paid.rows.values()):.3g}: {tables}"),
            told(
                f"{kind}: KiB of rows, of files", f"{paid.row_bytes / 1024:.1f}, {paid.disk_bytes / 1024:.1f}"
            ),
            told(f"{kind}: processor ms", paid.processor_text),
        ]
    return lines


def result(found: Mapping[str, Paid], count: int, again: str, seconds: float) -> Result:
    """Return the report."""
    processor = [
        Bar(
            kind,
            paid.spread or Spread.of([paid.path_ms]),
            {role: paid.processor_ms[role] for role in PATH},
        )
        for kind, paid in found.items()
    ]
    size = [Bar(kind, Spread.of([paid.row_bytes / 1024])) for kind, paid in found.items()]
    events = [Bar(kind, Spread.of([float(paid.history.events)])) for kind, paid in found.items()]
    return Result(
        promise="What does one proposal cost?",
        figures=figures(found),
        again=again,
        seconds=seconds,
        charts=(
            Chart("processor", "Processor time per proposal, one in flight", "ms", processor),
            Chart("events", "Events of its history, stay below", "", events, MOST_EVENTS),
            Chart("rows", "What its rows weigh", "KiB", size),
        ),
        notes=(
            f"{ROUNDS} rounds of {count} proposals of each kind, one in flight. What idle processes use is in the "
            "processor time as long as proposals run, but not in the pause after the last one, which waits for its "
            "last rows.",
            f"Of {count} that succeed {-(-count // 2)} grow a pool and {count // 2} shrink it; what is denied or "
            "rolled back was to grow one.",
            "No model takes part once a proposal exists, so no tokens are counted. What planning a request costs "
            "depends on the model, and is kept per request.",
        ),
    )


def main() -> int:
    """Read the arguments and measure."""
    parser = arguments(__doc__, quick="two of each in a round")
    given = parser.parse_args()
    began = time.monotonic()
    count = QUICK if given.quick else FULL
    found = asyncio.run(measure(count))
    again = "python -m benchmarks.cost" + (" --quick" if given.quick else "")
    return conclude(result(found, count, again, time.monotonic() - began), given)


if __name__ == "__main__":
    sys.exit(main())
