"""The proofs by name: what `make proof` runs, in full and as the quick subset."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Proof:
    """A program in this package that ends with a report."""

    name: str
    module: str
    full: tuple[str, ...] = ()
    """Arguments of the published run."""
    quick: tuple[str, ...] | None = None
    """Arguments of a run that takes seconds; None: it has none."""
    is_alone: bool = False
    """Whether it measures time, so that nothing may run beside it."""


PROOFS = (
    Proof("budget", "proofs.last_unit", ("--rounds", "5000"), ("--rounds", "20")),
    Proof("approvals", "proofs.approval_orders", ("--sample", "300"), ("--sample", "10")),
    Proof("storm", "proofs.storm"),
    Proof("halts", "proofs.halts", ("--rounds", "50"), ("--rounds", "1", "--proposals", "20")),
    Proof(
        "llm",
        "proofs.llm_fuzz",
        ("--outputs", "1000000", "--hostile", "100000"),
        ("--outputs", "4000", "--hostile", "1000"),
    ),
    Proof(
        "audit",
        "proofs.audit_tamper",
        ("--entries", "10000", "--command", "1000", "--rearranged", "10000"),
        ("--entries", "60", "--command", "8", "--rearranged", "200"),
    ),
    Proof(
        "kills",
        "proofs.kills",
        ("--kills", "120", "--others", "20"),
        ("--kills", "6", "--others", "1", "--points", "4"),
    ),
    Proof("zombie", "proofs.zombie", ("--rounds", "1"), ("--only", "clock not looked at")),
    Proof("secrets", "proofs.secrets"),
    Proof("upgrade", "proofs.upgrade", (), ()),
    Proof("simulation", "proofs.simulation", ("--seeds", "50000", "--jobs", "2"), ("--seeds", "100")),
    Proof(
        "hostile",
        "proofs.hostile",
        ("--rounds", "12", "--seconds", "4"),
        ("--rounds", "1", "--seconds", "1"),
        is_alone=True,
    ),
    Proof("api", "proofs.api_fuzz", ("--examples", "12"), ("--examples", "1")),
    Proof("mutants", "proofs.mutants", (), ("--only", "fence")),
)
