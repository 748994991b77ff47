"""`sluice policy backtest`: which past decisions another policy or configuration would flip, and for how much money."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from cli.exit_codes import CommandFailed, ExitCode
from cli.output import say, table, write_json
from cli.policy_set import opa_program
from cli.session import Session, command
from cli.text import harmless, words

if TYPE_CHECKING:
    from guardrails.backtest.report import Report, Tally
    from local.backtest import Backtest

_PAGE = 500
_SHOWN = 20
_NOTHING = "give a candidate: --policies DIRECTORY, --configuration FILE, or both"


class FailOn(StrEnum):
    """What ends the command with an error, for pipelines."""

    NEVER = "never"
    FLIPS = "flips"
    CHANGES = "changes"
    """Flips, and other rules or people for the same outcome."""


@command
def backtest(
    session: Session,
    policies: Annotated[
        Path | None, typer.Option(help="A directory of policies to try.", exists=True, file_okay=False)
    ] = None,
    configuration: Annotated[
        Path | None, typer.Option(help="A configuration file to try.", exists=True, dir_okay=False)
    ] = None,
    since: Annotated[str | None, typer.Option(help="From then: 2026-11-01, or a span: 30d, 12h.")] = None,
    until: Annotated[str | None, typer.Option(help="Before then.")] = None,
    environment: Annotated[str | None, typer.Option(help="Only this environment.")] = None,
    team: Annotated[str | None, typer.Option(help="Only this team.")] = None,
    target: Annotated[str | None, typer.Option(help="Only this target, by its key.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many records, the newest.")] = 100_000,
    fail_on: Annotated[
        FailOn, typer.Option(help="End with an error when there is one, or a record cannot be replayed.")
    ] = FailOn.NEVER,
) -> None:
    """Replay recorded first passes under a candidate. Nothing is changed; no record is skipped in silence."""
    if policies is None and configuration is None:
        raise CommandFailed(_NOTHING, ExitCode.USAGE)
    now = datetime.now(UTC)
    wanted = {
        "since": _moment(since, now),
        "until": _moment(until, now),
        "environment": environment,
        "team": team,
        "target": target,
    }
    query = {name: value for name, value in wanted.items() if value is not None}
    pages = _pages(session, query, limit)
    report = asyncio.run(_replay(session, pages, policies, configuration))
    if session.is_json:
        write_json(report.plain())
    else:
        _tell(report)
    if _fails(report, fail_on):
        raise typer.Exit(ExitCode.DENIED)


def _fails(report: Report, fail_on: FailOn) -> bool:
    if fail_on is FailOn.NEVER:
        return False
    found = bool(report.flipped) or (fail_on is FailOn.CHANGES and bool(report.changed))
    return found or bool(report.unreplayed) or not report.replayed


def _moment(given: str | None, now: datetime) -> str | None:
    if given is None:
        return None
    units = {"d": 86_400, "h": 3_600, "m": 60}
    try:
        if given and given[:-1].isdecimal() and given[-1] in units:
            return (now - timedelta(seconds=int(given[:-1]) * units[given[-1]])).isoformat()
        parsed = datetime.fromisoformat(given)
    except (ValueError, OverflowError) as error:
        told = f"{harmless(given, 40)!r} is neither a moment nor a span: 2026-11-01, 30d, 12h"
        raise CommandFailed(told, ExitCode.USAGE) from error
    return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)).isoformat()


def _pages(session: Session, query: dict[str, str], limit: int) -> Iterator[list[bytes]]:
    import json

    after, left = None, limit
    while left > 0:
        size = min(_PAGE, left)
        asked = query | {"limit": str(size)} | ({"after": after} if after else {})
        with session.api.lines(f"/v1/backtest/records?{urlencode(asked)}") as streamed:
            page = list(streamed)
        if page:
            yield page
            after = str(json.loads(page[-1])["cursor"])
        if len(page) < size:
            return
        left -= len(page)


async def _replay(
    session: Session, pages: Iterator[list[bytes]], policies: Path | None, configuration: Path | None
) -> Report:
    from adapters.configuration import load
    from contracts.errors import ConfigurationInvalid
    from guardrails.backtest.candidate import Candidate
    from local.backtest import Backtest
    from local.candidate import candidate_policy

    _judge_as_the_workers_do()
    try:
        async with AsyncExitStack() as stack:
            declared = Candidate(load(configuration)) if configuration is not None else None
            asked = None
            if policies is not None:
                asked = (
                    await stack.enter_async_context(candidate_policy(opa_program(session), policies))
                ).engine
            running = Backtest(declared, asked)
            await _follow(running, pages)
            return running.report
    except ConfigurationInvalid as error:
        raise CommandFailed(f"the candidate is not valid: {error}", ExitCode.USAGE) from error


def _judge_as_the_workers_do() -> None:
    """Install the guardrails of one's own that are on this machine. A record that needs others is not replayable."""
    from contracts.errors import ConfigurationInvalid
    from guardrails.discovery import discover
    from guardrails.registry import install

    try:
        install(discover())
    except ConfigurationInvalid as error:
        raise CommandFailed(str(error), ExitCode.ERROR) from error


