"""The shape of a read-only tool, and the one place where a model's call of it is checked and run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from adapters.store.database import Database
from contracts.action import Location, NodePoolTarget, ProjectId, ResourceName
from contracts.base import canonical_json
from contracts.configuration import Configuration, ConfigurationSource, Target
from contracts.errors import SluiceError
from contracts.ports import NodePoolReader, PriceList, ToolCall

TOOL_TIMEOUT_SECONDS = 20.0
MAX_ARGUMENTS = 4_000
"""Characters of a tool call's arguments."""
_MAX_SHOWN = 60
"""Characters of a field's name in an error."""
MAX_RESULT = 6_000
"""Characters of a tool's answer: every one of them is bought again with every later step."""


@dataclass(frozen=True)
class Evidence:
    """What tools read from: the provider under a viewer identity, our tables, the declared configuration."""

    reader: NodePoolReader
    database: Database
    source: ConfigurationSource
    prices: PriceList

    @property
    def configuration(self) -> Configuration:
        """What the operator declares now."""
        return self.source.current

    def settled(self) -> Evidence:
        """Return the same with the configuration of this moment: one call of a tool never sees two."""
        return replace(self, source=self.source.current)


class Arguments(BaseModel):
    """Base of a tool's arguments. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PoolArguments(Arguments):
    """One registered node pool."""

    project: ProjectId
    location: Location = Field(description="Region or zone, for example europe-west4.")
    cluster: ResourceName
    node_pool: ResourceName

    @property
    def target(self) -> NodePoolTarget:
        """The node pool as a target."""
        return NodePoolTarget(
            project=self.project, location=self.location, cluster=self.cluster, node_pool=self.node_pool
        )


class NotRegistered(SluiceError):
    """The configuration does not list the target, so the agent does not get to see it."""

    reason_code = "target_not_registered"


def require_registered(evidence: Evidence, target: NodePoolTarget) -> Target:
    """Return the entry that registers a target.

    Raises:
        NotRegistered: there is none.
    """
    entry = evidence.configuration.registered(target)
    if entry is None:
        raise NotRegistered(f"{target.key} is not registered")
    return entry


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True)
class Tool(Generic[A]):
    """One read-only tool."""

    name: str
    description: str
    arguments: type[A]
    run: Callable[[Evidence, A], Awaitable[JsonValue]]

    def wire_schema(self) -> dict[str, Any]:
        """Return the tool as the chat API takes it."""
        return wire_schema(self.name, self.description, self.arguments)


def wire_schema(name: str, description: str, arguments: type[BaseModel]) -> dict[str, Any]:
    """Return a function tool of the chat API."""
    function = {"name": name, "description": description, "parameters": arguments.model_json_schema()}
    return {"type": "function", "function": function}


@dataclass(frozen=True)
class ToolAnswer:
    """What the model is told, and the reason code when it is an error."""

    content: str
    error: str | None = None


async def answer(tool: Tool[Any] | None, call: ToolCall, evidence: Evidence) -> ToolAnswer:
    """Check the arguments, run the tool, and turn every failure of either into data for the model."""
    if tool is None:
        return _failed("unknown_tool", "there is no such tool")
    if len(call.arguments) > MAX_ARGUMENTS:
        return _failed("invalid_arguments", "the arguments are too long")
    try:
        arguments = tool.arguments.model_validate(pydantic_core.from_json(call.arguments or "{}"))
    except ValidationError as error:
        return _failed("invalid_arguments", describe(error))
    except ValueError:
        return _failed("invalid_arguments", "the arguments are not JSON")
    try:
        async with asyncio.timeout(TOOL_TIMEOUT_SECONDS):
            result = await tool.run(evidence.settled(), arguments)
    except SluiceError as error:
        return _failed(error.reason_code, "it could not be read")
    except TimeoutError:
        return _failed("timeout", "it took too long to read")
    content = json.dumps(result, separators=(",", ":"))
    if len(content) > MAX_RESULT:
        return _failed("result_too_large", "ask for something narrower")
    return ToolAnswer(content)


def shown_arguments(arguments: str) -> dict[str, JsonValue]:
    """Return a call's arguments for people; what is no JSON object that our records can carry is named, not kept."""
    try:
        parsed = pydantic_core.from_json(arguments[:MAX_ARGUMENTS] or "{}", allow_inf_nan=False)
        canonical_json(parsed)
    except ValueError:
        return {"unreadable": True}
    return parsed if isinstance(parsed, dict) else {"unreadable": True}


def _failed(reason_code: str, message: str) -> ToolAnswer:
    return ToolAnswer(json.dumps({"error": reason_code, "message": message}), error=reason_code)


def describe(error: ValidationError, limit: int = 3) -> str:
    """Return what is wrong without repeating the input, but for the beginning of a name that is not known."""
    found = error.errors(include_input=False, include_url=False, include_context=False)[:limit]
    return "; ".join(
        f"{'.'.join(str(part)[:_MAX_SHOWN] for part in one['loc'])}: {one['msg']}" for one in found
    )
