"""Guard mutants of what is struck out of logs."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_LOGS = ("tests/adapters/telemetry/test_logging.py",)

LOGS = Group(
    "adapters/telemetry/logging.py",
    Promise.SECRECY,
    _LOGS,
    {
        "log-tells-what-has-a-secret-name": Change("_SECRET_NAMES.search(name) or ", ""),
        "log-tells-what-looks-like-a-secret": Change(
            "return _SECRET_VALUES.sub(_STRUCK, value)", "return value"
        ),
        "log-tells-secrets-inside-lists": Change('[_struck("", one) for one in value]', "list(value)"),
        "log-tells-secrets-inside-mappings": Change(
            "{inner: _struck(str(inner), one) for inner, one in value.items()}", "dict(value)"
        ),
        "log-tells-secrets-of-exceptions": Change(
            "        structlog.processors.format_exc_info,\n        strike_secrets,\n",
            "        strike_secrets,\n        structlog.processors.format_exc_info,\n",
        ),
        "log-tells-secrets-of-libraries": Change(
            "foreign_pre_chain=shared,", "foreign_pre_chain=shared[:-1],"
        ),
    },
)

GROUPS = (LOGS,)
