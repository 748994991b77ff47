"""Asks OPA the one question of a guard pass. Whatever is not a whole answer is `PolicyUnavailable`, never an allow."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from functools import partial
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from adapters.opa.sources import policy_names
from adapters.store.database import forbid_in_transaction
from contracts.errors import ConfigurationInvalid, PolicyUnavailable
from contracts.ports import PoliciesInForce, PolicyDescription, PolicyResult, PolicyViolation
from contracts.principal import GroupName, Role

_QUESTION = "/v1/data/sluice/verdict?strict-builtin-errors=true"
_BUNDLE = "/v1/data/sluice/bundle"
_NAMES = "/v1/data/sluice/verdict/policies"
_MOST_BYTES = 1_000_000
_DROPPED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


_Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]


class _Violation(BaseModel):
    # A misspelt `groups` or `quorum` would ask fewer people than its author meant.
    model_config = ConfigDict(strict=True, extra="forbid")

    rule: Annotated[str, Field(min_length=1, max_length=100)]
    level: Literal["advisory", "soft", "hard"]
    message: Annotated[str, Field(max_length=2_000)]
    remedy: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None
    quorum: Annotated[int, Field(ge=1, le=10)] | None = None
    # Blank is not "nobody in particular": a policy that wants people says whom.
    roles: Annotated[list[Role], Field(min_length=1)] | None = None
    groups: Annotated[list[GroupName], Field(min_length=1)] | None = None


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True)

    violations: list[_Violation]
    policies: list[_Name]
    declared: list[_Name] = []
    revision: Annotated[str, Field(min_length=1, max_length=200)]


def faults_of(answer: JsonValue) -> tuple[str, ...]:
    """Return what keeps a verdict of the policies from being an answer; none: a guard pass takes it."""
    try:
        _Answer.model_validate_json(json.dumps(answer))
    except ValidationError as error:
        return tuple(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)
        )
    return ()


class _Reply(BaseModel):
    result: _Answer


class _Bundle(BaseModel):
    revision: Annotated[str, Field(min_length=1, max_length=200)]
    policies: list[_Name] = []
    described: list[PolicyDescription] = []


class _BundleReply(BaseModel):
    # OPA leaves `result` out where nothing is defined.
    result: _Bundle | None = None


class _NamesReply(BaseModel):
    result: list[_Name] = []


class OpaPolicyEngine:
    """A `PolicyEngine` and `PolicyCatalogue` over OPA's REST API, on TCP or a unix socket; connections are kept."""

    def __init__(self, url: str, *, timeout: timedelta, required: Collection[str] | None = None) -> None:
        """Connect lazily to `http://host:port`, `https://host:port` or `unix:///path`.

        `required` names the policies without which an answer is none; by default those of this repository.

        Raises:
            ConfigurationInvalid: the URL is none of these, or no policy is required.
        """
        parts = urlsplit(url)
        if parts.scheme == "unix" and parts.path:
            self._socket: str | None = unquote(parts.path)
            self._base = "http://opa"
        elif parts.scheme in ("http", "https") and parts.netloc:
            self._socket = None
            self._base = url.rstrip("/")
        else:
            raise ConfigurationInvalid("the address of OPA must be http://host:port or unix:///path")
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds())
        self._required = frozenset(policy_names() if required is None else required)
        if not self._required:
            raise ConfigurationInvalid("no policy is required: name those that must be evaluated")
        self._session: aiohttp.ClientSession | None = None

    async def evaluate(self, document: Mapping[str, JsonValue]) -> PolicyResult:
        """Return every violation.

        Raises:
            PolicyUnavailable: no answer in time, an error, an undefined result, or a policy is missing.
        """
        forbid_in_transaction()
        body = json.dumps({"input": document}, allow_nan=False).encode()
        content = await self._answer(partial(self._ask, body))
        return self._judged(content)

    async def _ask(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        async with self._opened().post(self._base + _QUESTION, data=body, headers=headers) as response:
            return await _content(response)

    async def _get(self, path: str) -> bytes:
        async with self._opened().get(self._base + path) as response:
            return await _content(response)

    async def _answer(self, ask: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            try:
                return await ask()
            except _DROPPED as error:
                if isinstance(error, aiohttp.ClientConnectorError):
                    raise
                # A kept connection that OPA closed meanwhile, say by a restart. The question changes nothing.
                return await ask()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PolicyUnavailable("the policy engine did not answer") from error

    async def in_force(self) -> PoliciesInForce:
        """Return the policies that OPA runs, as their bundle describes them.

        Raises:
            PolicyUnavailable: no answer in time, an error, or not an answer.
        """
        forbid_in_transaction()
        content = await self._answer(partial(self._get, _BUNDLE))
        try:
            bundle = _BundleReply.model_validate_json(content).result
        except ValidationError as error:
            raise PolicyUnavailable("the policy engine's answer is not one") from error
        if bundle is None:
            return PoliciesInForce(revision=None, policies=())
        said = {one.name: one for one in bundle.described}
        named = (said.get(name) or PolicyDescription(name=name) for name in sorted(set(bundle.policies)))
        return PoliciesInForce(revision=bundle.revision, policies=tuple(named))

    async def check(self) -> None:
        """Return when OPA serves policies, for readiness. Without any it would answer, and each answer would be none.

        Raises:
            PolicyUnavailable: it does not answer, or has no policies.
        """
        forbid_in_transaction()
        content = await self._answer(partial(self._get, _NAMES))
        try:
            names = _NamesReply.model_validate_json(content).result
        except ValidationError as error:
            raise PolicyUnavailable("the policy engine's answer is not one") from error
        if not names:
            raise PolicyUnavailable("the policy engine answers, and has no policies: give it their bundle")

    async def close(self) -> None:
        """Close the kept connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector: aiohttp.BaseConnector = (
                aiohttp.UnixConnector(self._socket) if self._socket else aiohttp.TCPConnector()
            )
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self._session

    def _judged(self, content: bytes) -> PolicyResult:
        try:
            answer = _Reply.model_validate_json(content).result
        except ValidationError as error:
            raise PolicyUnavailable("the policy engine's answer is not one") from error
        evaluated = set(answer.policies)
        missing = sorted(self._required.union(answer.declared) - evaluated)
        if missing:
            raise PolicyUnavailable(f"these policies were not evaluated: {', '.join(missing)}")
        return PolicyResult(
            violations=tuple(
                PolicyViolation(
                    rule=one.rule,
                    level=one.level,
                    message=one.message,
                    remedy=one.remedy,
                    quorum=one.quorum,
                    roles=tuple(one.roles or ()),
                    groups=tuple(one.groups or ()),
                )
                for one in answer.violations
            ),
            rules_evaluated=len(evaluated),
            revision=answer.revision,
            policies=tuple(sorted(evaluated)),
        )


async def _content(response: aiohttp.ClientResponse) -> bytes:
    if response.status != 200:
        raise PolicyUnavailable(f"the policy engine answered with status {response.status}")
    # As a rule the whole answer is there at once. An iterator over its parts takes as long as reading it.
    content = await response.content.read(_MOST_BYTES + 1)
    while not response.content.at_eof() and len(content) <= _MOST_BYTES:
        content += await response.content.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise PolicyUnavailable("the policy engine's answer is too large")
    return content