async def _follow(running: Backtest, pages: Iterator[list[bytes]]) -> None:
    """Read the next page while this one is judged. A person who watches sees how far it is."""
    watched = sys.stderr.isatty()
    page = await asyncio.to_thread(next, pages, None)
    while page is not None:
        following = asyncio.create_task(asyncio.to_thread(next, pages, None))
        try:
            await running.replay(page)
        finally:
            page = await following
        if watched:
            flipped, total = len(running.report.flipped), running.report.total
            sys.stderr.write(f"\r{total:,} records, {flipped:,} flipped ")
            sys.stderr.flush()
    if watched:
        sys.stderr.write("\n")


def _tell(report: Report) -> None:
    flips = [
        (words(before), words(after), *_figures(tally))
        for (before, after), tally in sorted(report.flips.items())
    ]
    table(("BEFORE", "AFTER", "COUNT", "MONTHLY DELTA"), flips, "no decision would flip")
    if report.rules:
        say("")
        rules = [(rule, *_figures(tally)) for rule, tally in sorted(report.rules.items())]
        table(("RULE", "COUNT", "MONTHLY DELTA"), rules, "")
        say("")
        table(
            ("PROPOSAL", "BEFORE", "AFTER", "RULE", "WHY"), [_row(one) for one in report.flipped[:_SHOWN]], ""
        )
        if len(report.flipped) > _SHOWN:
            say(f"and {len(report.flipped) - _SHOWN:,} more: -o json lists all of them")
    span = (
        f", from {report.oldest:%Y-%m-%d %H:%M} to {report.newest:%Y-%m-%d %H:%M} UTC"
        if report.oldest
        else ""
    )
    say(f"{report.replayed:,} of {report.total:,} records replayed{span}; {len(report.flipped):,} would flip")
    if report.changed:
        say(
            f"{len(report.changed):,} would have the same outcome by other rules or people: -o json lists them"
        )
    if report.dry_runs:
        say(f"{report.dry_runs:,} dry runs were left out")
    for reason, count in report.reasons().items():
        named = [one.proposal_id for one in report.unreplayed if one.reason == reason][:3]
        say(f"{count:,} say nothing about the candidate: {harmless(reason, 300)} ({', '.join(named)}…)")


def _figures(tally: Tally) -> tuple[str, str]:
    money = ", ".join(f"{amount:+,.2f} {currency}" for currency, amount in sorted(tally.monthly.items()))
    unknown = f"{tally.unpriced} not priced" if tally.unpriced else ""
    return f"{tally.count:,}", "; ".join(filter(None, (money, unknown))) or "-"


def _row(one: Any) -> tuple[str, str, str, str, str]:
    before, after = words(one.before.outcome.value), words(one.after.outcome.value)
    return one.past.proposal_id, before, after, one.rule, harmless(one.message, 160)
