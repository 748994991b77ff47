from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import AnyHttpUrl, SecretBytes
from sqlalchemy import text

from adapters.dispatch import webhooks
from adapters.dispatch.delivery import Backoff
from adapters.dispatch.dispatcher import Dispatcher
from adapters.dispatch.webhooks import WebhookDeliveries, read_secret, signature
from adapters.store import halts, proposals
from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from contracts.configuration import Notification, NotificationEvent
from contracts.errors import ConfigurationInvalid
from contracts.principal import SYSTEM
from contracts.proposal import ProposalState
from contracts.safety import HaltScope
from tests.adapters.dispatch.recording import Receiver, receiving, silent
from tests.adapters.dispatch.running import QUICK, all_done, eventually, put, rows, running
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import BEN
from tests.database_clock import set_clock

KEY = bytes(range(32))
CAPPED = Backoff(first=timedelta(0), longest=timedelta(0), attempts=3)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as started:
        yield started


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "webhook.secret"
    file.write_text("whsec_" + base64.b64encode(KEY).decode() + "\n")
    return file


def notification(url: str, secret_file: Path, *events: NotificationEvent) -> Notification:
    return Notification(
        url=AnyHttpUrl(url), secret_file=str(secret_file), events=events or tuple(NotificationEvent)
    )


async def deliver(database: Database, *configured: Notification, backoff: Backoff = CAPPED) -> None:
    deliveries = WebhookDeliveries(database, configured).by_kind()
    async with running(Dispatcher(database, deliveries, backoff).run):
        await eventually(lambda: all_done(database))


async def no_attempt_is_left(database: Database) -> bool:
    return all(row.done_at is not None or row.last_error is not None for row in await rows(database))


