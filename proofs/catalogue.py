"""The proofs by name, and the sizes in which `make proof`, `make proof-quick` and `make proof-long` run them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Size(StrEnum):
    """How much of a proof is run."""

    QUICK = "quick"
    """Seconds: that it works."""
    FULL = "full"
    """All of them together take less than an hour."""
    LONG = "long"
    """More of the same: some hours for all of them, run now and then."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A program in this package that ends with a report. Arguments of a size that it does not have are None."""

    name: str
    module: str
    full: tuple[str, ...] = ()
    quick: tuple[str, ...] | None = None
    long: tuple[str, ...] | None = None
    is_alone: bool = False
    """Whether it measures time, so that nothing may run beside it."""
    minutes: int = 5
    """About how long its full form takes on two cores, beside others: the longest begin first."""
    tested_in: str = "tests/proofs"
    """The folder of its test, which runs a little of it or its judges, and sees a planted fault found."""

    def arguments(self, size: Size) -> tuple[str, ...] | None:
        """Return those of a size."""
        return {Size.QUICK: self.quick, Size.FULL: self.full, Size.LONG: self.long}[size]

    @property
    def test(self) -> str:
        """The path of that test."""
        return f"{self.tested_in}/test_{self.module.rpartition('.')[2]}.py"


PROOFS = (
    Proof("budget", "proofs.last_unit", ("--rounds", "500"), ("--rounds", "20"), ("--rounds", "5000")),
    Proof("approvals", "proofs.approval_orders", ("--sample", "300"), ("--sample", "10")),
    Proof("races", "proofs.races", ("--races", "10000"), ("--races", "100"), minutes=8),
    Proof("storm", "proofs.storm", minutes=7, tested_in="tests/e2e"),
    Proof("errors", "proofs.error_storms", ("--storm", "30"), minutes=14),
    Proof(
        "halts",
        "proofs.halts",
        ("--rounds", "5"),
        ("--rounds", "1", "--proposals", "20"),
        ("--rounds", "50"),
        tested_in="tests/e2e",
    ),
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
        minutes=13,
    ),
    Proof(
        "kills",
        "proofs.kills",
        ("--kills", "120", "--others", "20"),
        # Other proofs run beside it, and this form asks only that it works.
        ("--kills", "6", "--others", "1", "--points", "4", "--within", "120"),
        ("--kills", "1000", "--others", "20"),
        minutes=25,
    ),
    Proof(
        "network",
        "proofs.network",
        ("--answers", "648", "--wanted", "500"),
        ("--answers", "40", "--wanted", "30", "--only", "half-open at GKE"),
        minutes=10,
    ),
    Proof("clocks", "proofs.clocks", (), ("--only", "forward over the time to decide"), minutes=8),
    Proof("zombie", "proofs.zombie", ("--rounds", "1"), ("--only", "clock not looked at"), minutes=14),
    Proof("secrets", "proofs.secrets", tested_in="tests/e2e"),
    Proof("upgrade", "proofs.upgrade", (), ()),
    Proof(
        "simulation",
        "proofs.simulation",
        ("--seeds", "4000"),
        ("--seeds", "100"),
        ("--seeds", "50000", "--jobs", "2"),
        minutes=17,
    ),
    Proof(
        "hostile",
        "proofs.hostile",
        ("--rounds", "12", "--seconds", "4"),
        ("--rounds", "1", "--seconds", "1"),
        is_alone=True,
    ),
    Proof("api", "proofs.api_fuzz", ("--examples", "8"), ("--examples", "1"), minutes=10),
    # Most of what a mutant takes is a test that waits for what does not come: two of them wait side by side.
    Proof("mutants", "proofs.mutants", ("--jobs", "2"), ("--only", "fence"), minutes=40),
)
ONLY_WHERE_NAMED = frozenset({"mutants"})
"""What `make proof` leaves out: it is about the tests, and takes a third of the processor time of all others."""
