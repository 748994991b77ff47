"""`sluice prices show|refresh`: the price table, and a newer one from Google's catalog. Neither is needed to run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import CommandFailed, ExitCode
from cli.output import say, table, write_json
from cli.session import Session, command

if TYPE_CHECKING:
    from pydantic import SecretStr

    from adapters.prices.catalog import Matched

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Prices of nodes.", no_args_is_help=True, rich_markup_mode=None)
    group.command("show")(show)
    group.command("refresh")(refresh)
    app.add_typer(group, name="prices")


@command
def show(
    session: Session,
    file: Annotated[Path | None, typer.Argument(help="Default: the table that ships.")] = None,
    region: Annotated[str | None, typer.Option(help="Only in this region.")] = None,
) -> None:
    """Check a price table and list it: on demand and Spot in USD per hour, with source and date."""
    from adapters.prices.price_table import SHIPPED, PriceTable
    from contracts.errors import ConfigurationInvalid

    try:
        listed = PriceTable.load(file or SHIPPED).listed()
    except ConfigurationInvalid as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from error
    found = [one for one in listed if region in (None, one["region"])]
    if session.is_json:
        write_json({"items": found})
        return
    columns = ("name", "region", "usd_per_hour", "usd_per_hour_spot", "as_of", "source")
    rows = [tuple(one[name] or "-" for name in columns) for one in found]
    table(("NAME", "REGION", "USD/H", "SPOT", "AS OF", "SOURCE"), rows, "no prices")


@command
def refresh(
    session: Session,
    api_key_file: Annotated[
        Path, typer.Option(help="A file that holds an API key for the Cloud Billing API.")
    ],
    to: Annotated[Path, typer.Option("--to", help="Where the table goes; the configuration names it.")],
    catalog: Annotated[str | None, typer.Option(help="Address of the catalog. Default: Google's.")] = None,
) -> None:
    """Make a price table from Google's catalog. Machine types are those of the table that ships."""
    from adapters.prices import catalog as prices
    from adapters.prices.price_table import PriceTable
    from contracts.errors import SluiceError

    try:
        found = asyncio.run(_read(_key(api_key_file), catalog or prices.GOOGLE))
        lines = prices.rows(found)
        if not lines:
            raise CommandFailed("the catalog prices no machine type that is known", ExitCode.ERROR)
        prices.write(lines, to)
        PriceTable.load(to)
    except (SluiceError, OSError) as error:
        raise CommandFailed(str(error), ExitCode.ERROR) from error
    if session.is_json:
        write_json({"rows": len(lines), "unmatched": found.unmatched})
        return
    for one in found.unmatched[:_SHOWN]:
        say(f"unmatched: {one}")
    say(f"{to}: {len(lines)} prices; {len(found.unmatched)} could not be matched")


async def _read(key: SecretStr, url: str) -> Matched:
    from adapters.prices.catalog import Matched, match, skus

    found = Matched()
    async for sku in skus(key, url=url):
        match(found, sku)
    return found


def _key(file: Path) -> SecretStr:
    from pydantic import SecretStr

    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{file} does not hold an API key", ExitCode.USAGE) from error
    if not text or any(character.isspace() for character in text):
        raise CommandFailed(f"{file} does not hold an API key", ExitCode.USAGE)
    return SecretStr(text)
