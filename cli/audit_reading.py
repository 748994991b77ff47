"""What the audit log says: `sluice audit events|record`. Proving it is next door, in `cli/audit.py`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from cli.following import path_part
from cli.output import say, table, write_json
from cli.session import Session, command
from cli.text import harmless, words


def register(group: typer.Typer) -> None:
    """Add the commands to `sluice audit`."""
    group.command()(events)
    group.command()(record)


@command
def events(
    session: Session,
    kind: Annotated[list[str] | None, typer.Option("--type", help="Only this type. May be repeated.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only about this id.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only by this one: issuer/subject.")] = None,
    since: Annotated[str | None, typer.Option(help="From this moment on, 2026-11-21T13:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this moment.")] = None,
    before: Annotated[int | None, typer.Option(min=0, help="Only numbers below this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 50,
) -> None:
    """List events, the newest first."""
    given = {
        "type": kind,
        "subject": subject,
        "actor": actor,
        "since": since,
        "until": until,
        "before": before,
    }
    wanted = {name: value for name, value in given.items() if value or value == 0}
    found = session.api.get("/v1/audit/events", **wanted, order="newest", limit=limit)
    if session.is_json:
        write_json(found)
        return
    rows = [
        (
            str(item["number"]),
            item["event"]["at"][:19].replace("T", " "),
            item["event"]["actor"]["subject"],
            item["event"]["subject"],
            item["summary"],
        )
        for item in found["items"]
    ]
    table(("NUMBER", "AT (UTC)", "WHO", "ABOUT", "WHAT"), rows, "no event matches")
    if found["next_before"] is not None:
        say(f"older ones: --before {found['next_before']}")


@command
def record(session: Session, proposal_id: Annotated[str, typer.Argument(help="Id of a proposal.")]) -> None:
    """Tell one proposal from request to end, each sentence with the events that prove it."""
    found = session.api.get(f"/v1/audit/proposals/{path_part(proposal_id)}")
    if session.is_json:
        write_json(found)
        return
    lines = [
        f"{found['proposal_id']}: {found['summary']} ({words(found['state'])})",
        *_sentence(found["headline"]),
    ]
    for chapter in found["chapters"]:
        lines += ["", chapter["title"]]
        for sentence in chapter["sentences"]:
            lines += [f"  {line}" for line in _sentence(sentence)]
    sys.stdout.write("\n".join(harmless(line) for line in lines) + "\n")


def _sentence(sentence: dict[str, Any]) -> list[str]:
    proof = " ".join(f"#{number}" for number in sentence["proof"])
    told = f"{sentence['text']} [{proof}]" if proof else sentence["text"]
    quote = sentence["quote"]
    if quote is None:
        return [told]
    label = f"{quote['by']} says, unverified" if quote["is_unverified"] else f"in the words of {quote['by']}"
    return [told, f"  > {quote['text']} ({label})"]
