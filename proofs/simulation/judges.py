"""What the judges say of a batch of seeds: each by its own rows and its own log, all together by the audit log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy.engine import Row

from adapters.audit.verify import verify_export
from adapters.store.database import Database
from adapters.store.ledger import verify
from api.audit.service import export
from api.parts import ApiParts
from contracts.audit import AuditType
from proofs.judgement import (
    approvals,
    ballots,
    changes,
    deadlines,
    effects,
    endings,
    halts,
    log,
    money,
    records,
    reservations,
)
from proofs.judgement.deadlines import DatabaseClock, Given
from proofs.judgement.records import Records
from proofs.simulation.course import Course
from proofs.simulation.ground import CAPS, DECIDE_WITHIN, EXECUTE_WITHIN, PUBLIC_KEYS, TIMINGS
from proofs.simulation.provider import FIRST_SIZE

_T = TypeVar("_T")
_SLACK = TIMINGS.call_timeout + timedelta(seconds=1.1)
"""A call that began in time arrives within its time-out; the provider's clock is off by up to a second."""
_GIVEN = Given({}, DECIDE_WITHIN + EXECUTE_WITHIN + _SLACK, _SLACK)
_SCOPES = ("environment=production", "tenant")


@dataclass(frozen=True)
class Judged:
    """What became of a batch of seeds."""

    faults: Mapping[int, list[str]]
    """Seed → what is wrong with it; a fault of the whole audit log is the first seed's."""
    ends: Counter[str]
    """Of proposals, by state."""
    halts: int
    """That became effective."""


async def judge(
    database: Database, parts: ApiParts, courses: Sequence[Course], stopped: Sequence[Row[Any]]
) -> Judged:
    """Judge seeds by what they have left in the database. `stopped`: their halts, which are gone from there."""
    exported = b"".join([line async for line in await export(parts)])
    all_of = await records.read(database)
    async with database.reading() as connection:
        sums = {one.seed: await verify(connection, one.tenant) for one in courses}
    by_tenant, halts_of = _split(all_of), _grouped(stopped, lambda row: str(row.tenant))
    found = {
        one.seed: [
            *one.faults,
            *sums[one.seed],
            *_faults(one, by_tenant[one.tenant], halts_of.get(one.tenant, [])),
        ]
        for one in courses
    }
    if courses:
        found[courses[0].seed] += _of_log(all_of, exported, parts)
    return Judged(
        faults={seed: wrong for seed, wrong in found.items() if wrong},
        ends=Counter(str(row.state) for row in all_of.proposals),
        halts=sum(row.effective_at is not None for row in stopped),
    )


def _faults(course: Course, rows: Records, stopped: Sequence[Row[Any]]) -> Iterable[str]:
    yield from effects.faults(rows, course.calls)
    yield from _strangers(course, rows)
    yield from approvals.faults(rows, course.calls, PUBLIC_KEYS)
    yield from ballots.faults(rows, PUBLIC_KEYS)
    yield from money.faults(rows, dict.fromkeys(_SCOPES, CAPS[course.money]))
    yield from money.held_at_rest(rows)
    yield from reservations.faults(rows)
    yield from endings.faults(rows)
    yield from endings.lost(rows, course.told.values(), ())
    if len(rows.proposals) > course.asked:
        yield f"{course.asked} requests made {len(rows.proposals)} proposals"
    yield from effects.unpaged(rows)
    followed = changes.follow(rows, course.calls, dict.fromkeys(course.running, changes.size(FIRST_SIZE)))
    yield from followed.faults
    yield from followed.misplaced(
        {pool: [*map(changes.size, sizes)] for pool, sizes in course.running.items()}
    )
    yield from halts.faults(rows, course.calls, stopped)
    yield from deadlines.faults(rows, course.calls, DatabaseClock(), _GIVEN)
    yield from deadlines.early(rows)


def _strangers(course: Course, rows: Records) -> Iterable[str]:
    """The simulation knows who made each call; the database must not say otherwise."""
    for operation, key in effects.owners(rows).items():
        # What an outsider began right after a lost attempt bears no mark either: it may be taken for ours.
        caller = course.callers.get(operation)
        if caller is not None and key.split("/")[0] not in caller:
            yield f"{key} claims {operation}, which was made by {caller}"


def _of_log(all_of: Records, exported: bytes, parts: ApiParts) -> Iterable[str]:
    lines = exported.splitlines(keepends=True)
    for fault in verify_export(lines, [parts.audit_key]).faults:
        yield f"line {fault.line} of the export: {fault.kind}, {fault.message}: {lines[fault.line - 1][:2000]!r}"
    # Breakers of the provider are shared by all seeds, and taken away after each.
    events = [one for one in all_of.events if one.type is not AuditType.BREAKER_MOVED]
    yield from log.rebuilt(all_of, events)


def _split(all_of: Records) -> Mapping[str, Records]:
    """Return tenant → the rows of that tenant."""
    tenants = {row.id: str(row.tenant) for row in all_of.proposals}
    parts: dict[str, dict[str, list[Any]]] = defaultdict(lambda: {one.name: [] for one in fields(Records)})
    for one in fields(Records):
        for row in getattr(all_of, one.name):
            tenant = getattr(row, "tenant", None)
            if tenant is None:
                with suppress(AttributeError, KeyError):
                    tenant = tenants[row.payload["proposal_id"] if one.name == "notices" else row.proposal_id]
            parts[tenant or ""][one.name].append(row)
    split: dict[str, Records] = defaultdict(lambda: Records(**{one.name: [] for one in fields(Records)}))
    split.update({tenant: Records(**rows) for tenant, rows in parts.items()})
    return split


def _grouped(rows: Iterable[_T], key: Callable[[_T], str]) -> dict[str, list[_T]]:
    found = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return dict(found)
