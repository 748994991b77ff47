"""A file that changes while the process runs: taken up whole, or refused while the last good one stays in force."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.dispatch.webhooks import WebhookDeliveries
from adapters.live_configuration import LiveConfiguration
from adapters.store.database import Database
from adapters.store.schema import audit_events
from contracts.configuration import Configuration
from contracts.errors import ConfigurationInvalid, StoreUnavailable

GOOD = """\
environments:
  production: {}
budgets:
  - {scope: {environment: production}, window: day, limit: "100"}
limits: {cooldown: 5m}
"""
STRICTER = GOOD.replace("5m", "10m")
SOON = timedelta(milliseconds=5)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sluice.yaml"
    path.write_text(GOOD)
    return path


def live_on(path: Path) -> LiveConfiguration:
    return LiveConfiguration(path, "worker", period=SOON, settle=SOON)


def put(path: Path, text: str) -> None:
    path.write_text(text)


async def settled(live: LiveConfiguration) -> None:
    """Look until the file is judged."""
    while await live.look():
        pass


def reasons(live: LiveConfiguration) -> list[tuple[int, str, str]]:
    assert live.refused is not None
    return [(one.line, one.where, one.reason) for one in live.refused.faults]


def minutes(live: LiveConfiguration) -> float:
    return live.current.limits.cooldown.total_seconds() / 60


async def test_a_good_change_comes_into_force_whole(file: Path) -> None:
    live = live_on(file)
    before = live.loaded
    put(file, STRICTER)
    await settled(live)
    assert (minutes(live), live.refused) == (10, None)
    assert live.loaded.revision != before.revision
    assert before.configuration.limits.cooldown == timedelta(minutes=5), (
        "who read it before keeps what they read"
    )


async def test_content_counts_only_once_it_was_the_same_in_two_looks(file: Path) -> None:
    live = live_on(file)
    put(file, STRICTER)
    assert await live.look() is True
    assert minutes(live) == 5
    put(file, GOOD.replace("5m", "20m"))
    assert await live.look() is True
    assert minutes(live) == 5
    assert await live.look() is False
    assert minutes(live) == 20


@pytest.mark.parametrize(
    ("text", "line", "where", "reason"),
    [
        ("", 1, "", "the file is empty"),
        (GOOD.replace("environments:\n  production: {}", "environments:"), 1, "environments", "dictionary"),
        (GOOD.replace("limits: {cooldown: 5m}", "limits:"), 5, "limits", "Limits"),
        (GOOD + "targets:\n", 6, "targets", "tuple"),
        (GOOD.replace("5m", "soon"), 5, "limits.cooldown", "duration"),
        (GOOD + "limts: {}\n", 6, "limts", "not known"),
        (GOOD[: GOOD.index("limits")], 1, "limits", "cut off"),
        (GOOD[: GOOD.index("budgets")], 1, "budgets", "cut off"),
        (GOOD[: GOOD.index(", window")], 4, "", "expected"),
        (GOOD.rstrip("\n"), 5, "", "half-written"),
        (GOOD + "\x00" * 100, 1, "", "not YAML"),
        ("tenant: other\n" + GOOD, 1, "tenant", "restart"),
    ],
    ids=[
        "empty", "blank environments", "blank limits", "blank targets", "not a duration", "unknown key",
        "cut before limits", "cut before budgets", "cut in a line", "cut before the last line end", "zeros", "tenant",
    ],
)  # fmt: skip
async def test_a_wrong_or_half_written_file_is_refused_with_line_and_reason(
    file: Path, text: str, line: int, where: str, reason: str
) -> None:
    live = live_on(file)
    put(file, text)
    await settled(live)
    assert live.current == live_on_text(GOOD, file)
    (found, *_) = reasons(live)
    assert found[:2] == (line, where)
    assert reason in found[2]


def live_on_text(text: str, file: Path) -> Configuration:
    other = file.with_name("other.yaml")
    other.write_text(text)
    return live_on(other).current


async def test_dropping_a_section_on_purpose_is_written_down(file: Path) -> None:
    live = live_on(file)
    put(file, "environments: {production: {}}\nbudgets: []\nlimits: {}\n")
    await settled(live)
    assert (live.refused, live.current.budgets) == (None, ())


async def test_a_file_that_is_gone_changes_nothing(file: Path) -> None:
    live = live_on(file)
    file.unlink()  # noqa: ASYNC240  one step
    await settled(live)
    assert minutes(live) == 5
    assert "cannot be read" in reasons(live)[0][2]


async def test_the_good_file_coming_back_ends_the_refusal(file: Path) -> None:
    live = live_on(file)
    put(file, "nothing: good\n")
    await settled(live)
    assert live.refused is not None
    put(file, GOOD)
    await settled(live)
    assert live.refused is None
    assert minutes(live) == 5


async def test_a_refused_file_is_refused_once(file: Path) -> None:
    live = live_on(file)
    put(file, "nothing: good\n")
    await settled(live)
    first = live.refused
    await settled(live)
    await settled(live)
    assert live.refused is first


async def test_a_swapped_directory_link_is_seen(tmp_path: Path) -> None:
    """Kubernetes renames the link `..data` of a mounted ConfigMap; the file's own path never changes."""
    for name, text in (("one", GOOD), ("two", STRICTER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sluice.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "sluice.yaml").symlink_to("..data/sluice.yaml")
    live = live_on(tmp_path / "sluice.yaml")
    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").rename(tmp_path / "..data")
    await settled(live)
    assert minutes(live) == 10


async def test_a_change_within_the_same_tick_and_size_is_seen(file: Path) -> None:
    live = live_on(file)
    stamp = file.stat()  # noqa: ASYNC240  one look
    put(file, GOOD.replace("5m", "6m"))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    await settled(live)
    assert minutes(live) == 6


async def test_a_process_does_not_start_on_a_wrong_file(file: Path) -> None:
    put(file, "environments:\n")
    with pytest.raises(ConfigurationInvalid, match=r"sluice\.yaml:1: environments: "):
        live_on(file)


async def test_nothing_comes_into_force_when_one_part_cannot_follow(file: Path) -> None:
    live = live_on(file)
    taken: list[str] = []

    def refuses(_: Configuration) -> Callable[[], None]:
        raise ConfigurationInvalid("table.csv:3: not a price row")

    live.adopt(lambda _: lambda: taken.append("first"))
    live.adopt(refuses)
    put(file, STRICTER)
    await settled(live)
    assert (minutes(live), taken) == (5, [])
    assert reasons(live) == [(1, "", "table.csv:3: not a price row")]


def notifying(tmp_path: Path, secret: str) -> str:
    url = "https://pager.example.com/path-that-is-a-secret"
    return GOOD + f"notifications:\n  - {{url: '{url}', secret_file: {tmp_path / secret}}}\n"


async def test_a_webhook_whose_secret_is_missing_keeps_the_file_out(
    database: Database, file: Path, tmp_path: Path
) -> None:
    live = live_on(file)
    live.adopt(WebhookDeliveries(database, ()).adopt)
    put(file, notifying(tmp_path, "missing"))
    await settled(live)
    assert live.current.notifications == ()
    assert "path-that-is-a-secret" not in str(reasons(live))


async def test_a_refused_file_counts_once_what_it_names_has_come(
    database: Database, file: Path, tmp_path: Path
) -> None:
    live = live_on(file)
    live.adopt(WebhookDeliveries(database, ()).adopt)
    put(file, notifying(tmp_path, "late"))
    await settled(live)
    assert live.refused is not None
    put(tmp_path / "late", "whsec_" + "A" * 32)
    await settled(live)
    assert (live.refused is None, len(live.current.notifications)) == (True, 1)


async def test_a_new_secret_in_a_named_file_is_taken_up(
    database: Database, file: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "pager"
    put(secret, "whsec_" + "A" * 32)
    put(file, notifying(tmp_path, "pager"))
    live, webhooks = live_on(file), WebhookDeliveries(database, ())
    taken: list[Configuration] = []

    def follow(found: Configuration) -> Callable[[], None]:
        put_in_force = webhooks.adopt(found)

        def both() -> None:
            put_in_force()
            taken.append(found)

        return both

    live.adopt(follow)
    await settled(live)
    assert taken == []
    put(secret, "whsec_" + "B" * 44)
    await settled(live)
    assert taken == [live.current]


async def audited(database: Database) -> list[tuple[str, dict[str, object]]]:
    async with database.reading() as connection:
        wanted = select(audit_events.c.type, audit_events.c.leaf).order_by(audit_events.c.ordinal)
        rows = (await connection.execute(wanted)).all()
    return [(row.type, json.loads(row.leaf)["payload"]) for row in rows]


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(0.01)


async def story(database: Database, length: int) -> list[tuple[str, dict[str, object]]]:
    async with asyncio.timeout(60):
        while len(found := await audited(database)) < length:  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(0.01)
    return found


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_what_was_loaded_and_refused_is_audited(database: Database, file: Path) -> None:
    live = live_on(file)
    first = live.loaded.revision
    running = asyncio.create_task(live.run(database))
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, live.wake)
    put(file, "environments: 3\n")
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: live.refused is not None)
    put(file, STRICTER)
    await until(lambda: live.refused is None)
    found = await story(database, 3)
    await ended(running)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
    assert [kind for kind, _ in found] == [
        "configuration.loaded", "configuration.refused", "configuration.loaded",
    ]  # fmt: skip
    assert found[0][1] == {"process": "worker", "revision": first, "previous": None}
    assert found[1][1]["in_force"] == first
    assert found[2][1] == {"process": "worker", "revision": live.loaded.revision, "previous": first}


