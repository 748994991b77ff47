from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from adapters.audit.checkpoint import CheckpointKey, verify
from adapters.audit.verify import FaultKind, verify_export
from tests.api.serving import Api


async def events(api: Api, **params: Any) -> dict[str, Any]:
    answer = await api.get("/v1/audit/events", **params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def numbers(page: dict[str, Any]) -> list[int]:
    return [item["number"] for item in page["items"]]


async def test_numbered_events_are_paged_in_order_and_by_subject(api: Api) -> None:
    ids = [await api.propose() for _ in range(3)]
    await api.parts.sequencer.checkpoint()
    first = await events(api, limit=4)
    rest = await events(api, after=first["next_after"], limit=1_000)
    seen = numbers(first) + numbers(rest)
    assert seen == list(range(len(seen)))
    assert (rest["next_after"], rest["next_before"]) == (None, None)
    (mine,) = (await events(api, subject=ids[1]))["items"]
    assert (mine["event"]["type"], mine["event"]["subject"]) == ("proposal.created", ids[1])


async def test_the_newest_come_first_below_a_number_until_there_are_no_more(api: Api) -> None:
    for _ in range(3):
        await api.propose()
    size = (await api.parts.sequencer.checkpoint()).size
    first = await events(api, order="newest", limit=4)
    assert numbers(first) == [size - 1, size - 2, size - 3, size - 4]
    rest = await events(api, before=first["next_before"], limit=1_000)
    assert numbers(rest) == list(range(size - 5, -1, -1))
    assert rest["next_before"] is None
    between = await events(api, after=1, before=4, order="newest")
    assert numbers(between) == [3, 2]


async def test_a_page_that_ends_with_the_log_names_no_page_after_it(api: Api) -> None:
    size = (await api.parts.sequencer.checkpoint()).size
    assert (await events(api, limit=size))["next_after"] is None


async def test_events_are_found_by_types_and_by_actor_and_by_time(api: Api) -> None:
    proposal_id = await api.propose(by="ana")
    await api.parts.sequencer.checkpoint()
    by_type = await events(api, type=["proposal.created", "halt.created"])
    assert [item["event"]["subject"] for item in by_type["items"]] == [proposal_id]
    assert by_type["items"][0]["summary"].startswith("Proposed to resize acme-prod/serving/inference to 4")
    mine = await events(api, actor="local/ana")
    assert numbers(mine) == numbers(by_type)
    assert numbers(await events(api, actor="local/an")) == []
    now = datetime.now(UTC)
    assert numbers(await events(api, since=(now + timedelta(hours=1)).isoformat())) == []
    assert numbers(await events(api, until=(now - timedelta(hours=1)).isoformat())) == []
    around = {
        "since": (now - timedelta(hours=1)).isoformat(),
        "until": (now + timedelta(hours=1)).isoformat(),
    }
    assert numbers(await events(api, type="proposal.created", **around)) == numbers(by_type)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"type": "proposal.guessed"}, "query.type.0"),
        ({"actor": "ana"}, "query.actor"),
        ({"since": "2026-11-21T12:00:00"}, "query.since"),
        ({"until": "yesterday"}, "query.until"),
        ({"since": "2026-11-21T12:00:00Z", "until": "2026-11-21T12:00:00Z"}, "query.until"),
        ({"order": "sideways"}, "query.order"),
        ({"before": -1}, "query.before"),
        ({"subject": "x" * 501}, "query.subject"),
    ],
)
async def test_an_invalid_filter_is_refused_by_the_name_of_its_field(
    api: Api, params: dict[str, Any], field: str
) -> None:
    for path in ("events", "export?format=csv"):
        if path != "events" and field in ("query.order", "query.before"):
            continue
        separator = {} if path == "events" else {"format": "csv"}
        answer = await api.get(f"/v1/audit/{path.partition('?')[0]}", **(params | separator))
        assert answer.status_code == 422
        assert field in [one["field"] for one in answer.json()["errors"]]


async def test_a_checkpoint_covers_all_that_is_committed_and_is_signed_by_the_named_key(api: Api) -> None:
    await api.propose()
    shown = (await api.get("/v1/audit/checkpoint")).json()
    key = CheckpointKey.parse(shown["verifier_key"])
    assert verify(shown["note"], [key]).size == shown["size"] == await api.count("audit_events")
    assert shown["unnumbered"] == 0


async def _export(api: Api) -> list[bytes]:
    answer: httpx.Response = await api.get("/v1/audit/export")
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.headers["content-disposition"].endswith('.jsonl"')
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


async def test_a_part_of_the_log_is_never_exported_as_json_lines(api: Api) -> None:
    answer = await api.get("/v1/audit/export", type="proposal.created")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "query.format"


async def test_the_log_as_csv_has_one_row_per_event_and_takes_filters(api: Api) -> None:
    proposal_id = await api.propose(reason='=HYPERLINK("//evil")')
    whole = await api.get("/v1/audit/export", format="csv")
    assert whole.headers["content-type"] == "text/csv; charset=utf-8"
    assert whole.headers["content-disposition"].endswith('.csv"')
    rows = list(csv.DictReader(io.StringIO(whole.text, newline="")))
    assert [int(row["number"]) for row in rows] == list(range(await api.count("audit_events")))
    assert whole.text.endswith("\r\n")
    narrowed = await api.get("/v1/audit/export", format="csv", subject=proposal_id)
    (row,) = csv.DictReader(io.StringIO(narrowed.text, newline=""))
    assert (row["type"], row["actor"]) == ("proposal.created", "local/ana")
    assert row["summary"] == "Proposed to resize acme-prod/serving/inference to 4 per zone in production"
    assert len(row["leaf_hash"]) == 64


async def test_a_decision_record_is_told_from_the_log_with_the_numbers_that_prove_it(api: Api) -> None:
    view = await api.waiting()
    await api.parts.sequencer.checkpoint()
    answer = await api.get(f"/v1/audit/proposals/{view['id']}")
    assert answer.status_code == 200, answer.text
    record = answer.json()
    assert (record["state"], record["digest"]) == ("awaiting_approval", view["digest"])
    assert record["unnumbered"] == 0
    page = await events(api, subject=view["id"])
    proved = {
        number for chapter in record["chapters"] for one in chapter["sentences"] for number in one["proof"]
    }
    assert proved <= set(numbers(page))
    assert record["chapters"][0]["sentences"][0]["quote"]["text"] == "the queue grows"


async def test_what_has_no_number_yet_is_told_and_counted(api: Api) -> None:
    proposal_id = await api.propose()
    record = (await api.get(f"/v1/audit/proposals/{proposal_id}")).json()
    assert (record["events"], record["unnumbered"], record["headline"]["proof"]) == (1, 1, [])


async def test_there_is_no_record_of_a_proposal_that_is_not_there(api: Api) -> None:
    answer = await api.get("/v1/audit/proposals/prp_none")
    assert (answer.status_code, answer.json()["reason_code"]) == (404, "proposal_not_found")
