"""`GET /v1/configuration`: which file this process goes by, for operators and admins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.live_configuration import LiveConfiguration
from tests.api.serving import Api, serving

GOOD = "environments:\n  production: {}\n"
STRICTER = GOOD + "limits: {cooldown: 10m}\n"
WRONG = GOOD + "limits: {cooldown: soon, breakers: 3}\n"
SOON = timedelta(milliseconds=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sluice.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
async def following(migrated_database_url: str, file: Path) -> AsyncIterator[Api]:
    live = LiveConfiguration(file, "api", period=SOON, settle=SOON)
    async with serving(migrated_database_url, live=live, configuration=live.current) as served:
        yield served


async def put(api: Api, file: Path, text: str | None) -> None:
    """Write the file, or take it away, and have it judged."""
    if text is None:
        await asyncio.to_thread(file.unlink)
    else:
        await asyncio.to_thread(file.write_text, text)
    assert api.parts.live is not None
    while await api.parts.live.look():
        pass


async def test_the_file_in_force_is_told_by_its_digest(following: Api, file: Path) -> None:
    first = (await following.get("/v1/configuration", by="olga")).json()
    assert (first["tenant"], first["refused"]) == ("default", None)
    assert len(first["revision"]) == len("sha256:") + 64
    await put(following, file, STRICTER)
    second = (await following.get("/v1/configuration", by="olga")).json()
    assert second["revision"] != first["revision"]
    assert second["loaded_at"] > first["loaded_at"]


async def test_a_refused_file_is_told_with_line_key_and_reason_while_the_last_good_one_stays(
    following: Api, file: Path
) -> None:
    good = (await following.get("/v1/configuration", by="olga")).json()
    await put(following, file, WRONG)
    found = (await following.get("/v1/configuration", by="olga")).json()
    assert (found["revision"], found["loaded_at"]) == (good["revision"], good["loaded_at"])
    refused = found["refused"]
    assert refused["revision"] not in ("", good["revision"])
    assert {(one["line"], one["where"]) for one in refused["faults"]} == {
        (3, "limits.cooldown"),
        (3, "limits.breakers"),
    }
    assert all(one["reason"] and one["file"] == "" for one in refused["faults"])
    await put(following, file, GOOD)
    assert (await following.get("/v1/configuration", by="olga")).json()["refused"] is None


async def test_a_file_that_is_gone_is_refused_without_a_revision(following: Api, file: Path) -> None:
    await put(following, file, None)
    refused = (await following.get("/v1/configuration", by="olga")).json()["refused"]
    assert refused["revision"] == ""
    assert "cannot be read" in refused["faults"][0]["reason"]


@pytest.mark.parametrize("person", ["ana", "ben", "vera", "bot", "nobody"])
async def test_only_operators_and_admins_are_told(following: Api, person: str) -> None:
    answer = await following.get("/v1/configuration", by=person)
    assert (answer.status_code, answer.json()["reason_code"]) == (403, "role_required")


async def test_a_process_without_a_file_has_none_to_tell_of(api: Api) -> None:
    answer = await api.get("/v1/configuration", by="olga")
    assert (answer.status_code, answer.json()["reason_code"]) == (404, "configuration_not_found")
