"""Asks one OPA about many documents at once: what a backtest does, with a candidate that serves nobody else.

The module below goes beside the candidate's policies. It judges each document as if it were the whole input, so that
a batch gives, one by one, the answers that `/v1/data/sluice/verdict` would give.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from pydantic import JsonValue

from adapters.opa.engine import OpaPolicyEngine
from adapters.store.database import forbid_in_transaction
from contracts.errors import PolicyUnavailable
from contracts.ports import PolicyResult

BATCH_FILE = "sluice_batch.rego"
"""Name of the module; the candidate must not have a file of this name."""
BATCH_MODULE = """\
package sluice.batch

verdicts[position] := verdict if {
	some position, document in input.documents
	verdict := data.sluice.verdict with input as document
}
"""
BATCH_SIZE = 100
_QUESTION = "/v1/data/sluice/batch/verdicts?strict-builtin-errors=true"
_MOST_BYTES = 50_000_000


class OpaBatch(OpaPolicyEngine):
    """A policy engine over an OPA that also holds `BATCH_MODULE`."""

    async def evaluate_many(
        self, documents: Sequence[Mapping[str, JsonValue]]
    ) -> list[PolicyResult | PolicyUnavailable]:
        """Return, in the same order, every answer, or why there is none.

        A document that makes the whole batch fail is found by asking about halves: it alone has no answer. An OPA that
        does not serve any more is not asked again.
        """
        forbid_in_transaction()
        if not documents:
            return []
        try:
            answers = await self._ask_many(documents)
        except PolicyUnavailable as error:
            if len(documents) == 1 or not await self._serves():
                return [error for _ in documents]
            middle = len(documents) // 2
            first = await self.evaluate_many(documents[:middle])
            return first + await self.evaluate_many(documents[middle:])
        return [self._of(answers.get(str(position))) for position in range(len(documents))]

    async def _serves(self) -> bool:
        try:
            await self.check()
        except PolicyUnavailable:
            return False
        return True

    def _of(self, answer: Any) -> PolicyResult | PolicyUnavailable:
        try:
            return self._judged(json.dumps({} if answer is None else {"result": answer}).encode())
        except PolicyUnavailable as error:
            return error

    async def _ask_many(self, documents: Sequence[Mapping[str, JsonValue]]) -> dict[str, Any]:
        body = json.dumps({"input": {"documents": list(documents)}}, allow_nan=False).encode()
        headers, content = {"Content-Type": "application/json"}, bytearray()
        try:
            async with self._opened().post(self._base + _QUESTION, data=body, headers=headers) as response:
                if response.status != 200:
                    raise PolicyUnavailable(f"the policy engine answered with status {response.status}")
                async for chunk in response.content.iter_chunked(65_536):
                    content += chunk
                    if len(content) > _MOST_BYTES:
                        raise PolicyUnavailable("the policy engine's answer is too large")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PolicyUnavailable("the policy engine did not answer") from error
        try:
            found = json.loads(content)["result"]
        except (ValueError, KeyError, TypeError) as error:
            raise PolicyUnavailable("the policy engine's answer is not one") from error
        if not isinstance(found, dict):
            raise PolicyUnavailable("the policy engine's answer is not one")
        return found
