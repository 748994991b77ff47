"""The order of steps that both home-made contenders follow, by the names of the methods of `change.Gates`."""

from __future__ import annotations

GATES = ("judge_policy", "judge_budget", "judge_limits")
"""Asked before the person, and again before the effect."""
AFTERWARDS = ("execute", "verify")
