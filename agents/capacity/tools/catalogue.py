"""The tools the agent is offered, and nothing beside them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from agents.capacity.tools.budget_left import BUDGET_LEFT
from agents.capacity.tools.list_operations import LIST_OPERATIONS
from agents.capacity.tools.list_targets import LIST_TARGETS
from agents.capacity.tools.node_price import NODE_PRICE
from agents.capacity.tools.read_node_pool import READ_NODE_POOL
from agents.capacity.tools.recent_changes import RECENT_CHANGES
from agents.capacity.tools.tool import Tool

_ALL: tuple[Tool[Any], ...] = (
    LIST_TARGETS,
    READ_NODE_POOL,
    LIST_OPERATIONS,
    RECENT_CHANGES,
    BUDGET_LEFT,
    NODE_PRICE,
)
TOOLS: Mapping[str, Tool[Any]] = MappingProxyType({tool.name: tool for tool in _ALL})
"""Name → tool."""
