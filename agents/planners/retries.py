"""REQUEST → PROPOSAL: how many calls of the model one worker may repeat, all its requests together.

Temporal repeats a call and waits before it; whether it may stands here. Attempts alone do not bound it: when the model
fails for everybody, three attempts each are three times the load, just when it can bear least. So retries are paid
from one bucket of tokens, as in the retry quota of the AWS SDKs' standard mode, after "Handling Overload" in the SRE
book (per-client retry budgets, https://sre.google/sre-book/handling-overload/) and gRPC's retry throttling (gRFC A6).
"""

from __future__ import annotations

PER_RETRY = 10
PER_ANSWER = 1
"""In the long run, one retry for ten answers."""
MOST_TOKENS = 4 * PER_RETRY
"""Two requests can use up their attempts before anything was answered."""


class RetryBudget:
    """One bucket for all requests of a worker. Only retries that cure nothing empty it."""

    def __init__(self) -> None:
        """Begin full."""
        self._tokens = MOST_TOKENS

    def take(self) -> bool:
        """Pay for one more attempt. False: there is too little left, and the call must not be repeated."""
        if self._tokens < PER_RETRY:
            return False
        self._tokens -= PER_RETRY
        return True

    def answered(self, *, retried: bool) -> None:
        """Put something back for an answer: all that a retry cost where it was one that helped."""
        self._tokens = min(MOST_TOKENS, self._tokens + (PER_RETRY if retried else PER_ANSWER))
