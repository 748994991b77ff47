"""`sluice login`: a one-time link that signs this identity in at a browser."""

from __future__ import annotations

import typer

from cli.output import say, write_json
from cli.session import Session, command
from cli.text import harmless


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(login)


@command
def login(session: Session) -> None:
    """Print a link that signs you in at a browser, once, within five minutes. Hand it to nobody."""
    made = session.api.post("/v1/login-links").body
    if session.is_json:
        write_json(made)
        return
    say("Open this once, within five minutes. Whoever opens it acts under your name:")
    typer.echo(harmless(made["url"]))
