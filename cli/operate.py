"""The parts one by one, for production: `sluice api|worker|migrate|tokens|config|doctor`.

These run in this process and read the settings; everything else on the command line speaks HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from cli.exit_codes import CommandFailed, ExitCode
from cli.output import say, table, write_json
from cli.session import Session, command, tell

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from contracts.principal import Principal
    from settings import Settings

T = TypeVar("T")
_MAX_DAYS = 366


class RoleName(StrEnum):
    """Roles as one names them on the command line."""

    VIEWER = "viewer"
    REQUESTER = "requester"
    APPROVER = "approver"
    OPERATOR = "operator"
    ADMIN = "admin"


class KindName(StrEnum):
    """Kinds of principals as one names them on the command line."""

    HUMAN = "human"
    AGENT = "agent"
    SERVICE = "service"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for function in (api, worker, migrate, doctor):
        app.command()(function)
    tokens = typer.Typer(help="Bearer tokens.", no_args_is_help=True, rich_markup_mode=None)
    tokens.command("issue")(issue)
    tokens.command("revoke")(revoke)
    app.add_typer(tokens, name="tokens")
    config = typer.Typer(help="The declarative file.", no_args_is_help=True, rich_markup_mode=None)
    config.command("check")(check)
    config.command("status")(status)
    config.command("schema")(schema)
    app.add_typer(config, name="config")


@contextmanager
def _our_errors() -> Iterator[None]:
    from contracts.errors import ConfigurationInvalid, SluiceError, TablesNotCurrent

    try:
        yield
    except ConfigurationInvalid as error:
        raise CommandFailed(str(error), ExitCode.USAGE, "see what is set: `sluice doctor`") from error
    except TablesNotCurrent as error:
        raise CommandFailed(f"{error} ({error.reason_code})", ExitCode.USAGE) from error
    except SluiceError as error:
        raise CommandFailed(f"{error} ({error.reason_code})", ExitCode.ERROR, "`sluice doctor`") from error


@contextmanager
def _part() -> Iterator[None]:
    """End the process with the work that it is there for, however that ends."""
    try:
        with _our_errors():
            yield
    except CommandFailed as failed:
        tell(failed)
        _end(failed.code)
    _end()


def _end(code: int = 0) -> NoReturn:
    """End the process now. Threads of Temporal's runtime may outlive the interpreter and abort it on its way out."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@command
def api(session: Session) -> None:
    """Serve the API, with its dispatcher and sequencer, until SIGTERM."""
    from bootstrap import run_api

    with _part():
        run_api(session.settings)


@command
def worker(
    session: Session,
    queues: Annotated[
        str | None,
        typer.Option(help="Task queues to serve, with commas: main, agent, effects. Default: all."),
    ] = None,
) -> None:
    """Serve task queues until SIGTERM. Refuses to run without SLUICE_GKE__MODE."""
    from bootstrap import run_worker

    with _part():
        asyncio.run(run_worker(session.settings, _queues(queues)))


def _queues(given: str | None) -> list[str]:
    from contracts.messages import QUEUE_AGENT, QUEUE_EFFECTS, QUEUE_MAIN

    known = {"main": QUEUE_MAIN, "agent": QUEUE_AGENT, "effects": QUEUE_EFFECTS}
    if given is None:
        return list(known.values())
    names = [name.strip().removeprefix("sluice-") for name in given.split(",")]
    for name in names:
        if name not in known:
            raise CommandFailed(f"there is no task queue {name!r}", ExitCode.USAGE, f"{', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)]


@command
def migrate(
    session: Session,
    tokens: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Then store a local stack's tokens: JSON, local identity → token."),
    ] = None,
) -> None:
    """Bring the database to the newest revision. A second run changes nothing."""
    from bootstrap import migrate as run

    with _part():
        asyncio.run(run(session.settings))
        say("the database is at the newest revision")
        if tokens is not None:
            _import(session.settings, tokens)
            say(f"the identities of {tokens} are known")


@command
def doctor(session: Session) -> None:
    """Say what is found, in which version and where, and how to mend what is not."""
    from tools.doctor import CheckStatus, examine

    checks = asyncio.run(examine(session.settings))
    if session.is_json:
        write_json(
            [
                {"name": one.name, "status": one.status.value, "found": one.found, "hint": one.hint}
                for one in checks
            ]
        )
    else:
        rows = [(one.status.value.upper(), one.name, one.found) for one in checks]
        table(("", "WHAT", "FOUND"), rows, "nothing was looked at")
        for one in checks:
            if one.hint:
                say(f"{one.name}: {one.hint}")
    if any(one.status is CheckStatus.FAIL for one in checks):
        raise typer.Exit(ExitCode.ERROR)


