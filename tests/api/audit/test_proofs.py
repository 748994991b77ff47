"""One entry proved alone, and a log that only grew, over the API on a real database; what comes is verified offline."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from adapters.audit.checkpoint import verify
from adapters.audit.export import read_entry
from adapters.audit.proof import ProofInvalid, verify_entry, verify_growth
from adapters.store import audit_log
from contracts.audit import AuditType
from contracts.principal import SYSTEM
from tests.api.serving import Api, decision_on

PROOF = "/v1/audit/events/{}/proof"
GONE = "delete from audit_events where number >= :size"
NODES_GONE = "delete from audit_nodes where (position + 1) << level > :size"


async def note(api: Api) -> dict[str, Any]:
    shown: dict[str, Any] = (await api.get("/v1/audit/checkpoint")).json()
    return shown


async def proof(api: Api, number: int, **params: Any) -> bytes:
    answer = await api.get(PROOF.format(number), **params)
    assert answer.status_code == 200, answer.text
    return answer.content


async def growth(api: Api, old: int) -> dict[str, Any]:
    answer = await api.get("/v1/audit/consistency", old=old)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refused(api: Api, path: str, **params: Any) -> tuple[int, str]:
    answer = await api.get(path, **params)
    return answer.status_code, answer.json()["reason_code"]


async def tamper(api: Api, *statements: str, **values: Any) -> None:
    """Change the log as whoever owns the database can."""
    async with api.database.transaction() as connection:
        for table in ("audit_events", "audit_nodes", "audit_checkpoints"):
            await connection.execute(text(f"alter table {table} disable trigger user"))
        for statement in statements:
            await connection.execute(text(statement), values)
        for table in ("audit_events", "audit_nodes", "audit_checkpoints"):
            await connection.execute(text(f"alter table {table} enable trigger user"))


async def test_every_entry_of_the_log_is_proved_alone_and_is_what_the_export_has(api: Api) -> None:
    view = await api.waiting()
    await api.post(f"/v1/proposals/{view['id']}/decisions", decision_on(view), by="ben")
    exported = (await api.get("/v1/audit/export")).content.splitlines(keepends=True)
    entries = [entry for entry in map(read_entry, exported) if entry]
    assert len(entries) == await api.count("audit_events")
    for entry in entries:
        content = await proof(api, entry.number)
        proved = verify_entry(content, [api.parts.audit_key])
        assert proved.entry == entry
        assert content.splitlines(keepends=True)[0] in exported


async def test_a_proof_is_a_file_of_text_named_for_its_entry(api: Api) -> None:
    await note(api)
    answer = await api.get(PROOF.format(0))
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="sluice-audit-0.proof"'


async def test_the_newest_checkpoint_that_there_is_is_used_as_long_as_it_covers_the_entry(api: Api) -> None:
    before = await note(api)
    await api.propose()
    proved = verify_entry(await proof(api, before["size"] - 1), [api.parts.audit_key], before["note"])
    assert proved.checkpoint.size == before["size"]
    assert await api.count("audit_checkpoints") == 1


async def test_a_checkpoint_is_signed_for_an_entry_that_none_covers(api: Api) -> None:
    size = (await note(api))["size"]
    await api.propose()
    assert await api.parts.sequencer.advance() == 1
    proved = verify_entry(await proof(api, size), [api.parts.audit_key])
    assert (proved.entry.number, proved.checkpoint.size) == (size, size + 1)


async def test_a_proof_under_a_checkpoint_that_was_kept_is_to_be_had_for_good(api: Api) -> None:
    kept = await note(api)
    for _ in range(3):
        await api.propose()
        await note(api)
    content = await proof(api, 0, size=kept["size"])
    assert verify_entry(content, [api.parts.audit_key], kept["note"]).checkpoint.size == kept["size"]
    with pytest.raises(ProofInvalid):
        verify_entry(await proof(api, 0), [api.parts.audit_key], kept["note"])


async def test_there_is_no_proof_of_what_is_not_there(api: Api) -> None:
    await api.propose()
    size = (await note(api))["size"]
    await api.propose()
    assert await refused(api, PROOF.format(size)) == (404, "event_not_found"), "it has no number yet"
    assert await refused(api, PROOF.format(2**63 - 1)) == (404, "event_not_found")
    assert await refused(api, PROOF.format(0), size=size + 1) == (404, "checkpoint_not_found")
    assert await refused(api, PROOF.format(2**63)) == (422, "invalid_request")
    assert await refused(api, PROOF.format(-1)) == (422, "invalid_request")
    assert await refused(api, PROOF.format("first")) == (422, "invalid_request")


async def test_a_checkpoint_from_before_an_entry_does_not_prove_it(api: Api) -> None:
    size = (await note(api))["size"]
    await api.propose()
    await note(api)
    assert await refused(api, PROOF.format(size), size=size) == (404, "checkpoint_not_found")


async def test_an_entry_of_another_tenant_is_not_there(api: Api) -> None:
    event = audit_log.event(
        AuditType.PROPOSAL_MOVED, tenant="other", subject="prp_1", actor=SYSTEM, payload={}
    )
    async with api.database.transaction() as connection:
        await audit_log.append(connection, event)
    size = (await note(api))["size"]
    assert await refused(api, PROOF.format(size - 1)) == (404, "event_not_found")


@pytest.mark.parametrize("path", [PROOF.format(0), "/v1/audit/consistency?old=1"])
async def test_proofs_are_for_whoever_may_read_the_log(api: Api, path: str) -> None:
    await note(api)
    assert (await api.http.get(path)).status_code == 401
    assert (await api.http.get(path, headers=api.headers("nobody"))).status_code == 403
    assert (await api.http.get(path, headers=api.headers("vera"))).status_code == 200


async def test_an_entry_that_was_changed_in_the_database_is_not_proved(api: Api) -> None:
    await api.propose()
    await note(api)
    await tamper(api, "update audit_events set leaf = overlay(leaf placing 'X'::bytea from 20 for 1)")
    with pytest.raises(ProofInvalid, match="does not give its hash"):
        verify_entry(await proof(api, 0), [api.parts.audit_key])


async def test_each_checkpoint_is_proved_to_be_extended_by_a_fresh_one(api: Api) -> None:
    kept = [await note(api)]
    for _ in range(4):
        await api.propose()
        kept.append(await note(api))
    await api.propose()
    keys = [api.parts.audit_key]
    for one in kept:
        found = await growth(api, one["size"])
        new = verify_growth(one["note"], found["checkpoint"]["note"], found["path"], keys)
        assert (found["old"], new.size) == (one["size"], await api.count("audit_events"))
        assert verify(found["checkpoint"]["note"], keys) == new


async def test_a_log_extends_itself_and_the_empty_one_by_an_empty_path(api: Api) -> None:
    shown = await note(api)
    for old in (0, shown["size"]):
        assert await growth(api, old) == {"old": old, "checkpoint": shown, "path": []}


async def test_a_log_is_not_asked_whether_it_extends_a_longer_one(api: Api) -> None:
    size = (await note(api))["size"]
    path = "/v1/audit/consistency"
    assert await refused(api, path, old=size + 1) == (404, "checkpoint_not_found")
    assert await refused(api, path, old=2**63 - 1) == (404, "checkpoint_not_found")
    for old in (-1, 2**63, "", "many"):
        assert await refused(api, path, old=old) == (422, "invalid_request")
    assert await refused(api, path) == (422, "invalid_request")


async def test_a_log_that_was_rolled_back_and_went_on_is_found_by_what_was_kept(api: Api) -> None:
    before = (await note(api))["size"]
    await api.propose()
    kept = await note(api)
    await tamper(api, GONE, NODES_GONE, "delete from audit_checkpoints where size > :size", size=before)
    for _ in range(3):
        await api.propose()
    found = await growth(api, kept["size"])
    with pytest.raises(ProofInvalid, match=f"begins with the {kept['size']} entries"):
        verify_growth(kept["note"], found["checkpoint"]["note"], found["path"], [api.parts.audit_key])


async def test_a_log_whose_signed_end_is_gone_says_so_instead_of_proving_anything(api: Api) -> None:
    before = (await note(api))["size"]
    await api.propose()
    await note(api)
    await tamper(api, GONE, NODES_GONE, size=before)
    assert await refused(api, PROOF.format(0)) == (409, "audit_log_cut_off")
    assert await refused(api, "/v1/audit/consistency", old=before) == (409, "audit_log_cut_off")
