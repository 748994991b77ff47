# METADATA
# title: An agent does not widen its own limits
# description: |
#   An autoscaler's upper bound is a limit within which machines act alone. Where an agent is among the authors, raising
#   it (or switching an autoscaler on) needs a person, and raising it above what the target registers is denied.
# custom:
#   level: soft (an approver), hard above what the target registers
#   reads: targets[].max_nodes_per_zone
#   remedy: Let a person approve, or propose the bounds as a person.
package sluice.policies.agent_limits

evaluated := true

violations contains violation if {
	by_agent
	raised
	not above_registered
	violation := {
		"rule": "agent_limits",
		"level": "soft",
		"message": sprintf("An agent would raise its own room: up to %d nodes per zone, before %s.", [
			input.action.max_node_count,
			bound_told,
		]),
		"remedy": "Let a person approve, or keep the upper bound.",
		"roles": ["approver"],
	}
}

violations contains violation if {
	by_agent
	raised
	above_registered
	violation := {
		"rule": "agent_limits",
		"level": "hard",
		"message": sprintf("An agent would raise its own room to %d nodes per zone, above what the target registers.", [input.action.max_node_count]),
		"remedy": "Whoever owns the configuration can raise max_nodes_per_zone of the target.",
	}
}

by_agent if {
	some author in input.proposal.authors
	author.kind == "agent"
}

raised if {
	input.action.kind == "gke.node_pool.autoscaling"
	not kept
}

# Bounds of the whole pool say nothing about a zone, so they count as raised.
kept if {
	input.observation.autoscaling.total_max_node_count == 0
	input.action.max_node_count <= input.observation.autoscaling.max_node_count
}

above_registered if not within_registered

within_registered if input.action.max_node_count <= input.target.max_nodes_per_zone

default bound_told := "no upper bound for a zone"

bound_told := sprintf("%d", [input.observation.autoscaling.max_node_count]) if {
	input.observation.autoscaling.max_node_count > 0
}
