"""What each case does with the clocks, and what must become of the proposals. The rest is for the judges."""

from __future__ import annotations

import asyncio
import calendar
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from emulators.gke.faults import FaultKind
from local.environment import module_command
from proofs.clocks.course import API, DATABASE, DECIDE_WITHIN, EXECUTE_WITHIN, WITHIN, WORKER, Course, poor
from tests.e2e import processes
from tests.e2e.practice_ground import CRITICAL, DEVELOPMENT, PRODUCTION, STAGING
from tests.e2e.stack import eventually

SLOW = 3.0
"""Seconds of an operation that clocks jump in."""
REFUSED = 409
_PAST_DECIDING = DECIDE_WITHIN + timedelta(minutes=1)
_PAST_EXECUTING = DECIDE_WITHIN + EXECUTE_WITHIN + timedelta(minutes=1)

Case = Callable[[Course], Awaitable[list[str]]]
"""Returns what is wrong, in words. What it waits for in vain is raised."""


def _differs(what: str, found: object, wanted: object) -> list[str]:
    return [] if found == wanted else [f"{what}: {found}, and not {wanted}"]


async def _lives_with(course: Course, part: str, hours: float) -> list[str]:
    """One change by itself, one that a person approves, and one that nobody approves in time."""
    course.set(part, hours=hours)
    free, asked, late = (course.stack.place(one) for one in (DEVELOPMENT, PRODUCTION, STAGING))
    try:
        unheard = await course.propose(late, 2)
        plain = await course.propose(free, 2)
        approved = await course.waiting(asked, 2)
        found = _differs("the vote in time", await course.vote(approved) < REFUSED, True)
        await course.end(plain, "succeeded")
        await course.end(approved, "succeeded")
        await course.end(unheard, "expired")
        found += _differs("the vote after the expiry", await course.vote(unheard), REFUSED)
    finally:
        course.set(part)
    return found


async def worker_ahead(course: Course) -> list[str]:
    """The worker's clock is an hour ahead."""
    return await _lives_with(course, WORKER, 1)


async def worker_behind(course: Course) -> list[str]:
    """It is an hour behind."""
    return await _lives_with(course, WORKER, -1)


async def api_ahead(course: Course) -> list[str]:
    """The API's clock is an hour ahead."""
    return await _lives_with(course, API, 1)


async def api_behind(course: Course) -> list[str]:
    """It is an hour behind."""
    return await _lives_with(course, API, -1)


async def worker_jumps(course: Course) -> list[str]:
    """The worker's clock is set back, and then forward, while an operation runs."""
    place = course.stack.place(DEVELOPMENT)
    await course.stack.admin.settings(operation=SLOW)
    proposal_id = await course.propose(place, 2)
    await course.changed(place)
    course.set(WORKER, hours=-1)
    await asyncio.sleep(SLOW / 3)
    course.set(WORKER, hours=1)
    await course.end(proposal_id, "succeeded")
    course.set(WORKER)
    return []


async def forward_over_decide_by(course: Course) -> list[str]:
    """The database's clock jumps over the time to decide; later it is right again, and there is still time."""
    proposal_id = await course.waiting(course.stack.place(PRODUCTION), 2)
    course.set(DATABASE, seconds=_PAST_DECIDING.total_seconds())
    found = _differs("the vote meanwhile", await course.vote(proposal_id), REFUSED)
    course.set(DATABASE)
    found += _differs("the vote afterwards", await course.vote(proposal_id) < REFUSED, True)
    await course.end(proposal_id, "succeeded")
    return found


async def back_while_it_waits(course: Course) -> list[str]:
    """The database's clock is set back by an hour while proposals wait, one for votes and one for the end of a halt."""
    stack, slow = course.stack, course.stack.place(CRITICAL)
    approved = await course.waiting(slow, 2)
    async with course.halted(CRITICAL):
        for who in ("approver", "approver2"):
            await course.vote(approved, by=who)
        await course.held(approved)
        waiting = await course.waiting(stack.place(STAGING), 2)
        course.set(DATABASE, hours=-1)
        await course.end(waiting, "expired")
        found = _differs("the vote after the expiry", await course.vote(waiting), REFUSED)
        await course.end(approved, "expired")
    course.set(DATABASE)
    return found + _differs("changes of what was held", stack.sizes_set(slow), [])


async def back_after_expiry(course: Course) -> list[str]:
    """The database's clock is set back by an hour when the time of a proposal is over."""
    place = course.stack.place(STAGING)
    proposal_id = await course.waiting(place, 2)
    await course.end(proposal_id, "expired")
    course.set(DATABASE, hours=-1)
    found = _differs("the vote", await course.vote(proposal_id), REFUSED)
    course.set(DATABASE)
    found += _differs("the state", (await course.stack.show(proposal_id))["state"], "expired")
    return found + _differs("changes", course.stack.sizes_set(place), [])


