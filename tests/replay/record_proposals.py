"""Records the histories that `test_proposal_replay.py` replays. Run when the workflow changes on purpose:

    pytest tests/replay/record_proposals.py

pytest collects this file only when it is named. Keep older histories as long as such workflows may still be running.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.store import cancellation
from adapters.store.database import Database
from adapters.store.migrate import upgrade
from contracts.base import utc_now
from contracts.decision import DecisionKind
from contracts.messages import DECIDE_SIGNAL, WAKE_SIGNAL, PassInput
from contracts.proposal import Draft, ProposalState
from emulators.gke.faults import FaultKind
from tests.contracts.samples import ANA, BEN
from tests.editing import edit
from tests.gke_fixtures import RunningEmulator, local_fleet
from tests.proposal_stack import CAROL, ProposalStack, eventually, forged, proposal_stack, resize

__all__ = ["local_fleet"]

HISTORIES = Path(__file__).parent / "histories"
WAITING = ProposalState.AWAITING_APPROVAL
DAN = CAROL.model_copy(update={"subject": "dan"})
Run = Callable[[ProposalStack], Awaitable[Any]]


async def waiting(stack: ProposalStack, **changes: Any) -> tuple[Any, str]:
    handle = await stack.propose(resize(3), **changes)
    proposal_id = handle.id.removeprefix("proposal/")
    await stack.until(proposal_id, WAITING)
    return handle, proposal_id


async def waiting_for_two(stack: ProposalStack) -> tuple[Any, str]:
    stack.guard.quorums = [2]
    return await waiting(stack)


async def approved(stack: ProposalStack) -> Any:
    handle, proposal_id = await waiting(stack)
    await stack.decide(proposal_id)
    return handle


async def rejected(stack: ProposalStack) -> Any:
    handle, proposal_id = await waiting(stack)
    await stack.decide(proposal_id, kind=DecisionKind.REJECT)
    return handle


async def expired(stack: ProposalStack) -> Any:
    return (await waiting(stack, decide_by=utc_now() + timedelta(seconds=2)))[0]


async def rolled_back(stack: ProposalStack) -> Any:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT)
    return await approved(stack)


async def approved_by_nobody(stack: ProposalStack) -> Any:
    stack.guard.quorums = [0]
    return await stack.propose(resize(3))


async def decided_by_two_after_a_forgery(stack: ProposalStack) -> Any:
    stack.guard.quorums = [1, 2]
    handle, proposal_id = await waiting(stack)
    await handle.signal(DECIDE_SIGNAL, forged(await stack.signed(proposal_id)))
    await stack.decide(proposal_id)
    await asyncio.sleep(0.5)
    await stack.until(proposal_id, WAITING)
    await stack.decide(proposal_id, CAROL)
    return handle


async def held_and_cancelled(stack: ProposalStack) -> Any:
    stack.guard.quorums, stack.guard.holds = [0], 1_000
    handle = await stack.propose(resize(3))
    proposal_id = handle.id.removeprefix("proposal/")

    async def held() -> bool:
        return (await stack.row(proposal_id)).held_on is not None

    await eventually(held)
    await handle.signal(WAKE_SIGNAL)
    await asyncio.sleep(0.3)
    async with stack.database.transaction() as connection:
        await cancellation.cancel(connection, proposal_id, ANA, "cancelled_by_requester")
    await handle.signal(WAKE_SIGNAL)
    return handle


async def sent_back_by_a_foreign_operation(stack: ProposalStack) -> Any:
    await stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.CONFLICT)
    return await approved(stack)


async def edited(stack: ProposalStack) -> Any:
    """Somebody approved the first of two; then a reviewer edits, so that the vote is void and the gates run anew."""
    stack.guard.quorums = [2, 1]
    handle, proposal_id = await waiting(stack)
    await stack.decide(proposal_id, BEN)
    assert isinstance(await edit(stack.database, proposal_id, CAROL, node_count=4), Draft)
    await handle.signal(WAKE_SIGNAL)

    async def waits_again() -> bool:
        row = await stack.row(proposal_id)
        return (row.revision, row.state) == (2, WAITING)

    await eventually(waits_again)
    await stack.decide(proposal_id, BEN)
    return handle


async def voted_ahead(stack: ProposalStack) -> Any:
    """An edit was made and judged while nobody told the workflow: the vote on it waits until it has looked."""
    handle, proposal_id = await waiting(stack)
    assert isinstance(await edit(stack.database, proposal_id, CAROL, node_count=4), Draft)
    await stack.guard.check_proposal(PassInput(proposal_id=proposal_id, revision=2, pass_number=1))
    await stack.decide(proposal_id, BEN)
    return handle


async def vote_withdrawn(stack: ProposalStack) -> Any:
    handle, proposal_id = await waiting_for_two(stack)
    await stack.decide(proposal_id, BEN)
    await stack.decide(proposal_id, BEN, DecisionKind.WITHDRAW)
    await stack.decide(proposal_id, CAROL)
    await stack.decide(proposal_id, DAN)
    return handle


async def vote_changed(stack: ProposalStack) -> Any:
    handle, proposal_id = await waiting_for_two(stack)
    await stack.decide(proposal_id, BEN)
    await stack.decide(proposal_id, BEN, DecisionKind.REJECT)
    return handle


PATHS: dict[str, Run] = {
    run.__name__: run
    for run in (
        approved,
        rejected,
        expired,
        rolled_back,
        approved_by_nobody,
        decided_by_two_after_a_forgery,
        held_and_cancelled,
        sent_back_by_a_foreign_operation,
        edited,
        voted_ahead,
        vote_withdrawn,
        vote_changed,
    )
}


def anonymous(value: Any) -> Any:
    """Leave out stack traces and who ran it: they name paths and the machine that recorded."""
    if isinstance(value, dict):
        return {
            key: "recorded" if key == "identity" else anonymous(inner)
            for key, inner in value.items()
            if key != "stackTrace"
        }
    return [anonymous(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(PATHS))
async def test_record(
    name: str, temporal_address: str, database_url: str, local_fleet: RunningEmulator
) -> None:
    await upgrade(database_url)
    database = Database(database_url)
    async with proposal_stack(temporal_address, database, local_fleet) as stack, stack.working():
        handle = await PATHS[name](stack)
        await handle.result()
        history = await handle.fetch_history()
    await database.close()
    told = json.dumps(anonymous(history.to_json_dict()), indent=1, sort_keys=True)
    (HISTORIES / f"proposal_{name}.json").write_text(told + "\n")
