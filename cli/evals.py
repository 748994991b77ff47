"""`sluice evals corrections`: what reviewers corrected, as cases for the evaluation of planners."""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import urlencode

import typer

from cli.session import Session, command


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Evaluation of planners.", no_args_is_help=True, rich_markup_mode=None)
    group.callback()(_group)
    group.command()(corrections)
    app.add_typer(group, name="evals")


def _group() -> None:
    """Evaluation of planners."""


@command
def corrections(
    session: Session,
    since: Annotated[str | None, typer.Option(help="From this moment on, 2026-11-21T13:00Z.")] = None,
) -> None:
    """Write what reviewers edited as evaluation cases (YAML); with -o json the corrections themselves."""
    path = "/v1/corrections" + (f"?{urlencode({'since': since})}" if since else "")
    with session.api.lines(path) as lines:
        found = [line.decode() for line in lines]
    if session.is_json:
        typer.echo("".join(found), nl=False)
        return
    from evals.corrections import as_yaml

    typer.echo(as_yaml(json.loads(line) for line in found), nl=False)
