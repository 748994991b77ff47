# METADATA
# title: Fleet maximum
# description: |
#   All registered pools together have at most so many nodes. The total is that of the last look at the fleet; where a
#   pool was not seen within the hour it is unknown, and an operator must look.
# custom:
#   level: hard, soft while the total is unknown
#   reads: limits.fleet_maximum
#   remedy: Ask for fewer nodes, or shrink other pools first.
package sluice.policies.fleet_maximum

evaluated := true

violations contains violation if {
	growing
	nodes_after > maximum
	violation := {
		"rule": "fleet_maximum",
		"level": "hard",
		"message": sprintf("The fleet would have %d nodes; it may have at most %d.", [nodes_after, maximum]),
		"remedy": sprintf("Ask for at least %d nodes fewer, or shrink other pools first.", [nodes_after - maximum]),
	}
}

violations contains violation if {
	growing
	is_number(maximum)
	not known
	violation := {
		"rule": "fleet_maximum",
		"level": "soft",
		"message": sprintf("The fleet may have at most %d nodes, and how many it has is not known now.", [maximum]),
		"remedy": "Wait for the next look at the fleet, or let an operator approve.",
	}
}

growing if input.change.nodes_after > input.observation.total_nodes

nodes_after := (input.fleet.nodes - input.observation.total_nodes) + input.change.nodes_after if known

known if is_number(input.fleet.nodes)

maximum := data.sluice.limits.fleet_maximum.nodes
