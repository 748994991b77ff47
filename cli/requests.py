"""REQUEST: `sluice ask`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.exit_codes import ExitCode
from cli.following import fetch, follow_request
from cli.output import data_console, say, write_json
from cli.session import Session, command
from cli.text import harmless, words

_EXIT = {"refused": ExitCode.DENIED, "failed": ExitCode.ERROR}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(ask)


@command
def ask(
    session: Session,
    text: Annotated[str, typer.Argument(help="What you want, in your own words.")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the outcome.")] = True,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait.")] = 120,
    conversation: Annotated[
        str | None, typer.Option(help="Go on with this conversation of yours (`cnv_…`).")
    ] = None,
) -> None:
    """Ask in plain words. The planner answers, asks back, refuses, or proposes."""
    continued = {"conversation_id": conversation} if conversation else {}
    accepted = session.api.post("/v1/requests", {"text": text} | continued).body
    request_id = accepted["request_id"]
    if not wait:
        write_json(accepted) if session.is_json else say(f"received {request_id}")
        return
    if not session.is_json:
        say(f"received {request_id}")
    found = follow_request(session, request_id, timeout=timeout)
    if session.is_json:
        write_json(found)
    else:
        _show(session, found)
        say(f"to go on: sluice {session.identity()}ask --conversation {accepted['conversation_id']} …")
    code = _EXIT.get(found["status"], ExitCode.OK)
    if code:
        raise typer.Exit(code)


def _show(session: Session, found: dict[str, Any]) -> None:
    from rich.text import Text

    console = data_console()
    why = f" ({harmless(found['reason_code'], 80)})" if found["reason_code"] else ""
    console.print(Text(f"{found['status']}{why}", style="bold"))
    if found["answer"]:
        console.print(Text(f"planner says, unverified: {harmless(found['answer'])}"))
    for proposal_id in found["proposal_ids"]:
        view = fetch(session, proposal_id)
        console.print(Text(f"{view.id}  {words(view.state.value)}  {harmless(view.summary, 200)}"))
        say(f"next: sluice {session.identity()}proposals show {view.id}")
