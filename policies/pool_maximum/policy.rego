# METADATA
# title: Pool maximum by environment
# description: No node pool grows above the number of nodes, over all zones, that its environment allows.
# custom:
#   level: hard
#   reads: limits.pool_maximum.environments, .default
#   remedy: Ask for fewer nodes.
package sluice.policies.pool_maximum

evaluated := true

violations contains violation if {
	input.change.nodes_after > input.change.nodes_before
	input.change.nodes_after > maximum
	violation := {
		"rule": "pool_maximum",
		"level": "hard",
		"message": sprintf("%d nodes are above the maximum of %d for a pool in %s.", [
			input.change.nodes_after,
			maximum,
			input.environment,
		]),
		"remedy": sprintf("Ask for at most %d nodes over all zones.", [maximum]),
	}
}

maximum := object.get(limits, ["environments", input.environment], limits["default"])

limits := data.sluice.limits.pool_maximum
