"""APPROVAL: one screen with everything a reviewer needs, drawn from typed fields and never from an agent's prose.

At most 40 lines of 100 columns. Words of others go through `harmless` and into `rich.text.Text`, so neither terminal
escapes nor markup in them can act. No state is told by colour alone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from decimal import Decimal

from rich.console import Console
from rich.text import Text

from api.proposals.schemas import Actor, BudgetEffect, Effect, ProposalView
from cli.text import duration, harmless, money, words
from contracts.action import ResizeNodePool
from contracts.evaluation import Outcome, Verdict
from contracts.proposal import ProposalState

MAX_LINES = 40
WIDTH = 100
_LABEL = 12
_MESSAGE = WIDTH - _LABEL - 5 - 16
_MAX_VERDICTS = 12
_MAX_ZONES = 4
_MAX_BUDGETS = 3
_MAX_EFFECTS = 2
_MAX_VOTES = 3
_MARKS = {
    Outcome.ALLOW: ("ok", "green"),
    Outcome.REQUIRE_APPROVAL: ("asks", "yellow"),
    Outcome.HOLD: ("hold", "yellow"),
    Outcome.DENY: ("DENY", "bold red"),
}
_GOOD = frozenset({ProposalState.SUCCEEDED})
_OPEN = frozenset(
    {
        ProposalState.EVALUATING,
        ProposalState.AWAITING_APPROVAL,
        ProposalState.READY,
        ProposalState.EXECUTING,
        ProposalState.VERIFYING,
    }
)


def render(view: ProposalView, console: Console) -> None:
    """Print the screen."""
    width = min(WIDTH, console.width)
    for line in lines_of(view, width):
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True, soft_wrap=False, width=width)


def lines_of(view: ProposalView, width: int = WIDTH) -> list[Text]:
    """Return the screen line by line, at most `MAX_LINES` of them."""
    lines = [_title(view), Text("-" * width, style="dim")]
    for label, contents in _facts(view):
        lines += _rows(label, contents, width)
    return lines[:MAX_LINES]


def state_text(state: ProposalState) -> Text:
    """Return a state in capitals, coloured where there are colours."""
    style = "bold green" if state in _GOOD else "bold yellow" if state in _OPEN else "bold red"
    return Text(words(state.value).upper(), style=style)


def _title(view: ProposalView) -> Text:
    action = view.action
    target = f"{action.project}/{action.location}/{action.cluster}/{action.node_pool}"
    environment = view.environment or "NOT REGISTERED"
    return Text.assemble(
        (f"{view.verb} {target}", "bold"),
        "  in ",
        (
            environment.upper() if view.is_production else environment,
            "bold red" if view.is_production else "",
        ),
        "  ",
        state_text(view.state),
        "  (dry run)" if view.dry_run else "",
    )


def _facts(view: ProposalView) -> Iterator[tuple[str, list[Text]]]:
    yield (
        "Proposal",
        [Text(f"{view.id}  revision {view.revision}  team {view.team or '-'}  mode {view.mode}")],
    )
    yield "State", _standing(view)
    yield "Change", _change(view)
    yield "Blast", _blast(view)
    yield "Cost", [_cost(view)]
    yield "Budget", _budgets(view)
    yield "Verdicts", _verdicts(view)
    yield "Human", [_why_a_person(view)]
    yield "Asked by", [_asked_by(view)]
    yield "Time left", [_time_left(view)]
    yield "Approvals", _approvals(view)
    yield "Observed", [_observed(view)]
    yield from _aftermath(view)
    yield _words_label(view), [_unverified(view)]


def _rows(label: str, contents: Iterable[Text], width: int) -> list[Text]:
    rows = []
    for index, content in enumerate(contents):
        row = Text(f"{label if index == 0 else '':<{_LABEL}}", style="dim")
        row.append_text(content)
        row.truncate(width, overflow="ellipsis")
        rows.append(row)
    return rows


def _standing(view: ProposalView) -> list[Text]:
    if view.reason_code is None:
        return []
    held = f", held on {view.held_on}" if view.held_on else ""
    told = f": {view.message}" if view.message else ""
    return [Text(harmless(f"{view.reason_code}{held}{told}", 300))]


def _change(view: ProposalView) -> list[Text]:
    action, before = view.action, view.before
    if before is None:
        wanted = (
            f"{action.node_count} nodes per zone"
            if isinstance(action, ResizeNodePool)
            else f"{action.min_node_count} to {action.max_node_count} nodes per zone"
        )
        return [Text(f"to {wanted}; the present state is not observed yet")]
    if not isinstance(action, ResizeNodePool):
        bounds = before.autoscaling
        was = f"{bounds.min_node_count} to {bounds.max_node_count}" if bounds else "no autoscaler"
        now = f"{action.min_node_count} to {action.max_node_count}"
        return [Text(f"bounds per zone {was} -> {now}"), _machine(view)]
    zones = [f"{zone} {size} -> {action.node_count}" for zone, size in sorted(before.zones.items())]
    more = f", and {len(zones) - _MAX_ZONES} more zones" if len(zones) > _MAX_ZONES else ""
    return [
        Text(f"{before.total} -> {view.after.total} nodes", style="bold"),
        Text(", ".join(zones[:_MAX_ZONES]) + more),
        _machine(view),
    ]


def _machine(view: ProposalView) -> Text:
    before = view.before
    if before is None:
        return Text("")
    parts = [before.machine_type, *(f"{gpu.count} x {gpu.type}" for gpu in before.accelerators)]
    return Text(harmless("each " + " + ".join(parts) + (" (spot)" if before.spot else ""), 200))


def _blast(view: ProposalView) -> list[Text]:
    radius = view.blast_radius
    if radius is None:
        return []
    shares = [f"{radius.share_of_pool:.0%} of the pool"]
    if radius.share_of_cluster is not None:
        shares.append(f"{radius.share_of_cluster:.0%} of the cluster")
    told = Text(f"{radius.node_delta:+d} nodes, {', '.join(shares)}; ")
    if radius.reversible:
        told.append("reversible")
    else:
        told.append(f"NOT REVERSIBLE: {radius.why_not_reversible}", style="bold red")
    return [told]


def _cost(view: ProposalView) -> Text:
    cost = view.cost
    if cost is None:
        return Text("not known")
    stale = ", STALE" if cost.is_stale else ""
    told = Text(f"{money(cost.monthly_delta, cost.currency, signed=True)} per month", style="bold")
    return told.append(f"  (list prices of {cost.price_as_of}{stale})", style="not bold")


def _budgets(view: ProposalView) -> list[Text]:
    if view.cost is None:
        return []
    lines = [_budget(line) for line in view.cost.budgets[:_MAX_BUDGETS]]
    return lines or [Text("no budget covers this")]


def _budget(line: BudgetEffect) -> Text:
    told = Text(f"{line.scope}, {line.window}: takes {money(line.amount)}, leaves ")
    told.append(money(line.left_after), style="bold red" if line.left_after < Decimal(0) else "")
    return told.append(f" of {money(line.limit, line.currency)}")


def _verdicts(view: ProposalView) -> list[Text]:
    shown = [line for verdict in view.verdicts[:_MAX_VERDICTS] for line in _verdict(verdict)]
    more = len(view.verdicts) - _MAX_VERDICTS
    return [*shown, Text(f"and {more} more")] if more > 0 else shown or [Text("none yet")]


def _verdict(verdict: Verdict) -> list[Text]:
    """One line for what allows; what does not gets a second one when its message is long."""
    mark, style = _MARKS[verdict.outcome]
    code = "" if verdict.reason_code == "ok" else f"{verdict.reason_code}: "
    message = harmless(f"{code}{verdict.message}", 300)
    rows = [message]
    if verdict.outcome is not Outcome.ALLOW:
        rows = textwrap.wrap(message, _MESSAGE, max_lines=2, placeholder=" …")
    head = Text.assemble((f"{mark:<5}", style), f"{verdict.guardrail:<16}", rows[0])
    return [head, *(Text(" " * (5 + 16) + row) for row in rows[1:])]


def _why_a_person(view: ProposalView) -> Text:
    if view.requirement is None or view.requirement.quorum == 0:
        return Text("no rule asks for a person")
    return Text(harmless("required by " + (", ".join(view.requirement.rules) or "a guardrail"), 300))


def _asked_by(view: ProposalView) -> Text:
    planner = view.planner.kind.value
    if view.planner.model:
        planner += f" {view.planner.model} (prompt {view.planner.prompt_version or '-'})"
    source = f"{_name(view.requester)} by {view.channel}, {view.trust} text, planner {planner}"
    undone = f", undoes {view.undoes}" if view.undoes else ""
    asked = f", request {view.request_id}" if view.request_id else ""
    return Text(harmless(source + undone + asked, 300))


def _name(actor: Actor) -> str:
    kind = "" if actor.kind == "human" else f" ({actor.kind})"
    return f"{actor.subject}{kind}"


def _time_left(view: ProposalView) -> Text:
    if view.is_final:
        return Text("over")
    if view.state is ProposalState.AWAITING_APPROVAL:
        told = Text(duration(view.seconds_left), style="bold")
        return told.append(f" to decide, until {view.decide_by:%H:%M UTC}; expires = {view.on_expiry}")
    return Text(f"{duration(view.seconds_left)}; what is not begun by {view.execute_by:%H:%M UTC} expires")


def _approvals(view: ProposalView) -> list[Text]:
    quorum = view.requirement.quorum if view.requirement else 0
    roles = ", ".join(view.requirement.roles) if view.requirement else "nobody"
    told = Text(f"{view.approvals_given} of {quorum} by {roles}")
    if view.eligibility.may_decide:
        told.append("; ").append("YOU MAY DECIDE", style="bold green")
    elif not view.is_final:
        told.append(harmless(f"; you may not: {view.eligibility.message} ({view.eligibility.why_not})", 200))
    votes = [
        Text(
            harmless(
                f"{_name(vote.reviewer)}: {words(vote.decision)} ({vote.status}) {vote.reason}", 200
            ).rstrip()
        )
        for vote in view.approvals[-_MAX_VOTES:]
    ]
    return [told, *votes]


def _observed(view: ProposalView) -> Text:
    if view.observation_age_seconds is None:
        return Text("not yet")
    return Text(f"{duration(view.observation_age_seconds)} ago; checked again right before the effect")


def _aftermath(view: ProposalView) -> Iterator[tuple[str, list[Text]]]:
    for effect in view.effects[:_MAX_EFFECTS]:
        yield ("Effect" if effect.step == "forward" else "Rollback"), list(_effect(effect))


def _effect(effect: Effect) -> Iterator[Text]:
    receipt, found = effect.receipt, effect.verification
    if receipt is None:
        yield Text(harmless(f"begun, operation {effect.operation or 'not known yet'}", 200))
    else:
        failed = f", error {receipt.error_code}" if receipt.error_code else ""
        adopted = ", adopted" if receipt.adopted else ""
        operation = f"operation {receipt.operation}" if receipt.operation else "no call"
        yield Text(harmless(f"{words(receipt.outcome)}: {operation}{adopted}{failed}", 200))
    if found is not None:
        running = ", ".join(f"{zone.zone} {zone.running}" for zone in found.observed_zones[:_MAX_ZONES])
        verdict = "verified" if found.matches else "DOES NOT MATCH"
        took = duration(found.took_seconds)
        told = harmless(f"{verdict} after {took}: running {running or '-'} ({found.reason_code})", 200)
        yield Text(told, style="green" if found.matches else "bold red")


def _words_label(view: ProposalView) -> str:
    return "Unverified" if view.reason_is_unverified else "Reason"


def _unverified(view: ProposalView) -> Text:
    told = harmless(view.reason, 400)
    return (
        Text(f"agent says, unverified: {told}", style="italic") if view.reason_is_unverified else Text(told)
    )
