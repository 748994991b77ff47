"""What the proof of zombies calls a fault, and that each of its points is there to be stopped at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.dispatch.dispatcher import Dispatcher
from adapters.dispatch.webhooks import WebhookDeliveries
from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from contracts.configuration import Notification
from contracts.effect import LATE_CALL
from emulators.gke.log import ServedCall
from proofs.zombie.__main__ import Round, Wake, notification, pages
from proofs.zombie.worker import INSIDE, POINTS, stopping
from tests.adapters.dispatch.recording import receiving
from tests.adapters.dispatch.running import QUICK, all_done, eventually, put, running

LATE = ServedCall(
    seq=1, ts=datetime(2026, 11, 21, tzinfo=UTC), surface="container", method="SetNodePoolSize", accepted=True
)
OUTSIDE = Round(
    point="target read, fence not checked", wake=Wake.OVER, stops=1, calls=(), late=0, paged=0,
    states={"prp_1": "succeeded"}, effects={"prp_1": 1},
)  # fmt: skip
FOUND = replace(OUTSIDE, point=INSIDE, calls=(LATE,), late=1, paged=1)
ALONE = replace(FOUND, wake=Wake.ALONE, states={"prp_1": "dirty"}, effects={"prp_1": 0})


def test_a_zombie_that_calls_nothing_is_as_it_must_be_and_so_is_a_late_call_that_was_found() -> None:
    assert OUTSIDE.faults() == []
    assert FOUND.faults() == []
    assert replace(FOUND, wake=Wake.VERIFYING, states={"prp_1": "dirty"}).faults() == []
    assert ALONE.faults() == []


@pytest.mark.parametrize(
    "wrong",
    [
        replace(OUTSIDE, calls=(LATE,)),
        replace(OUTSIDE, late=1),
        replace(OUTSIDE, effects={"prp_1": 2}),
        replace(OUTSIDE, states={"prp_1": "dirty"}),
        replace(OUTSIDE, effects={"prp_1": 0}),
        replace(FOUND, effects={"prp_1": 2}),
        replace(FOUND, late=0),
        replace(FOUND, paged=0),
        replace(FOUND, wake=Wake.VERIFYING),
        replace(ALONE, states={"prp_1": "succeeded"}),
        replace(ALONE, effects={"prp_1": 1}),
    ],
    ids=[
        "called",
        "falsely-found",
        "doubled",
        "dirty",
        "missing",
        "doubled-before",
        "not-found",
        "not-paged",
        "told-as-success",
        "told-as-success-alone",
        "called-before-the-wake",
    ],
)
def test_what_may_not_be_is_a_fault(wrong: Round) -> None:
    assert wrong.faults()


async def test_a_page_about_a_late_call_counts_once_it_has_arrived_and_no_other(
    migrated_database_url: str, tmp_path: Path
) -> None:
    database = Database(migrated_database_url)
    async with receiving() as on_call:
        configured = [Notification.model_validate(notification(on_call, tmp_path))]
        for proposal_id, reason in (
            ("prp_1", LATE_CALL),
            ("prp_2", LATE_CALL),
            ("prp_1", "operation_timeout"),
        ):
            told = {"event": "dirty", "proposal_id": proposal_id, "reason_code": reason}
            await put(database, OutboxKind.NOTIFY, proposal_id, **told)
        assert pages(on_call.received, ["prp_1"]) == 0
        async with running(
            Dispatcher(database, WebhookDeliveries(database, configured).by_kind(), QUICK).run
        ):
            await eventually(lambda: all_done(database))
        assert len(on_call.received) == 3
        assert pages([*on_call.received, *on_call.received], ["prp_1"]) == 1
    await database.close()


@pytest.mark.parametrize("point", POINTS)
def test_each_point_wraps_something_that_is_there_and_gives_it_back(point: str, tmp_path: Path) -> None:
    owner, name, _ = POINTS[point]
    plain = getattr(owner, name)
    with stopping(point, tmp_path / "mark"):
        assert getattr(owner, name) is not plain
    assert getattr(owner, name) is plain
