# METADATA
# title: No shrink against a disruption budget
# description: |
#   While a PodDisruptionBudget allows no eviction of pods on the pool, shrinking it would wait for them or break them.
#   Where the budgets are unknown, environments listed in `needed_in` ask an operator.
# custom:
#   level: soft
#   reads: limits.disruption_budget.needed_in
#   remedy: Wait until the budgets allow evictions, or let an operator approve.
package sluice.policies.disruption_budget

evaluated := true

violations contains violation if {
	shrinking
	count(input.load.blocked_budgets) > 0
	violation := {
		"rule": "disruption_budget",
		"level": "soft",
		"message": sprintf("No pod of these disruption budgets may be evicted from %s now: %s.", [
			input.action.node_pool,
			concat(", ", [sprintf("%s (%d pods)", [budget.name, budget.pods]) | some budget in input.load.blocked_budgets]),
		]),
		"remedy": "Wait until the budgets allow an eviction, or let an operator approve.",
	}
}

violations contains violation if {
	shrinking
	input.environment in data.sluice.limits.disruption_budget.needed_in
	not known
	violation := {
		"rule": "disruption_budget",
		"level": "soft",
		"message": sprintf("The disruption budgets on %s are not known.", [input.action.node_pool]),
		"remedy": "Configure the Kubernetes API of the cluster for the worker, or let an operator approve.",
	}
}

known if is_array(input.load.blocked_budgets)

shrinking if input.change.nodes_after < input.observation.total_nodes
