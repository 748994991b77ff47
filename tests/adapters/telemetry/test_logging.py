"""Logs of every process go through one chain that strikes secrets out (I9)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CANARIES = {
    "a bearer header in a message": ("log.info('sent Bearer abcdef123456')", "abcdef123456"),
    "a token of ours in a field": (
        "log.info('hello', note='slc_canary_0123456789abcdef')",
        "canary_0123456789",
    ),
    "a value under a secret name": ("log.info('hello', api_key='plain-canary')", "plain-canary"),
    "a password inside a database URL": (
        "log.info('dsn', url='postgresql://me:canarypw@db/x')",
        "canarypw",
    ),
    "a bearer header in a list": ("log.info('refused', faults=['Bearer canary-list'])", "canary-list"),
    "a value under a secret name inside another": (
        "log.info('sent', headers=[{'Authorization': 'plain-canary'}])",
        "plain-canary",
    ),
    "a library's own log line": (
        "logging.getLogger('lib').warning('header %s', 'Bearer canary-lib')",
        "canary-lib",
    ),
    "a password with a slash in it": (
        "log.info('dsn', url='postgresql://me:top/canary-slash@db/x')",
        "canary-slash",
    ),
    "the key of a webhook": (
        "log.info('read', content='whsec_Y2FuYXJ5LXNlY3JldC1jYW5hcnktc2VjcmV0')",
        "Y2FuYXJ5",
    ),
    "an exception that is a value": (
        "log.info('failed', error=OSError('Bearer canary-error'))",
        "canary-error",
    ),
    "bytes": ("log.info('got', body=b'Bearer canary-bytes')", "canary-bytes"),
    "an exception's text": (
        "\ntry:\n    raise RuntimeError('Bearer canary-exc')\nexcept RuntimeError:\n    log.exception('failed')",
        "canary-exc",
    ),
}


@pytest.mark.parametrize("case", CANARIES, ids=lambda name: name.replace(" ", "-"))
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_secret_never_reaches_the_log(case: str, log_format: str) -> None:
    statement, canary = CANARIES[case]
    program = (
        "import logging, structlog\n"
        "from adapters.telemetry.logging import install_logging\n"
        "from settings import TelemetrySettings\n"
        f"install_logging(TelemetrySettings(log_format={log_format!r}))\n"
        "log = structlog.get_logger('test')\n"
        f"{statement}\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "[redacted]" in result.stderr
    assert canary not in result.stderr
    assert result.stdout == ""
