"""What a caller's `traceparent` can do to our traces, in a process of its own: the provider is global."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys
from opentelemetry.propagate import extract
from adapters.telemetry.tracing import install_tracing
from settings import TelemetrySettings

tracer = install_tracing(TelemetrySettings(), "api").get_tracer("test")
span = tracer.start_span("served", context=extract({"traceparent": sys.argv[1]}))
print(f"{span.get_span_context().trace_id:032x} {span.is_recording()}")
"""
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_caller_names_the_trace_and_cannot_hide_from_it(flags: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"00-{TRACE}-b7ad6b7169203331-{flags}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == [TRACE, "True"]
