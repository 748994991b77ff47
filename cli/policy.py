"""GUARDRAILS on the command line: `sluice policy …`, the policies before and beside what they decide."""

from __future__ import annotations

import typer

from cli import explaining, policy_backtest, policy_set, policy_shadow


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Policies: replay the past under others, watch a candidate, see what fired.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("test")(policy_set.check)
    group.command()(policy_set.build)
    group.command()(policy_set.verify)
    group.command()(policy_backtest.backtest)
    group.command()(policy_shadow.shadow)
    group.command("explain")(explaining.policy_explain)
    app.add_typer(group, name="policy")
    app.command()(explaining.explain)
