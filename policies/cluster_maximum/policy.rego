# METADATA
# title: Cluster maximum by environment
# description: |
#   No pool grows so far that its cluster would have more nodes than its environment allows. Of an autoscaled pool the
#   new upper bound counts.
# custom:
#   level: hard
#   reads: limits.cluster_maximum
#   remedy: Ask for fewer nodes, or shrink another pool of the cluster first.
package sluice.policies.cluster_maximum

evaluated := true

violations contains violation if {
	input.change.nodes_after > input.observation.total_nodes
	nodes_after > maximum
	violation := {
		"rule": "cluster_maximum",
		"level": "hard",
		"message": sprintf("The cluster %s would have %d nodes; clusters in %s have at most %d.", [
			input.action.cluster,
			nodes_after,
			input.environment,
			maximum,
		]),
		"remedy": sprintf("Ask for at least %d nodes fewer, or shrink another pool of the cluster first.", [nodes_after - maximum]),
	}
}

# The provider counts running nodes: a pool that is still growing may have been asked for more than the cluster shows.
nodes_after := (max([input.observation.cluster_nodes, input.observation.total_nodes]) - input.observation.total_nodes) + input.change.nodes_after

maximum := object.get(limits, ["environments", input.environment], limits["default"])

limits := data.sluice.limits.cluster_maximum
