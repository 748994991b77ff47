"""VERDICT in plain words: `sluice explain ID` and `sluice policy explain ID`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.exit_codes import CommandFailed, ExitCode
from cli.following import path_part
from cli.output import data_console, say, write_json
from cli.session import Session, command
from cli.text import harmless, words

ProposalId = Annotated[str, typer.Argument(metavar="ID", help="A proposal.")]
_LONG = 4_000


@command
def explain(session: Session, proposal_id: ProposalId) -> None:
    """Why a proposal was allowed, denied or sent to people, and what would have to change."""
    found = session.api.get(f"/v1/proposals/{path_part(proposal_id)}/explanation")
    if session.is_json:
        write_json(found)
        return
    for line in _explained(found):
        _line(line)


def _explained(found: dict[str, Any]) -> list[str]:
    lines = [f"{found['proposal_id']}, revision {found['revision']}: {found['summary']}"]
    lines += [found["headline"]["text"], ""]
    if found["edited"]:
        lines += ["WHAT WAS EDITED", *[f"  {one['text']}" for one in found["edited"]], ""]
    if found["outcome"] is None:
        return [*lines, "No guard pass has judged it yet."]
    lines.append(f"WHAT THE GUARDRAILS SAID, PASS {found['pass_number']}")
    lines += [f"  {one['text']}" for one in found["judged"]]
    lines += ["", "WHO DECIDES", *_people(found)]
    changes = found["would_have_to_change"]
    if changes or found["no_alternative"]:
        lines += ["", "WHAT WOULD HAVE TO CHANGE", *[f"  - {one}" for one in changes]]
        if found["no_alternative"]:
            lines.append(f"  - {found['no_alternative']}")
    if found["rationale"]:
        kind = "unverified words" if found["rationale"]["is_unverified"] else "words"
        lines += ["", f"THE PROPOSER'S REASON ({kind} of {found['rationale']['by']}; no gate believed them)"]
        lines.append(f"  “{found['rationale']['text']}”")
    policy, declared = found["policy_revision"], found["configuration_revision"]
    lines += ["", f"Judged by policies {policy or 'unknown'} and configuration {declared or 'unknown'}."]
    return lines


def _people(found: dict[str, Any]) -> list[str]:
    people, lines = found["people"], [f"  {one['text']}" for one in found["decided"]]
    if people is None:
        return lines
    asked = f"  {people['given']} of {people['quorum']} approvals are given."
    excluded = people["who_can_decide"]["excluded"] if people["who_can_decide"] else []
    named = [f"  {one['who']['subject']} may not decide: {words(one['why'])}." for one in excluded]
    return [*lines, asked, *named]


@command
def policy_explain(
    session: Session,
    proposal_id: ProposalId,
    input_file: Annotated[
        Path | None, typer.Option("--input", help="Write the document that was judged to this file.")
    ] = None,
) -> None:
    """Which policies fired, on which input, under which revision, and how to ask OPA the same again."""
    found = session.api.get(f"/v1/proposals/{path_part(proposal_id)}/policy")
    if input_file is not None:
        _write(input_file, found["input"])
    if session.is_json:
        write_json(found)
        return
    _line(f"{found['proposal_id']}, revision {found['revision']}, pass {found['pass_number']}")
    _line(f"The policies at {found['policy_revision'] or 'an unknown revision'}: {words(found['outcome'])}.")
    _line(found["text"])
    for one in found["violations"]:
        _line(f"  {one['level']:<8}  {one['rule']}: {one['message']}")
        if one.get("remedy"):
            _line(f"            {one['remedy']}")
    if found["shadow"]:
        _line(_shadowed(found["shadow"]))
    if found["input"] is None:
        say("what they were asked is not kept any more")
    else:
        named = input_file or "input.json"
        say("ask the same again, in a directory of policies:" if input_file else "to ask the same again:")
        if input_file is None:
            say(f"  sluice {session.identity()}policy explain {found['proposal_id']} --input input.json")
        say(
            "  opa eval --strict-builtin-errors --bundle policies "
            f"--input {named} --format pretty data.sluice.verdict"
        )


def _shadowed(shadow: dict[str, Any]) -> str:
    if shadow.get("outcome") is None:
        return f"The candidate in shadow gave no answer ({shadow.get('error')})."
    return (
        f"The candidate in shadow, at {shadow['revision']}, would have made it: {words(shadow['outcome'])}."
    )


def _write(file: Path, document: dict[str, Any] | None) -> None:
    if document is None:
        raise CommandFailed("what the policies were asked is not kept any more", ExitCode.ERROR)
    try:
        file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written") from error
    say(f"the input is in {file}")


def _line(text: str) -> None:
    """Foreign text is on these lines: nothing in it may act on the terminal."""
    console = data_console()
    indent = len(text) - len(text.lstrip())
    console.print(" " * indent + harmless(text.lstrip(), _LONG))
