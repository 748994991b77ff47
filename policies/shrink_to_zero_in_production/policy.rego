# METADATA
# title: No shrink to zero in production
# description: |
#   Taking the last node of a production pool is a deletion in all but name. An autoscaler that may go down to zero
#   is only advised against: it keeps nodes while there is work for them.
# custom:
#   level: hard, advisory for an autoscaler's lower bound
#   reads: nothing
#   remedy: Keep at least one node.
package sluice.policies.shrink_to_zero_in_production

evaluated := true

violations contains violation if {
	input.production
	input.action.kind == "gke.node_pool.resize"
	input.change.nodes_before > 0
	input.change.nodes_after == 0
	violation := {
		"rule": "shrink_to_zero_in_production",
		"level": "hard",
		"message": sprintf("%s would lose all of its %d nodes in production.", [
			input.action.node_pool,
			input.change.nodes_before,
		]),
		"remedy": "Keep at least one node, or retire the pool outside Sluice with its owner.",
	}
}

violations contains violation if {
	input.production
	input.action.kind == "gke.node_pool.autoscaling"
	input.action.min_node_count == 0
	violation := {
		"rule": "shrink_to_zero_in_production",
		"level": "advisory",
		"message": sprintf("%s could then be scaled to zero nodes in production.", [input.action.node_pool]),
	}
}