async def test_while_the_database_is_away_nothing_of_the_story_is_lost(
    database: Database, file: Path
) -> None:
    live = live_on(file)
    lost = Database("postgresql://nobody@127.0.0.1:1/none")
    running = asyncio.create_task(live.run(lost))
    put(file, STRICTER)
    await until(lambda: minutes(live) == 10)
    await ended(running)
    await lost.close()
    running = asyncio.create_task(live.run(database))
    found = await story(database, 2)
    await ended(running)
    assert [payload["previous"] is None for _, payload in found] == [True, False]


class Unheard(Database):
    """Its first commit is done, and the connection breaks before anybody hears of it."""

    heard = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        async with super().transaction() as connection:
            yield connection
        if not self.heard:
            self.heard = True
            raise StoreUnavailable("the connection broke")


async def test_a_database_that_breaks_while_it_audits_a_change_keeps_no_later_change_out(
    database: Database, migrated_database_url: str, file: Path
) -> None:
    live, unheard = live_on(file), Unheard(migrated_database_url)
    running = asyncio.create_task(live.run(unheard))
    await story(database, 1)
    put(file, STRICTER)
    async with asyncio.timeout(60):
        while minutes(live) != 10:
            assert not running.done()
            await asyncio.sleep(0.01)
    found = await story(database, 2)
    await ended(running)
    await unheard.close()
    assert [payload["previous"] is None for _, payload in found] == [True, False]
