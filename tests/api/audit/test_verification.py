"""Verification of the log by the server itself, on a real database; tampering happens below the API, as its owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from adapters.audit import checkpoint as checkpoints
from adapters.audit import merkle
from adapters.audit.checkpoint import CheckpointKey
from adapters.audit.verify import verify_export
from adapters.store.sequencer import LogCutOff
from api.audit.verification import KEPT_RUNS, Source, Verifications
from api.problems import Problem
from contracts.errors import StoreUnavailable
from tests.api.serving import Api, decision_on, serving


async def verified(api: Api, body: Any = None) -> dict[str, Any]:
    started = await api.post("/v1/audit/verifications", body, by="vera")
    assert started.status_code == 202, started.text
    return await ended(api, started.headers["location"])


async def ended(api: Api, path: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            run: dict[str, Any] = (await api.get(path)).json()
            if run["status"] != "running":
                return run
            await asyncio.sleep(0.02)


async def tamper(api: Api, statement: str, **values: Any) -> None:
    """Change the log as whoever owns the database can: the triggers that keep it append-only stand aside."""
    async with api.database.transaction() as connection:
        await connection.execute(text("alter table audit_events disable trigger user"))
        await connection.execute(text(statement), values)
        await connection.execute(text("alter table audit_events enable trigger user"))


async def test_an_untouched_log_is_sound_and_the_result_says_how_far_and_under_which_root(api: Api) -> None:
    view = await api.waiting()
    answer = await api.post(f"/v1/proposals/{view['id']}/decisions", decision_on(view), by="ben")
    assert answer.status_code in (200, 202), answer.text
    run = await verified(api)
    size = await api.count("audit_events")
    assert (run["status"], run["events_checked"], run["tree_size"], run["proved_size"]) == (
        "sound",
        *[size] * 3,
    )
    note = checkpoints.verify(run["checkpoint"], [api.parts.audit_key])
    assert (note.size, run["verifier_key"]) == (size, api.parts.audit_key.encode())
    assert run["root_hash"] in run["checkpoint"]
    assert run["decisions"] == {"valid": 1, "invalid": 0, "unknown_key": 0, "invalid_numbers": []}
    assert (
        run["message"]
        == f"The log is what was signed: {size} events proved, none changed, missing or put in."
    )
    assert (run["is_anchored"], run["faults"], run["tail"]) == (None, [], 0)


async def test_a_leaf_that_was_changed_in_the_database_is_found_by_its_number(api: Api) -> None:
    proposal_id = await api.propose()
    await api.parts.sequencer.checkpoint()
    (item,) = (await api.get("/v1/audit/events", subject=proposal_id)).json()["items"]
    changed = (
        "update audit_events set leaf = overlay(leaf placing 'X'::bytea from 20 for 1) where number = :number"
    )
    await tamper(api, changed, number=item["number"])
    run = await verified(api)
    assert (run["status"], run["checkpoint"]) == ("faulty", None)
    first = run["faults"][0]
    assert (first["kind"], first["number"]) == ("flipped", item["number"])
    assert first["message"] == (
        f"Event {item['number']} was changed after it was written: its content does not give its hash."
    )
    assert run["message"] == f"The log is not what was signed. {first['message']}"
    assert run["proved_size"] < run["tree_size"]


async def test_an_event_that_cannot_be_read_any_more_hides_nothing_else(api: Api) -> None:
    await api.propose()
    await api.parts.sequencer.checkpoint()
    await tamper(api, "update audit_events set leaf = 'nonsense' where type = 'proposal.created'")
    page = (await api.get("/v1/audit/events", limit=1_000)).json()["items"]
    assert len(page) == await api.count("audit_events")
    (changed,) = (item for item in page if item["event"] is None)
    assert changed["summary"].startswith("This cannot be read as an event")
    csv = await api.get("/v1/audit/export", format="csv")
    assert "cannot be read" in csv.text


async def test_a_payload_that_cannot_be_read_any_more_hides_nothing_else_of_the_decision_record(
    api: Api,
) -> None:
    view = await api.waiting()
    await tamper(
        api,
        "update audit_events set leaf = replace(convert_from(leaf, 'UTF8'), '\"from\":\"', "
        "'\"from\":\"un')::bytea where type = 'proposal.moved'",
    )
    answer = await api.get(f"/v1/audit/proposals/{view['id']}")
    assert answer.status_code == 200, answer.text
    record = answer.json()
    assert (record["state"], record["is_complete"], record["nothing_ran"]) == (
        "awaiting_approval",
        False,
        False,
    )
    assert record["chapters"][0]["sentences"][0]["quote"]["text"] == "the queue grows"


async def test_a_leaf_that_was_changed_together_with_its_hash_is_found_by_the_signed_root(api: Api) -> None:
    await api.propose()
    await api.parts.sequencer.checkpoint()
    async with api.database.reading() as connection:
        leaf = (await connection.execute(text("select leaf from audit_events where number = 2"))).scalar_one()
    forged = leaf.replace(b'"schema_version":1', b'"schema_version":2')
    assert forged != leaf
    await tamper(
        api,
        "update audit_events set leaf = :leaf, leaf_hash = :hash where number = 2",
        leaf=forged,
        hash=merkle.leaf_hash(forged),
    )
    run = await verified(api)
    assert (run["status"], run["faults"][0]["kind"]) == ("faulty", "checkpoint_mismatch")


async def test_a_row_that_was_taken_out_is_found(api: Api) -> None:
    await api.propose()
    await api.parts.sequencer.checkpoint()
    await tamper(api, "delete from audit_events where number = 3")
    run = await verified(api)
    assert run["faults"][0]["message"] == "Event 3 is missing."


@pytest.mark.parametrize("lost", [1, 2, 5])
async def test_an_end_that_was_taken_out_below_a_checkpoint_still_stored_is_never_signed_over(
    api: Api, lost: int
) -> None:
    await api.propose()
    size = (await api.parts.sequencer.checkpoint()).size
    await tamper(api, "delete from audit_events where number >= :first", first=size - lost)
    for _ in range(2):
        run = await verified(api)
        assert (run["status"], run["tree_size"]) == ("faulty", size)
        first = run["faults"][0]
        assert (first["kind"], first["number"]) == ("missing", size - lost)
        await api.propose()
        with pytest.raises(LogCutOff):
            await api.parts.sequencer.advance()


async def test_a_kept_checkpoint_anchors_the_history(api: Api) -> None:
    await api.propose()
    kept = (await api.get("/v1/audit/checkpoint")).json()["note"]
    await api.propose()
    run = await verified(api, {"checkpoint": kept})
    assert (run["status"], run["is_anchored"]) == ("sound", True)


async def test_a_log_that_was_cut_off_and_signed_again_is_found_by_a_kept_checkpoint_only(api: Api) -> None:
    await api.propose()
    await api.parts.sequencer.checkpoint()
    before = (await api.parts.sequencer.checkpoint()).size
    await api.propose()
    kept = (await api.get("/v1/audit/checkpoint")).json()["note"]
    async with api.database.transaction() as connection:
        for table in ("audit_events", "audit_checkpoints", "audit_nodes"):
            await connection.execute(text(f"alter table {table} disable trigger user"))
        cut = {"size": before}
        await connection.execute(text("delete from audit_events where number >= :size"), cut)
        await connection.execute(text("delete from audit_checkpoints where size > :size"), cut)
    assert (await verified(api))["status"] == "sound"
    run = await verified(api, {"checkpoint": kept})
    assert run["faults"][0]["kind"] == "truncated"
    assert run["message"].endswith(
        "The log ends too early: entries that the kept checkpoint covers are gone."
    )


async def test_a_decision_that_no_key_of_ours_signed_is_found_though_the_tree_is_whole(api: Api) -> None:
    view = await api.waiting()
    await api.post(f"/v1/proposals/{view['id']}/decisions", decision_on(view), by="ben")
    await tamper(
        api,
        "update audit_events set leaf = replace(convert_from(leaf, 'UTF8'), '\"signature\":\"', "
        "'\"signature\":\"AAAA')::bytea where type = 'decision.recorded'",
    )
    run = await verified(api)
    assert (run["status"], run["decisions"]["invalid"], run["faults"]) == ("faulty", 1, [])
    number = run["decisions"]["invalid_numbers"][0]
    assert f"the decision in event {number} is not signed by a key of this system" in run["message"]


async def test_a_kept_checkpoint_that_the_logs_key_did_not_sign_is_refused(api: Api) -> None:
    answer = await api.post("/v1/audit/verifications", {"checkpoint": "nonsense"}, by="vera")
    assert (answer.status_code, answer.json()["reason_code"]) == (422, "checkpoint_invalid")


@asynccontextmanager
async def key_replaced(url: str, *, is_named: bool) -> AsyncIterator[tuple[Api, str]]:
    """An API with a new audit key, over a log whose first part another key signed, and the checkpoint of then."""
    async with serving(url) as before:
        await before.propose()
        kept = (await before.get("/v1/audit/checkpoint")).json()["note"]
    former = (before.parts.audit_key,) if is_named else ()
    async with serving(url, former_audit_keys=former) as after:
        await after.propose()
        yield after, kept


async def test_a_log_is_sound_after_its_key_was_replaced_once_the_old_public_key_is_given(
    migrated_database_url: str,
) -> None:
    async with key_replaced(migrated_database_url, is_named=True) as (api, kept):
        run = await verified(api, {"checkpoint": kept})
        size = await api.count("audit_events")
        assert (run["status"], run["proved_size"], run["is_anchored"]) == ("sound", size, True), run
        assert checkpoints.verify(run["checkpoint"], [api.parts.audit_key]).size == size


async def test_without_the_old_public_key_what_it_signed_is_not_believed(migrated_database_url: str) -> None:
    async with key_replaced(migrated_database_url, is_named=False) as (api, kept):
        run = await verified(api)
        assert (run["status"], [one["kind"] for one in run["faults"]]) == ("faulty", ["bad_signature"])
        assert run["message"].endswith("A checkpoint of the log is signed by no key that this server knows.")
        refused = await api.post("/v1/audit/verifications", {"checkpoint": kept}, by="vera")
        assert (refused.status_code, refused.json()["reason_code"]) == (422, "checkpoint_invalid")


async def test_whoever_verifies_elsewhere_is_told_every_key_that_the_server_believes(
    migrated_database_url: str,
) -> None:
    async with key_replaced(migrated_database_url, is_named=True) as (api, _):
        shown = (await api.get("/v1/audit/checkpoint")).json()
        named = [CheckpointKey.parse(key) for key in (shown["verifier_key"], *shown["former_keys"])]
        export = (await api.get("/v1/audit/export")).content.splitlines(keepends=True)
        assert verify_export(export, named).is_sound
        assert not verify_export(export, named[:1]).is_sound


async def test_a_verification_that_this_process_did_not_make_is_not_found(api: Api) -> None:
    answer = await api.get("/v1/audit/verifications/ver_none")
    assert (answer.status_code, answer.json()["reason_code"]) == (404, "verification_not_found")


class Gated:
    """A log whose lines come when they are let through."""

    def __init__(self, api: Api, *, fails: bool = False) -> None:
        self.gate = asyncio.Event()
        self.opened = 0
        self._api = api
        self._fails = fails

    async def open(self) -> Source:
        self.opened += 1
        newest = await self._api.parts.sequencer.checkpoint()
        return Source(newest.size, newest.note, self._lines())

    async def _lines(self) -> AsyncIterator[bytes]:
        await self.gate.wait()
        if self._fails:
            raise StoreUnavailable("down")
        yield b"{}\n"


def runs_of(api: Api, gated: Gated, **changes: Any) -> Verifications:
    return Verifications(gated.open, api.parts.audit_key, api.parts.public_keys, **changes)


async def finish(runs: Verifications, run_id: str) -> Any:
    async with asyncio.timeout(60):
        while True:
            found = runs.find(run_id)
            if found is None or found.status != "running":
                return found
            await asyncio.sleep(0.01)


async def test_a_second_request_joins_the_run_that_is_under_way(api: Api) -> None:
    gated = Gated(api)
    runs = runs_of(api, gated)
    first, second = runs.start(), runs.start()
    assert first.id == second.id
    gated.gate.set()
    assert (await finish(runs, first.id)).status == "faulty"
    assert gated.opened == 1
    assert runs.start().id != first.id


async def test_another_checkpoint_does_not_join_a_run(api: Api) -> None:
    gated = Gated(api)
    runs = runs_of(api, gated)
    first = runs.start()
    kept = (await api.get("/v1/audit/checkpoint")).json()["note"]
    with pytest.raises(Problem) as refused:
        runs.start(kept)
    assert (refused.value.status, refused.value.code) == (409, "verification_running")
    gated.gate.set()
    await finish(runs, first.id)


async def test_a_run_that_cannot_read_says_nothing_about_the_log(api: Api) -> None:
    gated = Gated(api, fails=True)
    runs = runs_of(api, gated)
    run = runs.start()
    gated.gate.set()
    ended_run = await finish(runs, run.id)
    assert (ended_run.status, ended_run.reason_code) == ("failed", "store_unavailable")
    assert ended_run.message.endswith("That says nothing about the log.")


async def test_a_run_has_a_time_limit(api: Api) -> None:
    gated = Gated(api)
    gated.gate.set()
    runs = runs_of(api, gated, longest=timedelta(0))
    assert (await finish(runs, runs.start().id)).reason_code == "verification_too_long"


async def test_only_the_newest_results_are_kept(api: Api) -> None:
    gated = Gated(api)
    gated.gate.set()
    runs = runs_of(api, gated)
    first = runs.start()
    await finish(runs, first.id)
    for _ in range(KEPT_RUNS):
        await finish(runs, runs.start().id)
    assert runs.find(first.id) is None
