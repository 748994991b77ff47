"""What closes gates by the clock, and what lets through all the same: `sluice windows`, `override`, `break-glass`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.exit_codes import CommandFailed, ExitCode
from cli.following import path_part
from cli.output import say, table, write_json
from cli.session import Session, command
from cli.text import words

GrantId = Annotated[str, typer.Argument(metavar="ID", help="Id of a grant, brk_…")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(windows)
    group = typer.Typer(
        help="Open some gates for a short time, with two people.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("open")(open_grant)
    group.command("confirm")(confirm)
    group.command("end")(end)
    group.command("review")(review)
    group.command("list")(list_grants)
    app.add_typer(group, name="break-glass")


@command
def windows(session: Session) -> None:
    """List the declared change windows: what lasts now, and when that changes."""
    found = session.api.get("/v1/windows")
    if session.is_json:
        write_json(found)
        return
    rows = [
        (
            one["name"],
            one["kind"].upper(),
            "NOW" if one["lasts"] else "-",
            one["changes_at"] or "never",
            scope_words(one["scope"]),
            f"{one['schedule']} ({one['time_zone']})",
        )
        for one in found["items"]
    ]
    table(
        ("NAME", "KIND", "LASTS", "CHANGES AT", "COVERS", "SCHEDULE"), rows, "no change windows are declared"
    )
    together = [
        (
            one["environment"] + (f", team {one['team']}" if one["team"] else ""),
            "OPEN" if one["is_open"] else "CLOSED",
            one["changes_at"] or "never",
            ", ".join(one["closed_by"]) or "-",
        )
        for one in found["openings"]
    ]
    if together:
        say("")
        table(("TOGETHER", "NOW", "CHANGES AT", "CLOSED BY"), together, "")
    for one in found["items"]:
        if one["warning"]:
            say(f"{one['name']}: {one['warning']}")


@command
def override(
    session: Session,
    proposal_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a proposal, prp_…")],
    reason: Annotated[str, typer.Option(help="Why. Needed.")],
) -> None:
    """Let one proposal through the change windows that close it now."""
    body = {"gate": "change_window", "reason": reason}
    given = session.api.post(f"/v1/proposals/{path_part(proposal_id)}/override", body).body
    if session.is_json:
        write_json(given)
        return
    say(f"{', '.join(given['windows'])} no longer closes {given['proposal_id']}, until {given['expires_at']}")
    if given["state"] == "awaiting_approval":
        say("it still waits for approval")


@command
def open_grant(
    session: Session,
    reason: Annotated[str, typer.Option(help="Why. Needed.")],
    minutes: Annotated[int, typer.Option(min=1, help="How long it lasts once it is confirmed.")],
    gate: Annotated[
        list[str],
        typer.Option(
            help="A gate to open: change_window, rate, circuit_breaker, budget, approval_rule, "
            "or a guardrail of one's own by its full name."
        ),
    ],
    everything: Annotated[bool, typer.Option("--everything", help="For every change.")] = False,
    environment: Annotated[str | None, typer.Option(help="For changes in this environment.")] = None,
    target: Annotated[
        str | None, typer.Option(help="For changes of this target; a trailing * is a prefix.")
    ] = None,
    action_kind: Annotated[str | None, typer.Option(help="For changes of this kind.")] = None,
    agent: Annotated[str | None, typer.Option(help="For changes that this agent had a hand in.")] = None,
) -> None:
    """Ask to break the glass. Nothing is bypassed until a second person confirms."""
    named = {"environment": environment, "target": target, "action_kind": action_kind, "agent": agent}
    scope: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if everything:
        scope["everything"] = True
    if not scope:
        raise CommandFailed("say for what: --environment, --target, … or --everything", ExitCode.USAGE)
    body = {"scope": scope, "gates": gate, "reason": reason, "minutes": minutes}
    made = session.api.post("/v1/break-glass", body).body
    _show(session, made, f"next, as another person: sluice break-glass confirm {made['id']}")


@command
def confirm(session: Session, grant_id: GrantId) -> None:
    """Confirm a grant as the second person: it counts from now on."""
    _moved(session, grant_id, "confirm", "end it early: sluice break-glass end {id}")


@command
def end(session: Session, grant_id: GrantId) -> None:
    """End a grant before its time."""
    _moved(session, grant_id, "end", "then, as a third person: sluice break-glass review {id} --words …")


@command
def review(
    session: Session,
    grant_id: GrantId,
    said: Annotated[str, typer.Option("--words", help="What it came to.")],
) -> None:
    """Close the review of a grant, as somebody who neither opened nor confirmed it."""
    made = session.api.post(f"/v1/break-glass/{path_part(grant_id)}/review", {"words": said}).body
    _show(session, made)


@command
def list_grants(
    session: Session,
    status: Annotated[
        list[str] | None, typer.Option(help="Only these: awaiting_second, active, review_open, …")
    ] = None,
) -> None:
    """List grants, newest first. What is REVIEW OPEN waits for a third person."""
    found = session.api.get("/v1/break-glass", status=status)
    if session.is_json:
        write_json(found)
        return
    rows = [
        (
            one["id"],
            words(one["status"]).upper(),
            scope_words(one["scope"]),
            ", ".join(one["gates"]),
            f"{one['opened_by']} + {one['confirmed_by'] or '?'}",
            one["expires_at"] or "-",
            str(len(one["uses"])),
            one["reason"],
        )
        for one in found["items"]
    ]
    columns = ("ID", "STATUS", "COVERS", "GATES", "BY", "UNTIL", "LET THROUGH", "REASON")
    table(columns, rows, "nobody broke the glass")


def scope_words(scope: dict[str, Any]) -> str:
    """Return a scope in one line."""
    named = [f"{name} {value}" for name, value in scope.items() if value and name != "everything"]
    return ", ".join(named) or "everything"


def _moved(session: Session, grant_id: str, step: str, then: str) -> None:
    made = session.api.post(f"/v1/break-glass/{path_part(grant_id)}/{step}").body
    _show(session, made, then.format(id=made["id"]) if made["status"] != "lapsed" else "")


def _show(session: Session, made: dict[str, Any], then: str = "") -> None:
    if session.is_json:
        write_json(made)
        return
    until = f" until {made['expires_at']}" if made["status"] == "active" else ""
    say(f"{made['id']} is {words(made['status'])}{until}")
    if then:
        say(then)
