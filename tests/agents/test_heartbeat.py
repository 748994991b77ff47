from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from agents.capacity.reading import ToolReading
from agents.heartbeat import HEARTBEAT_TIMEOUT, heartbeating, tell
from agents.planners.openai import OpenAIPlanner
from agents.planners.rules import RulesPlanner


class Slow:
    @heartbeating
    async def visit(self, state: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.05)
        return state


async def test_a_node_at_work_says_that_it_lives() -> None:
    environment, beats = ActivityEnvironment(), []
    environment.on_heartbeat = lambda *details: beats.append(details)
    assert await environment.run(Slow().visit, {"a": 1}) == {"a": 1}
    assert len(beats) >= 1


class Writing:
    @heartbeating
    async def visit(self, state: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.02)
        for text in ("It", "It runs", "It runs"):
            tell(text)
            await asyncio.sleep(0.02)
        return state


async def test_a_node_at_work_tells_what_it_has_so_far_and_each_thing_once() -> None:
    environment, beats = ActivityEnvironment(), []
    environment.on_heartbeat = lambda *details: beats.append(details)
    await environment.run(Writing().visit, {"a": 1})
    assert beats == [(), ("It",), ("It runs",)]


async def test_outside_of_an_activity_there_is_nobody_to_tell() -> None:
    tell("nobody")
    assert await Writing().visit({"a": 1}) == {"a": 1}


async def test_outside_of_an_activity_a_node_just_runs() -> None:
    assert await Slow().visit({"a": 1}) == {"a": 1}


@pytest.mark.parametrize("node", [OpenAIPlanner.plan, ToolReading.read, RulesPlanner.answer])
def test_every_node_heartbeats_and_keeps_the_name_the_plugin_needs(node: Any) -> None:
    assert node.__wrapped__ is not None
    assert "<locals>" not in node.__qualname__
    assert HEARTBEAT_TIMEOUT.total_seconds() < 15