async def forward_over_execute_by(course: Course) -> list[str]:
    """The database's clock jumps over the last moment to begin while a halt holds what was approved."""
    place = course.stack.place(PRODUCTION)
    proposal_id = await course.waiting(place, 2)
    async with course.halted(PRODUCTION):
        await course.vote(proposal_id)
        await course.held(proposal_id)
        course.set(DATABASE, seconds=_PAST_EXECUTING.total_seconds())
    await course.end(proposal_id, "expired")
    course.set(DATABASE)
    return _differs("changes", course.stack.sizes_set(place), [])


async def back_in_a_call(course: Course) -> list[str]:
    """The worker dies while its call is being answered, and the database's clock is set back before another begins."""
    return await _dies_in_a_call(course, hours=-1)


async def forward_in_a_call(course: Course) -> list[str]:
    """The same, and the clock is set forward by ten minutes: leases and call deadlines seem to be old."""
    return await _dies_in_a_call(course, minutes=10)


async def _dies_in_a_call(course: Course, **by: float) -> list[str]:
    place = course.stack.place(DEVELOPMENT)
    answered_late = {"cluster": place.name, "times": 1, "delay": 1.5}
    await course.stack.admin.add_fault("SetNodePoolSize", FaultKind.SLOW, **answered_late)
    proposal_id = await course.propose(place, 2)
    await course.changed(place)
    await course.stack.kill(WORKER)
    course.set(DATABASE, **by)
    # By a clock that jumped forward the operation lasts too long already: then it is taken back, or a person must look.
    state = await course.end(proposal_id, "succeeded", "rolled_back", "dirty")
    course.set(DATABASE)
    return [] if by.get("minutes") else _differs("what became of it", state, "succeeded")


async def over_the_end_of_a_month(course: Course) -> list[str]:
    """Two changes wait while the database's clock jumps into the next month, which can pay for one of them."""
    now = datetime.now(UTC)
    days = calendar.monthrange(now.year, now.month)[1]
    end = datetime(now.year, now.month, days, tzinfo=UTC) + timedelta(days=1)
    if end - now > timedelta(minutes=20):
        course.set(DATABASE, seconds=(end - now - timedelta(minutes=10)).total_seconds())
    ids = [await course.waiting(place, 2) for place in poor()]
    course.set(DATABASE, seconds=(end - now + timedelta(minutes=10)).total_seconds())
    for one in ids:
        await course.vote(one)
    states = Counter([await course.end(one, "succeeded", "denied") for one in ids])
    return _differs("what became of them", states, Counter(succeeded=1, denied=1))


async def token_of_a_day(course: Course) -> list[str]:
    """A token for one day is issued where the clock is two days ahead; it ends when the database's day is over."""
    stack = course.stack
    course.set(API, days=2)
    token = await _issued(course)
    holder = stack.meet("holder", token)
    found = _differs("at first", (await holder.get("/v1/proposals")).status_code, 200)
    course.set(API, days=-2)
    before = course.database_clock.at(datetime.now(UTC)) - datetime.now(UTC)
    course.set(DATABASE, seconds=(before + timedelta(hours=25)).total_seconds())
    found += _differs("after 25 hours", (await holder.get("/v1/proposals")).status_code, 401)
    course.set(API)
    return found


async def _issued(course: Course) -> str:
    pid = course.stack.pid(API)
    if pid is None:
        raise RuntimeError("the API does not run")
    given = ("tokens", "issue", "clocks", "--role", "viewer", "--days", "1", "-o", "json")
    process = await asyncio.create_subprocess_exec(
        *module_command("cli.main"), *given, env=processes.environment(pid), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return str(json.loads(said)["token"])


async def is_calm(course: Course) -> None:
    """Wait until the API and the worker are there: one case's end is the next one's beginning."""
    await course.stack.admin.clear_faults()
    await course.stack.admin.settings(operation=0.3)
    for part in (WORKER, API):
        await course.stack.back(part, limit=WITHIN)
    await eventually(_nothing_waits(course), limit=WITHIN)


def _nothing_waits(course: Course) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        waiting = """
            SELECT count(*) FROM outbox
            WHERE done_at IS NULL AND kind <> 'notify' AND due_at <= clock_timestamp()"""
        return bool((await course.stack.rows(waiting))[0][0] == 0)

    return ask


CASES: dict[str, Case] = {
    "worker an hour ahead": worker_ahead,
    "worker an hour behind": worker_behind,
    "API an hour ahead": api_ahead,
    "API an hour behind": api_behind,
    "worker set back and forward while it executes": worker_jumps,
    "database set forward over the time to decide": forward_over_decide_by,
    "database set back while proposals wait": back_while_it_waits,
    "database set back after an expiry": back_after_expiry,
    "database set forward over the last moment to begin": forward_over_execute_by,
    "database set back while a call is answered": back_in_a_call,
    "database set forward while a call is answered": forward_in_a_call,
    "database set forward over the end of a month": over_the_end_of_a_month,
    "token of a day, issued two days ahead": token_of_a_day,
}
"""By the name that `--only` takes, in this order: the last two leave the database's clock ahead for good."""
