"""A worker that slept between its last check and its call: what it does then cannot be prevented, and is found."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs
from temporalio.exceptions import ApplicationError

from activities.execution import lateness
from activities.execution.conclusion import Conclusion
from adapters.store.database import Database
from contracts.action import NodePoolTarget
from contracts.audit import AuditType
from contracts.base import utc_now
from contracts.errors import StoreUnavailable
from contracts.observation import NodePoolObservation, ProviderOperation
from contracts.ports import NodePoolEffector, NodePoolReader
from contracts.proposal import ProposalState
from emulators.gke.faults import FaultKind
from tests.proposal_stack import EffectStack, eventually

S = ProposalState


@dataclass
class SleepingEffector:
    """Sleeps right before its call goes out; no time-out wakes it, as none wakes a stopped process."""

    inner: NodePoolEffector
    hears_the_answer: bool
    sends: bool = True
    """After it slept; else before."""
    calls: bool = True
    sleeps: asyncio.Event = field(default_factory=asyncio.Event)
    wakes: asyncio.Event = field(default_factory=asyncio.Event)

    async def set_size(self, target: NodePoolTarget, node_count: int, *, timeout: timedelta) -> str:
        if self.calls and not self.sends:
            name = await self.inner.set_size(target, node_count, timeout=timeout)
        self.sleeps.set()
        while not self.wakes.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.wakes.wait()
        if self.calls and self.sends:
            name = await self.inner.set_size(target, node_count, timeout=timeout)
        if not self.hears_the_answer:
            raise asyncio.CancelledError
        return name

    async def set_autoscaling(
        self, target: NodePoolTarget, min_node_count: int, max_node_count: int, *, timeout: timedelta
    ) -> str:
        raise NotImplementedError


@dataclass
class BrokenReader:
    """Reads as its provider says, until a defect of ours breaks it, or a test has it tell something else."""

    inner: NodePoolReader
    is_broken: bool = False
    tells: Callable[[list[ProviderOperation]], list[ProviderOperation]] = list
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def observe(self, target: NodePoolTarget) -> NodePoolObservation:
        return await self.inner.observe(target)

    async def get_operation(self, target: NodePoolTarget, name: str) -> ProviderOperation:
        return self.tells([await self.inner.get_operation(target, name)])[0]

    async def list_node_pools(self, project: str, location: str, cluster: str) -> list[str]:
        return await self.inner.list_node_pools(project, location, cluster)

    async def list_operations(self, target: NodePoolTarget) -> list[ProviderOperation]:
        if self.is_broken:
            raise KeyError("a defect of ours")
        self.asked.set()
        await self.may_answer.wait()
        return self.tells(await self.inner.list_operations(target))


def timeless(stack: EffectStack) -> BrokenReader:
    """Nobody knows when an operation began: any may be late."""
    return BrokenReader(
        stack.reader, tells=lambda found: [one.model_copy(update={"started_at": None}) for one in found]
    )


class LostDatabase(Database):
    """Is away for a while."""

    is_away = False
    refused = 0

    @asynccontextmanager
    async def single(self) -> AsyncIterator[AsyncConnection]:
        if self.is_away:
            self.refused += 1
            raise StoreUnavailable("the database did not answer")
        async with super().single() as connection:
            yield connection


@pytest.fixture
async def lost(migrated_database_url: str) -> AsyncIterator[LostDatabase]:
    opened = LostDatabase(migrated_database_url)
    yield opened
    await opened.close()


async def asleep(
    stack: EffectStack, proposal_id: str, effector: SleepingEffector, **beside: Any
) -> asyncio.Task[Any]:
    """Let an attempt fall asleep before its call, and another one do all there is to do. `beside`: its other parts."""
    older = asyncio.create_task(replace(stack, effector=effector, **beside).execute(proposal_id))
    await effector.sleeps.wait()
    await stack.execute(proposal_id)
    return older


async def woken(effector: SleepingEffector, older: asyncio.Task[Any]) -> None:
    effector.wakes.set()
    with pytest.raises(ApplicationError):
        await older


async def pages(stack: EffectStack) -> list[str]:
    async with stack.database.reading() as connection:
        found = await connection.execute(text("SELECT payload FROM outbox WHERE kind = 'notify' ORDER BY id"))
        return [row.payload["reason_code"] for row in found if row.payload["event"] == "dirty"]


async def settled(stack: EffectStack) -> None:
    """No operation runs any more, so that the provider takes another call."""

    async def is_quiet() -> bool:
        pool = await stack.fleet.admin.state()
        return all(one["status"] == "DONE" for cluster in pool["clusters"] for one in cluster["operations"])

    await eventually(is_quiet)


@pytest.mark.parametrize("hears", [True, False], ids=["answered", "unanswered"])
async def test_a_late_call_makes_the_proposal_dirty_and_pages(stack: EffectStack, *, hears: bool) -> None:
    proposal_id = await stack.ready()
    effector = SleepingEffector(stack.effector, hears)
    older = await asleep(stack, proposal_id, effector)
    assert (await stack.row(proposal_id)).state == S.VERIFYING
    await settled(stack)
    await woken(effector, older)
    assert len(stack.sizes_set()) == 2
    row = await stack.row(proposal_id)
    assert (row.state, row.reason_code) == (S.DIRTY, "late_call")
    assert await pages(stack) == ["late_call"]
    [told] = [one for one in await stack.audit(proposal_id) if one["type"] == AuditType.EFFECT_LATE]
    assert told["payload"]["operation"] == stack.fleet.calls().accepted("SetNodePoolSize")[1].operation
    assert (await stack.verify(proposal_id)).state is S.DIRTY


async def test_a_call_that_comes_after_the_end_is_paged_and_ends_nothing_twice(stack: EffectStack) -> None:
    proposal_id = await stack.ready()
    effector = SleepingEffector(stack.effector, hears_the_answer=True)
    older = await asleep(stack, proposal_id, effector)
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED
    await woken(effector, older)
    assert (await stack.row(proposal_id)).state == S.SUCCEEDED
    assert await pages(stack) == ["late_call"]


@pytest.mark.parametrize("hears", [True, False], ids=["answered", "unanswered"])
async def test_a_call_that_went_out_in_time_and_was_adopted_is_not_late(
    stack: EffectStack, *, hears: bool
) -> None:
    proposal_id = await stack.ready()
    effector = SleepingEffector(stack.effector, hears, sends=False)
    older = await asleep(stack, proposal_id, effector)
    await woken(effector, older)
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED
    assert len(stack.sizes_set()) == 1
    assert (await stack.receipt(proposal_id)).adopted
    assert await pages(stack) == []


async def test_a_call_that_nobody_can_judge_pages_as_such(stack: EffectStack) -> None:
    proposal_id = await stack.ready()
    effector = SleepingEffector(stack.effector, hears_the_answer=True)
    older = await asleep(stack, proposal_id, effector)
    await settled(stack)
    await stack.fleet.admin.add_fault("ListOperations", FaultKind.UNAVAILABLE, times=-1)
    await woken(effector, older)
    await stack.fleet.admin.clear_faults()
    row = await stack.row(proposal_id)
    assert (row.state, row.reason_code) == (S.DIRTY, "lateness_unknown")
    assert await pages(stack) == ["lateness_unknown"]
    [told] = [one for one in await stack.audit(proposal_id) if one["type"] == AuditType.EFFECT_LATE]
    assert told["payload"]["reason_code"] == "lateness_unknown"


async def test_a_late_call_of_a_proposal_that_stepped_back_lets_it_go_no_further(stack: EffectStack) -> None:
    proposal_id = await stack.ready()
    effector = SleepingEffector(stack.effector, hears_the_answer=True)
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.CONFLICT)
    older = await asleep(stack, proposal_id, effector)
    assert (await stack.row(proposal_id)).state == S.READY
    await woken(effector, older)
    assert (await stack.row(proposal_id)).state == S.STALE
    assert await pages(stack) == ["late_call"]


@pytest.mark.parametrize("hears", [True, False], ids=["answered", "unanswered"])
async def test_a_defect_while_it_looks_pages_and_hides_no_error_of_the_attempt(
    stack: EffectStack, *, hears: bool
) -> None:
    proposal_id = await stack.ready()
    effector, reader = SleepingEffector(stack.effector, hears), BrokenReader(stack.reader)
    older = await asleep(stack, proposal_id, effector, reader=reader)
    await settled(stack)
    reader.is_broken = True
    with capture_logs() as told:
        effector.wakes.set()
        with pytest.raises(ApplicationError) as refused:
            await older
    assert refused.value.type == ("stale_fence" if hears else "provider_ambiguous")
    row = await stack.row(proposal_id)
    assert (row.state, row.reason_code) == (S.DIRTY, "lateness_unknown")
    assert await pages(stack) == ["lateness_unknown"]
    assert "effect.lateness_unknown" in [one["event"] for one in told]


@pytest.mark.parametrize("hears", [True, False], ids=["answered", "unanswered"])
async def test_a_database_that_is_away_is_waited_for(
    stack: EffectStack, lost: LostDatabase, *, hears: bool
) -> None:
    proposal_id = await stack.ready()
    effector = SleepingEffector(stack.effector, hears)
    older = await asleep(stack, proposal_id, effector, database=lost)
    await settled(stack)
    lost.is_away = True
    effector.wakes.set()

    async def looks() -> bool:
        return lost.refused > 2

    await eventually(looks)
    lost.is_away = False
    with pytest.raises(ApplicationError):
        await older
    assert (await stack.row(proposal_id)).state == S.DIRTY
    assert await pages(stack) == ["late_call"]


async def test_an_attempt_that_is_still_the_newest_is_never_late_however_long_the_database_was_away(
    stack: EffectStack, lost: LostDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lateness, "FINDS_WITHIN", 10.0)
    proposal_id = await stack.ready()
    effector = SleepingEffector(stack.effector, hears_the_answer=True)
    own = replace(stack, effector=effector, database=lost, reader=timeless(stack))
    older = asyncio.create_task(own.execute(proposal_id))
    await effector.sleeps.wait()
    lost.is_away = True
    effector.wakes.set()

    async def looks() -> bool:
        return lost.refused > 2

    await eventually(looks)
    lost.is_away = False
    with pytest.raises(ApplicationError) as refused:
        await older
    assert refused.value.type == "store_unavailable"
    assert (await stack.row(proposal_id)).state == S.EXECUTING
    await stack.execute(proposal_id)
    assert (await stack.verify(proposal_id)).state is S.SUCCEEDED
    assert len(stack.sizes_set()) == 1


async def test_the_attempt_does_not_wait_for_ever_but_the_look_does_and_pages_in_the_end(
    stack: EffectStack, lost: LostDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lateness, "FINDS_WITHIN", 0.2)
    monkeypatch.setattr(lateness, "PAUSE", 0.05)
    proposal_id = await stack.ready()
    effector = SleepingEffector(stack.effector, hears_the_answer=True)
    older = await asleep(stack, proposal_id, effector, database=lost)
    await settled(stack)
    lost.is_away = True
    effector.wakes.set()
    with capture_logs() as told, pytest.raises(ApplicationError) as refused:
        await older
    assert refused.value.type == "store_unavailable"
    assert ("effect.lateness_unknown", "critical") in [(one["event"], one["log_level"]) for one in told]
    assert await pages(stack) == []
    lost.is_away = False

    async def is_paged() -> bool:
        return await pages(stack) == ["late_call"]

    await eventually(is_paged, limit=60)


async def test_a_defect_while_it_tells_hides_no_error_of_the_attempt(
    stack: EffectStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("a defect of ours")

    proposal_id = await stack.ready()
    effector = SleepingEffector(stack.effector, hears_the_answer=True)
    older = await asleep(stack, proposal_id, effector)
    await settled(stack)
    monkeypatch.setattr(Conclusion, "late", broken)
    effector.wakes.set()
    with capture_logs() as told, pytest.raises(ApplicationError) as refused:
        await older
    assert refused.value.type == "stale_fence"
    assert ("effect.late_untold", "critical") in [(one["event"], one["log_level"]) for one in told]


async def test_an_answer_that_the_provider_knows_nothing_of_counts_as_late(stack: EffectStack) -> None:
    proposal_id = await stack.ready()
    effector, reader = SleepingEffector(stack.effector, hears_the_answer=True), BrokenReader(stack.reader)
    older = await asleep(stack, proposal_id, effector, reader=reader)
    await settled(stack)
    reader.tells = lambda found: []
    await woken(effector, older)
    assert (await stack.row(proposal_id)).state == S.DIRTY


@pytest.mark.parametrize(
    ("changes", "is_late"),
    [
        ({}, True),
        ({"started_at": None}, True),
        ({"started_at": utc_now() - timedelta(days=1)}, False),
        ({"type": "UPGRADE_NODES"}, False),
        ({"target": "projects/acme-prod/locations/europe-west4/clusters/serving/nodePools/other"}, False),
    ],
    ids=["just now", "nobody knows when", "long before", "another kind", "another pool"],
)
async def test_without_an_answer_only_what_could_be_this_call_counts(
    stack: EffectStack, changes: dict[str, Any], *, is_late: bool
) -> None:
    proposal_id = await stack.ready()
    effector = SleepingEffector(stack.effector, hears_the_answer=False, calls=False)
    reader = BrokenReader(stack.reader)
    older = await asleep(stack, proposal_id, effector, reader=reader)

    def with_another(found: list[ProviderOperation]) -> list[ProviderOperation]:
        seen = {"name": "operation-of-somebody", "started_at": utc_now()}
        return [*found, found[-1].model_copy(update=seen | changes)]

    reader.tells = with_another
    await woken(effector, older)
    assert (await stack.row(proposal_id)).state == (S.DIRTY if is_late else S.VERIFYING)
    assert len(stack.sizes_set()) == 1


async def test_what_the_newer_attempt_will_adopt_is_not_late_before_it_has_looked(
    stack: EffectStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lateness, "PAUSE", 0.05)
    proposal_id = await stack.ready()
    effector = SleepingEffector(stack.effector, hears_the_answer=True, sends=False)
    older = asyncio.create_task(
        replace(stack, effector=effector, reader=timeless(stack)).execute(proposal_id)
    )
    await effector.sleeps.wait()
    slow = BrokenReader(stack.reader)
    slow.may_answer.clear()
    newer = asyncio.create_task(replace(stack, reader=slow).execute(proposal_id))
    await slow.asked.wait()
    effector.wakes.set()
    await asyncio.sleep(0.5)  # as long as it takes to look too early
    slow.may_answer.set()
    await newer
    with pytest.raises(ApplicationError):
        await older
    assert (await stack.row(proposal_id)).state == S.VERIFYING
    assert await pages(stack) == []
