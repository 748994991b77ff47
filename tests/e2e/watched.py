"""A stack that is watched from outside: its model, webhook, traces and database are the test's own.

Every place that holds a secret holds a marked one.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest_asyncio

from local.postgres import SUPERUSER
from tests.e2e.outsiders import SpanSink, Webhook, served, span_sink
from tests.e2e.practice_ground import Ground
from tests.e2e.stack import Programs, Stack, running_stack
from tests.openai_server import ChatServer
from tests.side_by_side import ends_with_its_unit

LLM_KEY = f"canary-model-{secrets.token_hex(12)}"
DATABASE_PASSWORD = f"canary-database-{secrets.token_hex(12)}"
TEMPORAL_KEY = f"canary-temporal-{secrets.token_hex(12)}"
CLIENT_SECRET = f"canary-client-{secrets.token_hex(12)}"
WEBHOOK_PATH = f"canary-webhook-{secrets.token_hex(12)}"
WEBHOOK_SECRET = f"whsec_{secrets.token_hex(24)}"

MARKED = {
    "SLUICE_LLM__API_KEY": LLM_KEY,
    "SLUICE_OIDC__ISSUER": "https://127.0.0.1:9",
    "SLUICE_OIDC__CLIENT_ID": "sluice",
    "SLUICE_OIDC__CLIENT_SECRET": CLIENT_SECRET,
    "SLUICE_OIDC__ROLES": '{"sre": ["viewer"]}',
}
"""Settings that hold secrets, beside the database's URL and Temporal's key: that one goes over TLS only, which the dev
server does not speak, so a worker of its own tries it in vain."""


@dataclass(frozen=True)
class Watched:
    """A stack and everything it can tell something to."""

    stack: Stack
    directory: Path
    model: ChatServer
    webhook: Webhook
    sink: SpanSink

    def secrets(self) -> dict[str, str]:
        """What must not come out, by a name that may."""
        found = {
            "model key": LLM_KEY,
            "database password": DATABASE_PASSWORD,
            "Temporal key": TEMPORAL_KEY,
            "client secret": CLIENT_SECRET,
            "webhook path": WEBHOOK_PATH,
            "webhook secret": WEBHOOK_SECRET,
        }
        found |= {f"token of {name}": token for name, token in self.stack.tokens.items()}
        for file in (self.stack.state_dir / "keys").glob("*.pem"):
            found[file.name] = file.read_text().splitlines()[1]
        return found

    def leaks(self, where: str, content: bytes) -> list[str]:
        return [f"{name} in {where}" for name, secret in self.secrets().items() if secret.encode() in content]


@asynccontextmanager
async def own_database(postgres_url: str) -> AsyncIterator[str]:
    """A database of its own, under a URL with a password, which the server does not ask for."""
    name = f"watched_{secrets.token_hex(6)}"
    server = await asyncpg.connect(postgres_url.replace("+asyncpg", "", 1))
    await server.execute(f"create database {name}")
    marked = postgres_url.replace(f"{SUPERUSER}@", f"{SUPERUSER}:{DATABASE_PASSWORD}@", 1)
    yield marked.replace(f"/{SUPERUSER}?", f"/{name}?", 1)
    await server.execute(f"drop database {name} with (force)")
    await server.close()


@asynccontextmanager
async def watching(programs: Programs, postgres_url: str, directory: Path) -> AsyncIterator[Watched]:
    """Run a stack in `directory` whose every secret is a marked one."""
    secret = directory / "webhook.secret"
    secret.write_text(WEBHOOK_SECRET)
    secret.chmod(0o600)
    model, webhook = ChatServer(), Webhook(f"/{WEBHOOK_PATH}")
    async with own_database(postgres_url) as database_url, served(model, webhook), span_sink() as sink:
        changes = MARKED | {
            "SLUICE_DATABASE__URL": database_url,
            "SLUICE_LLM__BASE_URL": model.base_url,
            "SLUICE_TELEMETRY__OTLP_ENDPOINT": sink.endpoint,
            "SLUICE_TELEMETRY__LOG_LEVEL": "debug",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        ground = Ground(8, notifications=[{"url": webhook.url, "secret_file": str(secret)}])
        async with running_stack(directory, programs, ground, **changes) as running:
            yield Watched(running, directory, model, webhook, sink)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def watched(
    programs: Programs, postgres_url: str, stack_directory: Callable[[str], Path]
) -> AsyncIterator[Watched]:
    async with watching(programs, postgres_url, stack_directory("watched")) as running:
        ends_with_its_unit(running.stack.ask_to_stop)
        yield running
