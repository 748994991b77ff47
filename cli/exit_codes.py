"""What a script can tell from the exit code. Documented in docs/reference/cli.md; the numbers never change."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command."""

    OK = 0
    ERROR = 1
    """Something failed: no connection, nothing found, an effect that failed."""
    USAGE = 2
    """The command or what it was given is not valid: also a database whose tables are of another version."""
    DENIED = 3
    """Guardrails denied it, people rejected it, or the planner refused."""
    AUTH = 4
    """No valid token, or this identity may not do that."""
    CONFLICT = 5
    """Expired, cancelled, stale, or decided by somebody else meanwhile."""
    PENDING = 6
    """Not finished when the time to wait was over. It goes on."""
    VERIFICATION = 7
    """Verification failed: of an effect (rolled back, dirty) or of the audit log."""
    INTERRUPTED = 130


DRY_RUN = "dry_run"
"""`contracts.proposal.DRY_RUN`, spelled again: nothing heavy is imported before a command runs."""
_BY_STATE = {
    "succeeded": ExitCode.OK,
    "denied": ExitCode.DENIED,
    "rejected": ExitCode.DENIED,
    "expired": ExitCode.CONFLICT,
    "cancelled": ExitCode.CONFLICT,
    "stale": ExitCode.CONFLICT,
    "failed": ExitCode.ERROR,
    "rolled_back": ExitCode.VERIFICATION,
    "dirty": ExitCode.VERIFICATION,
}


def of_state(state: str, reason_code: str | None = None) -> ExitCode:
    """Return the exit code for a proposal that was followed to a final state.

    A dry run that no guardrail denied is closed as cancelled, and is what was asked for.
    """
    if reason_code == DRY_RUN:
        return ExitCode.OK
    return _BY_STATE.get(state, ExitCode.PENDING)


class CommandFailed(Exception):
    """Ends a command: a message for a person, an exit code, and what to do next."""

    def __init__(self, message: str, code: ExitCode = ExitCode.ERROR, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
