"""Conformance kit: whether a guardrail keeps what a guard pass relies on. For tests, in any repository.

    from guardrails.conformance import check
    from guardrails.samples import samples

    def test_it_conforms() -> None:
        report = check(decide, samples(), name="acme-freeze/quiet_hours")
        assert report.is_sound, report

How to: docs/how-to/add-a-guardrail.md.
"""

from __future__ import annotations

from guardrails.conformance.kit import BUDGET, check
from guardrails.conformance.report import Flaw, Quality, Report

__all__ = ["BUDGET", "Flaw", "Quality", "Report", "check"]