@command
def issue(
    session: Session,
    subject: Annotated[str, typer.Argument(help="Who: unique within the issuer.")],
    role: Annotated[list[RoleName], typer.Option(help="May be repeated.")],
    kind: Annotated[KindName, typer.Option(help="Agents and services never approve.")] = KindName.HUMAN,
    issuer: Annotated[str, typer.Option(help="Who vouches for the subject.")] = "local",
    days: Annotated[int, typer.Option(min=1, max=_MAX_DAYS, help="Valid for this long.")] = 90,
    group: Annotated[list[str] | None, typer.Option(help="A group of theirs. May be repeated.")] = None,
) -> None:
    """Issue a token and print it. It is never shown again: only its hash is kept."""
    from pydantic import ValidationError

    from adapters.store import tokens
    from adapters.store.database import database_now
    from contracts.principal import Principal, PrincipalKind, Role

    try:
        roles = tuple(Role(one.value) for one in dict.fromkeys(role))
        principal = Principal(
            kind=PrincipalKind(kind.value),
            subject=subject,
            issuer=issuer,
            roles=roles,
            groups=tuple(dict.fromkeys(group or ())),
        )
    except ValidationError as error:
        raise CommandFailed(str(error.errors()[0]["msg"]), ExitCode.USAGE) from error

    async def work(connection: AsyncConnection, tenant: str) -> tuple[str, datetime]:
        # It ends by the clock that it will be judged by; this machine's may be another.
        end = await database_now(connection) + timedelta(days=days)
        text = await tokens.issue(connection, principal, actor=_actor(), expires_at=end, tenant=tenant)
        return text, end

    token, expires_at = _in_database(session.settings, work)
    token_id = tokens.token_id(token)
    if session.is_json:
        write_json({"id": token_id, "token": token, "expires_at": expires_at.isoformat()})
        return
    say(f"{token_id} for {issuer}/{subject}, valid until {expires_at:%Y-%m-%d}; this is shown once:")
    typer.echo(token)


@command
def revoke(
    session: Session, token_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a token, tok_…")]
) -> None:
    """Revoke a token at once, and end the browser sessions that links of its person opened."""
    from adapters.store import tokens

    async def work(connection: AsyncConnection, tenant: str) -> bool:
        return await tokens.revoke(connection, token_id, actor=_actor(), tenant=tenant)

    if not _in_database(session.settings, work):
        raise CommandFailed("there is no such token in force", ExitCode.ERROR)
    say(f"{token_id} is revoked")


def _import(settings: Settings, file: Path) -> None:
    from adapters.store import tokens

    async def work(connection: AsyncConnection, tenant: str) -> None:
        await tokens.import_file(connection, file, actor=_actor(), tenant=tenant)

    _in_database(settings, work)


def _actor() -> Principal:
    """The person at this terminal cannot be authenticated; whoever holds the database's URL acts as this."""
    from contracts.principal import service

    return service("sluice-cli")


def _in_database(settings: Settings, work: Callable[[AsyncConnection, str], Awaitable[T]]) -> T:
    from adapters.configuration import load
    from adapters.store.database import Database
    from bootstrap import database_url

    async def run() -> T:
        tenant = load(settings.config).tenant if settings.config is not None else "default"
        database = Database(database_url(settings), pool_size=1)
        try:
            async with database.transaction() as connection:
                return await work(connection, tenant)
        finally:
            await database.close()

    with _our_errors():
        return asyncio.run(run())


@command
def check(
    session: Session,
    file: Annotated[Path | None, typer.Argument(help="Default: what SLUICE_CONFIG names.")] = None,
) -> None:
    """Check the declarative file, its calendars and its price table: every fault with its line and reason."""
    from adapters.configuration import load
    from contracts.errors import ConfigurationInvalid

    chosen = file or session.settings.config
    if chosen is None:
        raise CommandFailed("no file is named", ExitCode.USAGE, "pass FILE or set SLUICE_CONFIG")
    try:
        found = load(chosen)
    except ConfigurationInvalid as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from error
    counts = {
        "environments": len(found.environments),
        "targets": len(found.targets),
        "budgets": len(found.budgets),
    }
    if session.is_json:
        write_json({"file": str(chosen), "valid": True, **counts})
    else:
        say(f"{chosen} is valid: " + ", ".join(f"{count} {name}" for name, count in counts.items()))


@command
def status(session: Session) -> None:
    """Tell which configuration the API goes by, and why a newer file is refused. Needs the role operator or admin."""
    found = session.api.get("/v1/configuration")
    if session.is_json:
        write_json(found)
        return
    say(f"in force since {found['loaded_at']}: {found['revision']}")
    refused = found["refused"]
    if refused is None:
        return
    rows = [(str(one["line"]), one["where"] or "-", one["reason"]) for one in refused["faults"]]
    say(f"refused at {refused['at']}: {refused['revision'] or 'it cannot be read'}")
    table(("LINE", "KEY", "REASON"), rows, "")
    raise CommandFailed("a newer file is refused", ExitCode.ERROR)


@command
def schema(session: Session) -> None:
    """Print the JSON Schema of the declarative file."""
    from adapters.configuration import json_schema

    write_json(json_schema())
