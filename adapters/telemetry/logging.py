"""Structured logs on standard error: our own lines and those of libraries in one form, secrets struck out."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from opentelemetry import trace
from pydantic import SecretStr

from settings import TelemetrySettings

_SECRET_NAMES = re.compile(r"(token|secret|password|authorization|api_key|private_key)", re.IGNORECASE)
_SECRET_VALUES = re.compile(
    r"((?:slc|sluice)_[A-Za-z0-9_-]{16,}|whsec_[A-Za-z0-9+/=]{8,}|Bearer\s+\S+|sk-[A-Za-z0-9_-]{8,}"
    r"|://[^/\s:@]+:[^@\s]+@)"
)
_STRUCK = "[redacted]"


def strike_secrets(_: Any, __: str, entry: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Replace values under secret names, and secret-looking text inside any value, however deep it lies."""
    for name, value in entry.items():
        entry[name] = _struck(name, value)
    return entry


def _struck(name: str, value: Any) -> Any:
    if _SECRET_NAMES.search(name) or isinstance(value, SecretStr):
        return _STRUCK
    if isinstance(value, str):
        return _SECRET_VALUES.sub(_STRUCK, value)
    if isinstance(value, Mapping):
        return {inner: _struck(str(inner), one) for inner, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_struck("", one) for one in value]
    if isinstance(value, logging.LogRecord):
        return value  # structlog keeps a library's record beside what it shows of it
    # Anything else is shown as its `repr`.
    shown = repr(value)
    struck = _SECRET_VALUES.sub(_STRUCK, shown)
    return value if struck == shown else struck


def _add_trace(_: Any, __: str, entry: MutableMapping[str, Any]) -> Mapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        entry["trace_id"] = f"{context.trace_id:032x}"
    return entry


def install_logging(settings: TelemetrySettings) -> None:
    """Send every log line of this process through one chain to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        structlog.processors.format_exc_info,
        strike_secrets,
    ]
    rendered: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, rendered],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    # It logs each URL it calls, and the URL of a webhook can be a secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
