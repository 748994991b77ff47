"""Guard mutants of budgets and their ledger."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_CHECK = "tests/activities/guardrail/test_check_proposal.py"
_ADMIT = "tests/activities/guardrail/test_one_at_a_time.py"
_CHANGES = ("tests/adapters/store/ledger/test_changes.py",)
_PLANNING = ("tests/adapters/store/ledger/test_planning.py",)
_LEDGER = ("tests/adapters/store/test_ledger.py",)

DECISION = Group(
    "guardrails/budget/decision.py",
    Promise.BUDGET,
    ("tests/guardrails/budget/test_decision.py",),
    {
        "budget-unknown-price-passes": Change(
            "        return _unknown(facts)", '        return _ANSWER.allow("no_budget", "Nothing is known.")'
        ),
        "budget-other-currency-passes": Change("        currency != cost.currency\n", "        False\n"),
        "budget-ledger-of-another-currency-passes": Change(
            "for currency in (budget.currency, budget.ledger_currency)", "for currency in (budget.currency,)"
        ),
        "budget-hard-cap-is-ignored": Change(
            "exceeded = [line for line in cost.lines if line.amount > 0 and line.left_after < 0]",
            "exceeded = []",
        ),
        "budget-hard-cap-gives-a-unit": Change("line.left_after < 0]", "line.left_after < -1]"),
        "budget-saving-is-denied": Change(
            "if line.amount > 0 and line.left_after < 0]", "if line.left_after < 0]"
        ),
        "budget-soft-cap-is-ignored": Change("    if soft:", "    if False:"),
        "budget-soft-cap-asks-for-savings": Change(
            "if line.amount > 0 and _over_soft_limit(line) > 0]", "if _over_soft_limit(line) > 0]"
        ),
    },
)
COST = Group(
    "guardrails/budget/cost.py",
    Promise.BUDGET,
    ("tests/guardrails/budget/test_decision.py",),
    {
        "budget-part-of-a-cent-is-free": Change("rounding=ROUND_CEILING", "rounding=ROUND_HALF_UP"),
        "budget-saving-becomes-money": Change(
            "max(Decimal(0), hourly * budget.hours_left)", "(hourly * budget.hours_left)"
        ),
        "budget-old-prices-are-fresh": Change(
            "is_stale=facts.now.date() - price.as_of > price.stale_after", "is_stale=False"
        ),
    },
)
PLANNING = Group(
    "adapters/store/ledger/planning.py",
    Promise.BUDGET,
    _CHANGES,
    {
        "ledger-reserves-again": Change('"reserve", aim - position.reserved', '"reserve", aim', _LEDGER),
        "ledger-keeps-a-window-that-is-left": Change(
            "elif aim < position.reserved and (shrink or key not in aims):",
            "elif aim < position.reserved and shrink:",
            _LEDGER,
        ),
        "ledger-commits-what-was-not-reserved": Change(
            "committed = min(position.reserved, cost)", "committed = cost"
        ),
        "ledger-forgets-an-overrun": Change("if cost > committed or hourly > 0:", "if hourly > 0:"),
        "ledger-releases-nothing": Change("    if position.reserved > committed:", "    if False:"),
        "ledger-gives-back-more-than-was-spent": Change(
            "amount = min((rate * share.hours).quantize(CENT, rounding=ROUND_FLOOR), balance.committed)",
            "amount = (rate * share.hours).quantize(CENT, rounding=ROUND_FLOOR)",
            _PLANNING,
        ),
        "ledger-saves-more-than-runs": Change("rate = min(saved, balance.hourly)", "rate = saved", _PLANNING),
    },
)
WINDOWS = Group(
    "adapters/store/ledger/windows.py",
    Promise.BUDGET,
    _CHANGES,
    {
        "ledger-window-starts-empty": Change(
            "coalesce(h.hourly, 0) AS hourly,\n            ceil(", "0 AS hourly,\n            ceil("
        ),
        "ledger-windows-are-not-locked": Change(
            'ORDER BY b.scope COLLATE "C", b."window" COLLATE "C"\n        FOR UPDATE',
            'ORDER BY b.scope COLLATE "C", b."window" COLLATE "C"',
            (f"{_CHECK}::test_of_many_at_once_only_as_many_are_granted_as_the_budget_holds",),
        ),
    },
)
POSTING = Group(
    "adapters/store/ledger/posting.py",
    Promise.BUDGET,
    _CHANGES,
    {
        "ledger-sums-do-not-follow": Change('"reserved": reserved,', '"reserved": ZERO,'),
        "ledger-alert-comes-again": Change("if percent > balance.alerted and", "if"),
        "ledger-posts-without-a-lock": Change("    if by_window:", "    if False:", _PLANNING),
        "ledger-opening-is-not-posted": Change("if balance.is_new and balance.hourly > 0:", "if False:"),
    },
)
MODELS = Group(
    "adapters/store/ledger/models.py",
    Promise.BUDGET,
    ("tests/adapters/store/ledger/test_models.py",),
    {
        "ledger-model-passes-its-cap": Change("    if missing <= 0 or wanted.amount <= 0:", "    if True:"),
        "ledger-model-counts-itself-twice": Change(
            "balance.standing - own + wanted.amount", "balance.standing + wanted.amount"
        ),
        "ledger-model-pays-in-any-currency": Change("if balance.currency != wanted.currency:", "if False:"),
        "ledger-model-reserves-in-what-has-room": Change("    if not short:", "    if True:"),
    },
)
SETTLING = Group(
    "activities/guardrail/settling.py",
    Promise.BUDGET,
    (_CHECK,),
    {
        "settling-denial-reserves": Change(
            "cost = None if standing.state.is_final else evaluation.cost",
            "cost = evaluation.cost",
            (f"{_CHECK}::test_a_denial_names_its_reason_and_reserves_nothing",),
        ),
        "settling-hold-gives-its-budget-away": Change(
            "        add_openings(batch, locked, purse)\n        return\n",
            "        add_reservation(batch, locked, purse, None, shrink=True)\n        return\n",
            (f"{_ADMIT}::test_a_hold_gives_the_lease_back_and_keeps_the_reservation",),
        ),
    },
)
APPROVALS = Group(
    "activities/approval/activities.py",
    Promise.BUDGET,
    ("tests/activities/approval/test_activities.py",),
    {
        "rejection-keeps-its-reservation": Change(
            "            await ledger.release_all(connection, row.id)\n", ""
        ),
    },
)

COVERED = Group(
    "contracts/configuration/budgets.py",
    Promise.BUDGET,
    ("tests/contracts/configuration/test_budgets.py",),
    {
        "budget-of-models-counts-changes": Change(
            "return self.kind is BudgetKind.INFRASTRUCTURE and self.scope.covers(",
            "return self.scope.covers(",
        ),
        "budget-of-an-environment-covers-nothing": Change(
            "self.environment in (None, environment) and", "self.environment is None and"
        ),
        "budget-of-a-team-covers-every-team": Change(" and self.team in (None, team)", ""),
        "budget-of-an-agent-needs-its-whole-name": Change(
            'agent == self.agent or agent.endswith(f"/{self.agent}")', "agent == self.agent"
        ),
    },
)
VERIFIED = Group(
    "activities/costing.py",
    Promise.BUDGET,
    ("tests/activities/test_costing.py",),
    {
        "verified-change-costs-what-was-estimated": Change(
            "if outcome.verification is not None:", "if False:"
        ),
        "verified-change-without-an-estimate-is-free": Change(
            "        await ledger.commit_all(connection, row.id)\n", ""
        ),
        "verified-change-is-booked-in-the-window-that-was": Change(
            "if shares_of(covering, since=since, now=now) == shares:", "if True:"
        ),
    },
)

GROUPS = (DECISION, COST, PLANNING, WINDOWS, POSTING, MODELS, SETTLING, APPROVALS, COVERED, VERIFIED)
