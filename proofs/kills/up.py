"""`sluice up` whose parts come back at once each time they die: a proof that kills every few seconds meets no back-off.

Only the supervisor waits differently. What it starts are the product's own commands, unchanged.
"""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

from cli.main import app
from local.part import RestartPolicy


def at_once(policy: RestartPolicy, failures: int) -> timedelta:
    """Stand in for `RestartPolicy.delay`: nothing is waited for."""
    return policy.first_delay


if __name__ == "__main__":
    with patch.object(RestartPolicy, "delay", at_once):
        app()
