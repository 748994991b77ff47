package sluice.policies.disruption_budget_test

import data.sluice.policies.disruption_budget as policy

test_evaluated if policy.evaluated

shrinking_to(after, load) := {
	"environment": "production",
	"action": {"node_pool": "inference"},
	"observation": {"total_nodes": 6},
	"change": {"nodes_before": 6, "nodes_after": after},
	"load": load,
}

limits := {"needed_in": ["production"]}

blocked := {"blocked_budgets": [{"name": "search/front", "pods": 3}]}

test_without_blocked_budgets_it_is_fine if {
	count(policy.violations) == 0 with input as shrinking_to(5, {"blocked_budgets": []})
		with data.sluice.limits.disruption_budget as limits
}

test_a_blocked_budget_needs_an_operator_and_is_named if {
	some violation in policy.violations with input as shrinking_to(5, blocked)
	violation.level == "soft"
	violation.message == "No pod of these disruption budgets may be evicted from inference now: search/front (3 pods)."
}

test_growing_evicts_nobody if {
	count(policy.violations) == 0 with input as shrinking_to(6, blocked)
	count(policy.violations) == 0 with input as shrinking_to(7, null) with data.sluice.limits.disruption_budget as limits
}

test_unknown_budgets_need_an_operator_where_they_are_needed if {
	some violation in policy.violations with input as shrinking_to(5, null) with data.sluice.limits.disruption_budget as limits
	violation.level == "soft"
}

test_unknown_budgets_are_not_judged_elsewhere if {
	count(policy.violations) == 0 with input as shrinking_to(5, null)
}
