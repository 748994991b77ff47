"""GUARDRAILS on the command line: `sluice new guardrail|policy NAME`, the beginnings of a rule of one's own."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import scaffold
from cli.exit_codes import CommandFailed, ExitCode
from cli.output import say, write_json
from cli.session import Session, command

_NAME = re.compile(r"[a-z][a-z0-9_]{1,62}")
_DISTRIBUTION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_OURS = frozenset(file.stem for file in Path(__file__).resolve().parent.parent.iterdir())
"""Top-level names of Sluice: a package of one of these would never be imported."""

Name = Annotated[str, typer.Argument(help="Small letters, digits and underscores: what the rule is called.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Begin a guardrail or a policy of your own.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command()(guardrail)
    group.command()(policy)
    app.add_typer(group, name="new")


@command
def guardrail(
    session: Session,
    name: Name,
    distribution: Annotated[
        str | None, typer.Option(help="Name of the distribution that brings it; by default that of the rule.")
    ] = None,
    directory: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> None:
    """Write a distribution with one guardrail: rule, tests with the conformance kit, entry point."""
    _check(name)
    brought = name.replace("_", "-") if distribution is None else distribution
    if not _DISTRIBUTION.fullmatch(brought) or len(brought) > 63:
        told = f"{brought!r} is no name for a distribution: small letters, digits and single hyphens"
        raise CommandFailed(told, ExitCode.USAGE)
    package = brought.replace("-", "_")
    if package in _OURS or package in sys.stdlib_module_names or keyword.iskeyword(package):
        told = f"the package {package!r} could not be imported: Sluice or Python has one of that name"
        raise CommandFailed(told, ExitCode.USAGE, "choose another with --distribution")
    full_name = f"{brought}/{name}"
    names = {"name": name, "distribution": brought, "package": package, "full_name": full_name}
    files = scaffold.write("guardrail", directory / brought, names)
    steps = (
        f"change the rule: {directory / brought / 'src' / package / 'decision.py'}",
        "run its tests with this checkout on PYTHONPATH, then install it where Sluice judges",
        f"insist on it in the configuration: guardrails: {{required: [{full_name}]}}",
        "docs/how-to/add-a-guardrail.md says each step in full",
    )
    _tell(session, full_name, files, steps)


@command
def policy(
    session: Session,
    name: Name,
    directory: Annotated[
        Path | None, typer.Option(help="A directory of policies; without, that of this installation.")
    ] = None,
) -> None:
    """Write a policy into a directory of policies: rule, tests, samples. It passes `sluice policy test` as it is."""
    from adapters.opa.sources import POLICIES, policy_names

    _check(name)
    source = POLICIES if directory is None else directory
    if not (source / "main.rego").is_file():
        hint = f"begin with a copy of {POLICIES}"
        raise CommandFailed(
            f"{source} is no directory of policies: it has no main.rego", ExitCode.USAGE, hint
        )
    if name in policy_names(source):
        raise CommandFailed(f"there is a policy {name!r} already; nothing was written", ExitCode.USAGE)
    files = scaffold.write("policy", source / name, {"name": name})
    steps = (
        f"change the rule: {source / name / 'policy.rego'}, with its tests and samples",
        f"check it: sluice policy test {source}",
        f"see what it would have flipped: sluice policy backtest --policies {source}",
        "docs/how-to/write-a-policy.md says each step in full",
    )
    _tell(session, name, files, steps)


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or name.endswith("_test") or keyword.iskeyword(name):
        told = f"{name!r} is no name for a rule: two or more small letters, digits and underscores"
        raise CommandFailed(told, ExitCode.USAGE, "for example quiet_hours")


def _tell(session: Session, name: str, files: tuple[Path, ...], steps: tuple[str, ...]) -> None:
    if session.is_json:
        write_json({"name": name, "files": [str(file) for file in files], "next": list(steps)})
        return
    for file in files:
        say(f"wrote {file}")
    say("next:")
    for number, step in enumerate(steps, 1):
        say(f"  {number}. {step}")
