"""APPROVAL: `sluice approve|reject|withdraw|edit|cancel|undo|resolve`. One decides on what was on the screen."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exit_codes import CommandFailed, ExitCode, of_state
from cli.following import fetch, follow, path_part
from cli.output import message_console, say, write_json
from cli.proposals import ProposalId, Timeout, follow_new, show_view, tell_next
from cli.session import Session, command
from cli.text import words

if TYPE_CHECKING:
    from api.proposals.schemas import ProposalView

Reason = Annotated[str, typer.Option(help="Why.")]
NeededReason = Annotated[str, typer.Option("--reason", help="Why. Needed.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask; fail instead.")]
_RECORDED = 202


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for function in (approve, reject, withdraw, edit, cancel, undo, resolve):
        app.command()(function)


@command
def approve(
    session: Session,
    proposal_id: ProposalId,
    reason: Reason = "",
    yes: Yes = False,
    no_input: NoInput = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow to the final state.")] = True,
    timeout: Timeout = 900,
) -> None:
    """Look at a proposal, approve it, and follow it to its final state."""
    view = _may_decide(fetch(session, proposal_id), "approve")
    if not session.is_json:
        show_view(session, view)
    if not yes:
        _confirm(session, view, no_input=no_input)
    decided = _decide(session, view, "approve", reason)
    if wait:
        _follow_decided(session, view.id, decided["decision_id"], timeout)
    elif session.is_json:
        write_json(decided)


@command
def reject(session: Session, proposal_id: ProposalId, reason: NeededReason, timeout: Timeout = 30) -> None:
    """Reject a proposal, with a reason."""
    view = _may_decide(fetch(session, proposal_id), "reject")
    decided = _decide(session, view, "reject", reason)

    def is_settled(one: ProposalView) -> bool:
        mine = decided["decision_id"]
        return one.is_final or _is_applied(one, mine) or _is_refused(one, mine)

    after = follow(session, view.id, until=is_settled, timeout=timeout)
    if session.is_json:
        write_json(after.model_dump(mode="json"))
    elif after.is_final:
        say(f"{after.id} is {words(after.state.value)}")
    is_otherwise = after.is_final and after.state.value != "rejected"
    if is_otherwise or _is_refused(after, decided["decision_id"]):
        told = "the rejection came too late, or what it decides on changed"
        raise CommandFailed(told, ExitCode.CONFLICT, f"look again: `sluice proposals show {after.id}`")


@command
def withdraw(session: Session, proposal_id: ProposalId, reason: Reason = "") -> None:
    """Take your own decision back, while the proposal still waits."""
    view = _may_decide(fetch(session, proposal_id), "withdraw")
    decided = _decide(session, view, "withdraw", reason)
    if session.is_json:
        write_json(decided)


@command
def edit(
    session: Session,
    proposal_id: ProposalId,
    reason: NeededReason,
    nodes: Annotated[int | None, typer.Option(help="Nodes per zone.")] = None,
    minimum: Annotated[int | None, typer.Option("--min", help="Autoscaler's lower bound per zone.")] = None,
    maximum: Annotated[int | None, typer.Option("--max", help="Autoscaler's upper bound per zone.")] = None,
    reason_name: Annotated[str | None, typer.Option(help="What was wrong, from the fixed list.")] = None,
    timeout: Timeout = 60,
) -> None:
    """Change the values of a proposal that waits: a new revision. Votes are void, the gates run again."""
    given = {"node_count": nodes, "min_node_count": minimum, "max_node_count": maximum}
    fields = {name: value for name, value in given.items() if value is not None}
    if not fields:
        raise CommandFailed("nothing to change", ExitCode.USAGE, "give --nodes, or --min and --max")
    view = fetch(session, proposal_id)
    body = {"digest": view.digest, "fields": fields, "reason": reason}
    if reason_name is not None:
        body["reason_name"] = reason_name
    revised = session.api.post(f"/v1/proposals/{view.id}/revisions", body).body["revision"]

    def is_judged(one: ProposalView) -> bool:
        return one.revision >= revised and one.state.value != "evaluating"

    after = follow(session, view.id, until=is_judged, timeout=timeout)
    show_view(session, after)
    if not session.is_json:
        say(f"revision {revised}; somebody else decides on it")


def _may_decide(view: ProposalView, kind: str) -> ProposalView:
    if view.eligibility.may_decide or kind in view.eligibility.open_to:
        return view
    forbidden = (view.eligibility.why_not or "").startswith("not_eligible")
    hint = "somebody else decides: `sluice --as approver …`" if forbidden else ""
    code = ExitCode.AUTH if forbidden else ExitCode.CONFLICT
    raise CommandFailed(f"{view.eligibility.message} ({view.eligibility.why_not})", code, hint)


def _confirm(session: Session, view: ProposalView, *, no_input: bool) -> None:
    """Ask, with the facts on the screen: where standard output is no screen they are shown beside the question."""
    # Standard input is None where the process was started without one.
    if no_input or sys.stdin is None or not sys.stdin.isatty():
        hint = "pass --yes to decide without being asked"
        raise CommandFailed("nobody is there to confirm", ExitCode.USAGE, hint)
    if session.is_json or not sys.stdout.isatty():
        from cli.proposal_view import render

        render(view, message_console())
    sys.stderr.write(f"Approve {view.id}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandFailed("nothing was decided", ExitCode.ERROR)


def _decide(session: Session, view: ProposalView, decision: str, reason: str) -> dict[str, Any]:
    body = {
        "decision": decision,
        "revision": view.revision,
        "digest": view.digest,
        "evaluation_digest": view.evaluation_digest,
        "reason": reason,
    }
    reply = session.api.post(f"/v1/proposals/{view.id}/decisions", body)
    if not session.is_json:
        say("recorded; on its way to the workflow" if reply.status == _RECORDED else f"{decision}: applied")
    decided: dict[str, Any] = reply.body
    return decided


def _follow_decided(session: Session, proposal_id: str, decision_id: str, timeout: float) -> None:
    def is_settled(one: ProposalView) -> bool:
        # A quorum of others may take hours: a vote that is in and not enough ends the following.
        waits_for_others = one.state.value == "awaiting_approval" and _is_applied(one, decision_id)
        return one.is_final or waits_for_others or _is_refused(one, decision_id)

    view = follow(session, proposal_id, until=is_settled, timeout=timeout)
    show_view(session, view)
    if _is_refused(view, decision_id):
        raise CommandFailed("the workflow refused the decision", ExitCode.CONFLICT)
    if view.is_final:
        tell_next(session, view)
        raise typer.Exit(of_state(view.state.value, view.reason_code))
    if not session.is_json:
        say("your vote is in; it waits for others")


def _is_applied(view: ProposalView, decision_id: str) -> bool:
    return any(vote.id == decision_id and vote.status == "applied" for vote in view.approvals)


def _is_refused(view: ProposalView, decision_id: str) -> bool:
    return any(vote.id == decision_id and vote.status == "refused" for vote in view.approvals)


@command
def cancel(session: Session, proposal_id: ProposalId, reason: Reason = "") -> None:
    """Take back a proposal that has not begun to change anything."""
    reply = session.api.post(f"/v1/proposals/{path_part(proposal_id)}/cancel", {"reason": reason})
    write_json(reply.body) if session.is_json else say(f"{proposal_id} is cancelled; nothing ran")


@command
def undo(
    session: Session,
    proposal_id: ProposalId,
    reason: Reason = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for verdict and outcome.")] = True,
    timeout: Timeout = 300,
) -> None:
    """Propose the prior state again, through all gates."""
    reply = session.api.post(f"/v1/proposals/{path_part(proposal_id)}/undo", {"reason": reason})
    follow_new(session, reply.body["proposal_id"], wait=wait, timeout=timeout)


@command
def resolve(
    session: Session,
    proposal_id: ProposalId,
    outcome: Annotated[str, typer.Option(help="succeeded, rolled_back or failed: how you left the target.")],
    reason: NeededReason,
) -> None:
    """Leave `dirty` after looking at the target. It frees the target."""
    body = {"outcome": outcome, "reason": reason}
    reply = session.api.post(f"/v1/proposals/{path_part(proposal_id)}/resolve", body)
    write_json(reply.body) if session.is_json else say(f"{proposal_id} is {words(reply.body['state'])}")
