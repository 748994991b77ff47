# METADATA
# title: No shrink below the present load
# description: |
#   A pool keeps as many nodes as the CPU and memory that its pods request need at the least. The load comes from the
#   Kubernetes API. Where it is unknown, environments listed in `needed_in` deny; elsewhere the policy says nothing.
# custom:
#   level: hard
#   reads: limits.shrink_below_load.needed_in
#   remedy: Keep the nodes that the load needs, or move the load first.
package sluice.policies.shrink_below_load

evaluated := true

violations contains violation if {
	shrinking
	input.change.nodes_after < input.load.least_nodes
	violation := {
		"rule": "shrink_below_load",
		"level": "hard",
		"message": sprintf("%d nodes cannot carry what runs on %s: its pods request what %d nodes have.", [
			input.change.nodes_after,
			input.action.node_pool,
			input.load.least_nodes,
		]),
		"remedy": sprintf("Keep at least %d nodes, or move the load first.", [input.load.least_nodes]),
	}
}

violations contains violation if {
	shrinking
	input.environment in data.sluice.limits.shrink_below_load.needed_in
	not known
	violation := {
		"rule": "shrink_below_load",
		"level": "hard",
		"message": sprintf("What runs on %s is not known, and %s shrinks only when it is.", [
			input.action.node_pool,
			input.environment,
		]),
		"remedy": "Configure the Kubernetes API of the cluster for the worker (SLUICE_KUBERNETES__KUBECONFIG).",
	}
}

known if is_number(input.load.least_nodes)

shrinking if input.change.nodes_after < input.observation.total_nodes