def test_the_signature_is_that_of_the_specification() -> None:
    # Example of the reference libraries of Standard Webhooks.
    secret = SecretBytes(base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_certificates_are_read_once_for_all_deliveries(
    database: Database, receiver: Receiver, secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, make = [], ssl.create_default_context

    def counted(*arguments: object, **named: object) -> ssl.SSLContext:
        made.append(arguments)
        return make(*arguments, **named)  # type: ignore[arg-type]

    webhooks._trusted.cache_clear()
    monkeypatch.setattr(ssl, "create_default_context", counted)
    for subject in ("kind:x", "kind:y"):
        await put(database, OutboxKind.NOTIFY, subject, event="breaker_open")
    await deliver(database, notification(f"{receiver.url}/a", secret_file))
    assert len(receiver.received) == 2
    assert len(made) == 1


async def test_a_waiting_proposal_is_told_to_every_url_signed(
    database: Database, receiver: Receiver, secret_file: Path
) -> None:
    made = await stored_proposal(database)
    async with database.transaction() as connection:
        row = await proposals.lock(connection, made.id)
        await proposals.move(
            connection,
            row,
            ProposalState.AWAITING_APPROVAL,
            actor=SYSTEM,
            reason_code="quorum",
            proposal=made,
        )
    await deliver(
        database,
        notification(f"{receiver.url}/a", secret_file),
        notification(f"{receiver.url}/b", secret_file, NotificationEvent.WAITING),
        notification(f"{receiver.url}/c", secret_file, NotificationEvent.DIRTY),
    )
    assert sorted(one.path for one in receiver.received) == ["/a", "/b"]
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 2
    for one in receiver.received:
        signed = f"{one.headers['webhook-id']}.{one.headers['webhook-timestamp']}.".encode() + one.body
        expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert one.headers["webhook-signature"] == f"v1,{expected}"
        body = json.loads(one.body)
        assert body["type"] == "sluice.waiting"
        assert body["data"]["proposal_id"] == made.id
        assert body["data"]["summary"] == "resize acme-prod/serving/inference to 4 per zone"
        assert body["data"]["digest"] == made.digest


async def test_a_message_is_of_now_by_the_clock_of_the_database(
    migrated_database_url: str, receiver: Receiver, secret_file: Path
) -> None:
    await set_clock(migrated_database_url, timedelta(days=1000))
    database = Database(migrated_database_url, pool_size=2)
    await put(database, OutboxKind.NOTIFY, "kind:x", event="breaker_open")
    await deliver(database, notification(f"{receiver.url}/a", secret_file))
    await database.close()
    ahead = int(receiver.received[0].headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()
    assert timedelta(days=999) < timedelta(seconds=ahead) < timedelta(days=1001)


async def test_an_event_that_is_no_proposal_is_told_too(
    database: Database, receiver: Receiver, secret_file: Path
) -> None:
    await put(database, OutboxKind.NOTIFY, "kind:x", event="breaker_open", breaker_id="kind:x")
    await deliver(database, notification(f"{receiver.url}/a", secret_file))
    assert json.loads(receiver.received[0].body)["data"] == {"breaker_id": "kind:x"}


async def test_the_words_of_who_halts_are_one_text_among_typed_fields(
    database: Database, receiver: Receiver, secret_file: Path
) -> None:
    words = 'stop"}, "type": "sluice.waiting", "data": {"halt_id": "hlt_0\n{{ reason }} <!channel>'
    async with database.transaction() as connection:
        scope = HaltScope(target="gke.node_pool/acme-prod/*")
        made = await halts.create(connection, scope, words, actor=BEN, tenant="default")
    await deliver(database, notification(f"{receiver.url}/a", secret_file, NotificationEvent.HALT_CREATED))
    (received,) = receiver.received
    body = json.loads(received.body)
    assert (body["type"], set(body)) == ("sluice.halt_created", {"type", "timestamp", "data"})
    assert body["data"] == {
        "halt_id": made.id,
        "reason_code": "halted_by_operator",
        "by": "local/ben",
        "reason": words,
        "scope": {"target": "gke.node_pool/acme-prod/*"},
    }


async def test_one_url_that_fails_keeps_its_id_and_holds_up_no_other(
    database: Database, receiver: Receiver, secret_file: Path
) -> None:
    receiver.answers["/flaky"] = [500, 302]
    await put(database, OutboxKind.NOTIFY, "kind:x", event="breaker_open")
    configured = [notification(f"{receiver.url}/{name}", secret_file) for name in ("flaky", "good")]
    await deliver(database, *configured, backoff=QUICK)
    assert [one.path for one in receiver.received].count("/good") == 1
    flaky = [one.headers["webhook-id"] for one in receiver.received if one.path == "/flaky"]
    assert len(flaky) == 3
    assert len(set(flaky)) == 1
    assert not [one for one in receiver.received if one.path == "/elsewhere"]
    assert {row.last_error for row in await rows(database)} == {None}


async def test_after_a_restore_no_notification_has_the_id_of_one_sent_before(
    database: Database, receiver: Receiver, secret_file: Path
) -> None:
    for _ in range(2):
        # To a moment before either was written.
        async with database.transaction() as connection:
            await connection.execute(text("truncate outbox restart identity"))
        await put(database, OutboxKind.NOTIFY, "kind:x", event="breaker_open")
        await deliver(database, notification(f"{receiver.url}/a", secret_file))
    first, second = (one.headers["webhook-id"] for one in receiver.received)
    assert first != second


async def test_a_url_that_does_not_answer_takes_the_place_of_no_other(
    database: Database, receiver: Receiver, secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with silent() as (url, asked):
        monkeypatch.setattr(webhooks, "TIMEOUT", timedelta(seconds=1))
        for number in range(60):
            await put(database, OutboxKind.NOTIFY, f"kind:{number}", event="breaker_open")
        await put(database, OutboxKind.NOTIFY, "prp_1", event="dirty")
        configured = (
            notification(url, secret_file, NotificationEvent.BREAKER_OPEN),
            notification(f"{receiver.url}/pager", secret_file, NotificationEvent.DIRTY),
        )
        deliveries = WebhookDeliveries(database, configured).by_kind()
        once = Backoff(first=timedelta(hours=1), longest=timedelta(hours=1))

        async def asked_when_paged() -> int:
            return len(asked) if receiver.received else 0

        async with running(Dispatcher(database, deliveries, once).run):
            assert await eventually(asked_when_paged) < 30
            await eventually(lambda: no_attempt_is_left(database))
    assert {row.last_error for row in await rows(database)} == {None, "timeout"}


async def test_a_url_that_answers_again_is_told_as_before(
    database: Database, receiver: Receiver, secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.silent_for = 1
    monkeypatch.setattr(webhooks, "TIMEOUT", timedelta(seconds=1))
    for number in range(5):
        await put(database, OutboxKind.NOTIFY, f"kind:{number}", event="breaker_open")
    await deliver(database, notification(f"{receiver.url}/a", secret_file), backoff=QUICK)
    assert {row.last_error for row in await rows(database)} == {None}
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 5


@pytest.mark.parametrize(
    ("answers", "code", "attempts"), [([500] * 9, "http_500", 3), ([410], "http_410", 1)]
)
async def test_a_url_that_never_takes_it_is_given_up(
    database: Database, receiver: Receiver, secret_file: Path, answers: list[int], code: str, attempts: int
) -> None:
    receiver.answers["/a"] = answers
    await put(database, OutboxKind.NOTIFY, "kind:x", event="breaker_open")
    await deliver(database, notification(f"{receiver.url}/a", secret_file))
    assert len(receiver.received) == attempts
    assert (await rows(database))[-1].last_error == code


async def test_neither_url_nor_secret_is_kept_with_a_row(
    database: Database, free_port: Callable[[], int], secret_file: Path
) -> None:
    await put(database, OutboxKind.NOTIFY, "kind:x", event="breaker_open")
    await deliver(database, notification(f"http://127.0.0.1:{free_port()}/hidden", secret_file))
    async with database.reading() as connection:
        stored = (
            (await connection.execute(text("select outbox::text from outbox order by id"))).scalars().all()
        )
    assert "unreachable" in stored[-1]
    assert not [row for row in stored if "hidden" in row or "127.0.0.1" in row]


async def test_a_url_that_is_no_longer_configured_is_given_up(database: Database) -> None:
    await put(database, OutboxKind.NOTIFY, "kind:x", event="breaker_open", endpoint="0" * 16)
    await deliver(database)
    assert (await rows(database))[0].last_error == "endpoint_not_configured"


async def test_without_any_url_a_notification_is_simply_done(database: Database) -> None:
    await put(database, OutboxKind.NOTIFY, "kind:x", event="dirty")
    await deliver(database)
    assert [row.last_error for row in await rows(database)] == [None]


@pytest.mark.parametrize("content", ["", "whsec_", "whsec_AAAA", "no prefix", "whsec_" + "!" * 40, "ü"])
def test_a_secret_file_that_holds_none_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secret"
    file.write_text(content)
    with pytest.raises(ConfigurationInvalid) as refused:
        read_secret(file)
    held = content.removeprefix("whsec_")
    assert not held or held not in str(refused.value)
