"""The benchmarks by name: what `make bench` runs, in full and as the short form. Each runs alone."""

from __future__ import annotations

from proofs.catalogue import Proof

BENCHMARKS = (
    Proof("floor", "benchmarks.floor", (), ("--quick",), is_alone=True),
    Proof("survival", "benchmarks.floor.survival", (), ("--quick",), is_alone=True),
    Proof("cost", "benchmarks.cost", (), ("--quick",), is_alone=True),
    Proof("guard", "benchmarks.guard_pass", ("--split",), ("--quick",), is_alone=True),
    Proof("scale", "benchmarks.scale", (), ("--quick",), is_alone=True),
    Proof("waiting", "benchmarks.waiting", (), ("--quick",), is_alone=True),
    Proof("recovery", "benchmarks.recovery", (), ("--quick",), is_alone=True),
    Proof("inbox", "benchmarks.inbox", (), ("--quick",), is_alone=True),
    Proof("streams", "benchmarks.streams", (), ("--quick",), is_alone=True),
    Proof("backtest", "benchmarks.backtest", (), ("--quick",), is_alone=True),
)
"""In the order in which the page shows them."""
ONLY_WHERE_NAMED = frozenset({"waiting"})
"""What takes as long in full as all others together."""
