"""PROPOSAL: `sluice propose`, `sluice proposals list|show|watch`, `sluice comment`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exceptions import override
from cli.exit_codes import CommandFailed, ExitCode, of_state
from cli.following import fetch, follow
from cli.output import data_console, say, table, write_json
from cli.session import Session, command
from cli.text import duration, money, words

if TYPE_CHECKING:
    from api.proposals.schemas import ProposalView

ProposalId = Annotated[str, typer.Argument(metavar="ID", help="Id of a proposal, prp_…")]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to wait.")]
_POOL_PARTS = 4
_MAX_FILE = 64 * 1024


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(propose)
    app.command()(comment)
    group = typer.Typer(help="Look at proposals.", no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(list_proposals)
    group.command("show")(show)
    group.command("watch")(watch)
    group.command("override")(override)
    app.add_typer(group, name="proposals")


def at_rest(view: ProposalView) -> bool:
    """Whether nothing moves without a person: final, or waiting for approval."""
    return view.is_final or view.state.value == "awaiting_approval"


def show_view(session: Session, view: ProposalView) -> None:
    """Write a proposal: one screen, or one JSON document."""
    if session.is_json:
        write_json(view.model_dump(mode="json"))
        return
    from cli.proposal_view import render

    render(view, data_console())


def tell_next(session: Session, view: ProposalView) -> None:
    """Tell the next command, where there is one."""
    if session.is_json:
        return
    if view.state.value == "awaiting_approval":
        who = session.identity() if view.eligibility.may_decide else "--as approver "
        say(f"next: sluice {who}approve {view.id}")
    elif view.state.value == "succeeded":
        say(f"take it back: sluice --as requester undo {view.id}")
    elif view.state.value == "dirty":
        say(f"look at the target, then: sluice --as operator resolve {view.id} --outcome … --reason …")


def follow_new(session: Session, proposal_id: str, *, wait: bool, timeout: float) -> None:
    """Follow a fresh proposal to its rest, show it, and end with its exit code."""
    if not wait:
        write_json({"proposal_id": proposal_id}) if session.is_json else say(f"proposed {proposal_id}")
        return
    if not session.is_json:
        say(f"proposed {proposal_id}")
    view = follow(session, proposal_id, until=at_rest, timeout=timeout)
    show_view(session, view)
    tell_next(session, view)
    if view.is_final:
        raise typer.Exit(of_state(view.state.value, view.reason_code))


@command
def propose(
    session: Session,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="YAML or JSON with action and reason; - reads stdin.")
    ] = None,
    pool: Annotated[
        str | None, typer.Option(metavar="PROJECT/LOCATION/CLUSTER/POOL", help="The node pool.")
    ] = None,
    nodes: Annotated[int | None, typer.Option(help="Resize to this many nodes per zone.")] = None,
    minimum: Annotated[int | None, typer.Option("--min", help="Autoscaler's lower bound per zone.")] = None,
    maximum: Annotated[int | None, typer.Option("--max", help="Autoscaler's upper bound per zone.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Evaluate only.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for verdict and outcome.")] = True,
    timeout: Timeout = 300,
) -> None:
    """Propose an action by file or flags. It changes nothing unless the gates let it."""
    if (file is None) == (pool is None):
        raise CommandFailed("give either --file or --pool", ExitCode.USAGE, "see `sluice propose --help`")
    body = _from_file(file) if file is not None else _from_flags(str(pool), nodes, minimum, maximum)
    if reason is not None:
        body["reason"] = reason
    body.setdefault("reason", "asked for on the command line")
    if dry_run:
        body["dry_run"] = True
    reply = session.api.post("/v1/proposals", body)
    follow_new(session, reply.body["proposal_id"], wait=wait, timeout=timeout)


def _from_file(file: Path) -> dict[str, Any]:
    import json
    import sys

    import yaml

    try:
        text = sys.stdin.read(_MAX_FILE + 1) if str(file) == "-" else file.read_text(encoding="utf-8")
        if len(text) > _MAX_FILE:
            raise CommandFailed(f"{file} is larger than {_MAX_FILE} bytes", ExitCode.USAGE)
        content = yaml.safe_load(text)
        # As it will be sent: YAML also has dates, circles and more that JSON cannot say.
        json.dumps(content, allow_nan=False)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read", ExitCode.USAGE) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise CommandFailed(f"{file}{where}: not YAML or JSON", ExitCode.USAGE) from error
    except (TypeError, ValueError, RecursionError) as error:
        hint = "write dates and the like in quotes"
        raise CommandFailed(f"{file} holds what JSON cannot say", ExitCode.USAGE, hint) from error
    if not isinstance(content, dict):
        raise CommandFailed(f"{file} must hold `action` and `reason`", ExitCode.USAGE)
    return content if "action" in content else {"action": content}


def _from_flags(pool: str, nodes: int | None, minimum: int | None, maximum: int | None) -> dict[str, Any]:
    parts = pool.split("/")
    if len(parts) != _POOL_PARTS:
        raise CommandFailed("--pool is PROJECT/LOCATION/CLUSTER/POOL", ExitCode.USAGE)
    action: dict[str, Any] = dict(zip(("project", "location", "cluster", "node_pool"), parts, strict=True))
    if nodes is not None and minimum is None and maximum is None:
        action |= {"kind": "gke.node_pool.resize", "node_count": nodes}
    elif nodes is None and minimum is not None and maximum is not None:
        action |= {"kind": "gke.node_pool.autoscaling", "min_node_count": minimum, "max_node_count": maximum}
    else:
        raise CommandFailed("give either --nodes, or both --min and --max", ExitCode.USAGE)
    return {"action": action}


@command
def list_proposals(
    session: Session,
    state: Annotated[list[str] | None, typer.Option(help="Only this state; may be repeated.")] = None,
    environment: Annotated[str | None, typer.Option(help="Only this environment.")] = None,
    team: Annotated[str | None, typer.Option(help="Only this team.")] = None,
    risk: Annotated[str | None, typer.Option(help="Only this tier: low, medium or high.")] = None,
    action_kind: Annotated[str | None, typer.Option(help="Only this kind of action.")] = None,
    requester: Annotated[str | None, typer.Option(help="Only asked for by ISSUER/SUBJECT.")] = None,
    outcome: Annotated[
        str | None,
        typer.Option(help="Only this outcome of the guardrails: allow, require_approval, hold, deny."),
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="Only with all these words in id, target, requester or summary.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Lines on one page.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last page ended.")] = None,
) -> None:
    """List proposals, newest first."""
    filters = {
        "state": state or None,
        "environment": environment,
        "team": team,
        "risk": risk,
        "action_kind": action_kind,
        "requester": requester,
        "outcome": outcome,
        "q": search,
    }
    given = filters | {"limit": limit, "cursor": cursor}
    found = session.api.get("/v1/proposals", **{name: one for name, one in given.items() if one is not None})
    if session.is_json:
        write_json(found)
        return
    _draw(found)
    if found["next_cursor"]:
        same = _options(filters)
        say(f"more: sluice {session.identity()}proposals list {same}--cursor {found['next_cursor']}")


def _options(filters: dict[str, Any]) -> str:
    """Return the filters as they were typed, for the next command."""
    import shlex

    named = {"action_kind": "action-kind", "q": "search"}
    typed = [
        f"--{named.get(name, name)} {shlex.quote(str(one))} "
        for name, value in filters.items()
        if value is not None
        for one in (value if isinstance(value, list) else [value])
    ]
    return "".join(typed)


def _draw(found: dict[str, Any]) -> None:
    from datetime import UTC, datetime

    from api.proposals.schemas import ProposalPage
    from cli.proposal_view import state_text

    rows = [
        (
            one.id,
            state_text(one.state),
            one.risk.value,
            one.environment or "-",
            one.summary,
            money(one.monthly_delta, one.currency or "", signed=True)
            if one.monthly_delta is not None
            else "-",
            one.requester.removeprefix("local/"),
            duration((datetime.now(UTC) - one.created_at).total_seconds()) + " ago",
        )
        for one in ProposalPage.model_validate(found).items
    ]
    columns = ("ID", "STATE", "RISK", "ENVIRONMENT", "CHANGE", "PER MONTH", "BY", "ASKED")
    table(columns, rows, "no proposals yet; ask for something: sluice --as requester ask 'resize …'")


@command
def comment(
    session: Session,
    proposal_id: ProposalId,
    text: Annotated[str, typer.Argument(help="Up to 2,000 characters.")],
) -> None:
    """Say something about a proposal to the others. It decides nothing."""
    from cli.following import path_part

    reply = session.api.post(f"/v1/proposals/{path_part(proposal_id)}/comments", {"text": text})
    write_json(reply.body) if session.is_json else say(
        f"{proposal_id}: your comment is there; it decides nothing"
    )


@command
def show(session: Session, proposal_id: ProposalId) -> None:
    """Show one proposal on one screen."""
    view = fetch(session, proposal_id)
    show_view(session, view)
    tell_next(session, view)


@command
def watch(session: Session, proposal_id: ProposalId, timeout: Timeout = 3_600) -> None:
    """Follow one proposal to its final state, and end with its exit code."""
    if not session.is_json:
        say(f"watching {proposal_id}; leave with Ctrl-C, it goes on")
    view = follow(session, proposal_id, until=lambda one: one.is_final, timeout=timeout)
    show_view(session, view)
    if not session.is_json:
        say(f"{view.id} is {words(view.state.value)}")
    raise typer.Exit(of_state(view.state.value, view.reason_code))
