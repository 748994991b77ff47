"""REQUEST → PROPOSAL: the agent as a graph. It only reads and proposes; gates, waits and effects are elsewhere.

start ─► plan ─► read ─┐          plan: one call of the model
          ▲ └──────────┘          read: the tools it asked for
          ├─► rules ─► end        rules: the deterministic planner, without a model
          └─► end
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from langgraph.graph import END, START, StateGraph

from agents.capacity.state import AgentState

PLAN = "plan"
READ = "read"
RULES = "rules"

RECURSION_LIMIT = 80
"""Visits of nodes in one run. The planner's own step cap (at most 32, two visits each) ends a run long before."""


class Node(Protocol):
    """From the whole state to what changes in it."""

    def __call__(self, state: AgentState) -> Awaitable[dict[str, Any]]:
        """Visit the node once."""
        ...


@dataclass(frozen=True)
class CapacityNodes:
    """The callables behind the nodes: methods of module-level classes, which the plugin can name."""

    plan: Node
    read: Node
    rules: Node


async def next_node(state: AgentState) -> str:
    """Follow the route the last node chose. An edge decides nothing of its own."""
    return state["route"]


def build_graph(
    nodes: CapacityNodes, metadata: Mapping[str, dict[str, Any]]
) -> StateGraph[AgentState, None, AgentState, AgentState]:
    """Return a fresh graph; the plugin changes it, so each worker needs its own. `metadata`: node → where it runs."""
    graph: StateGraph[AgentState, None, AgentState, AgentState] = StateGraph(AgentState)
    graph.add_node(PLAN, nodes.plan, metadata=metadata[PLAN])
    graph.add_node(READ, nodes.read, metadata=metadata[READ])
    graph.add_node(RULES, nodes.rules, metadata=metadata[RULES])
    graph.add_conditional_edges(START, next_node, {"plan": PLAN, "rules": RULES})
    graph.add_conditional_edges(PLAN, next_node, {"read": READ, "rules": RULES, "end": END})
    graph.add_edge(READ, PLAN)
    graph.add_edge(RULES, END)
    return graph
