from __future__ import annotations

import httpx

from adapters.audit.checkpoint import CheckpointKey, verify
from adapters.audit.verify import FaultKind, verify_export
from tests.api.serving import Api


async def test_numbered_events_are_paged_in_order_and_by_subject(api: Api) -> None:
    ids = [await api.propose() for _ in range(3)]
    await api.parts.sequencer.checkpoint()
    first = (await api.get("/v1/audit/events", limit=4)).json()
    rest = (await api.get("/v1/audit/events", after=first["next_after"], limit=1_000)).json()
    numbers = [item["number"] for item in first["items"] + rest["items"]]
    assert numbers == list(range(len(numbers)))
    assert rest["next_after"] is None
    (mine,) = (await api.get("/v1/audit/events", subject=ids[1])).json()["items"]
    assert (mine["event"]["type"], mine["event"]["subject"]) == ("proposal.created", ids[1])


async def test_a_checkpoint_covers_all_that_is_committed_and_is_signed_by_the_named_key(api: Api) -> None:
    await api.propose()
    shown = (await api.get("/v1/audit/checkpoint")).json()
    key = CheckpointKey.parse(shown["verifier_key"])
    assert verify(shown["note"], [key]).size == shown["size"] == await api.count("audit_events")
    assert shown["unnumbered"] == 0


async def _export(api: Api) -> list[bytes]:
    answer: httpx.Response = await api.get("/v1/audit/export")
    assert answer.headers["content-type"] == "application/jsonl"
    return answer.content.splitlines(keepends=True)


async def test_an_export_verifies_offline_and_an_older_checkpoint_finds_truncation(api: Api) -> None:
    for _ in range(5):
        await api.propose()
    short = await _export(api)
    await api.propose()
    kept = (await api.get("/v1/audit/checkpoint")).json()["note"]
    lines = await _export(api)
    key = api.parts.audit_key
    sound = verify_export(lines, [key], kept)
    assert sound.is_sound
    assert sound.is_anchored
    assert sound.entries == await api.count("audit_events")
    truncated = verify_export(short, [key], kept)
    assert [fault.kind for fault in truncated.faults] == [FaultKind.TRUNCATED]
