"""`sluice`: the root of the command line. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import io
import sys

import typer

from cli import (
    approvers,
    audit,
    decisions,
    evals,
    exceptions,
    login,
    new,
    operate,
    policy,
    prices,
    proposals,
    requests,
    safety,
    up,
)
from cli.session import AsName, Given, Output, Url

app = typer.Typer(
    name="sluice",
    help="Agents propose, gates decide, Temporal makes it durable.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(ctx: typer.Context, as_name: AsName = None, url: Url = None, output: Output = None) -> None:
    """Agents propose, gates decide, Temporal makes it durable."""
    ctx.obj = Given(as_name, url, output)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where the terminal's encoding lacks a letter, its code point is shown: nothing ends halfway for that.
        sys.stdout.reconfigure(errors="backslashreplace")


for room in (
    up,
    login,
    requests,
    proposals,
    decisions,
    approvers,
    safety,
    exceptions,
    audit,
    policy,
    new,
    prices,
    operate,
    evals,
):
    room.register(app)


if __name__ == "__main__":
    app()
