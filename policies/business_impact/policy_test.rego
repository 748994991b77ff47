package sluice.policies.business_impact_test

import data.sluice.policies.business_impact as policy

test_evaluated if policy.evaluated

shrinking(revenue, customers, after) := {
	"environment": "production",
	"target": {"revenue_share": revenue, "customer_share": customers},
	"observation": {"total_nodes": 10},
	"change": {"nodes_before": 10, "nodes_after": after},
}

limits := {"above": 0.05, "groups": ["board"], "quorum": 2, "needed_in": []}

test_the_threshold_itself_is_fine if {
	count(policy.violations) == 0 with input as shrinking(0.5, 0, 9) with data.sluice.limits.business_impact as limits
}

test_above_it_the_board_must_approve if {
	some violation in policy.violations with input as shrinking(0.4, 0, 8) with data.sluice.limits.business_impact as limits
	violation.level == "soft"
	violation.groups == ["board"]
	violation.quorum == 2
	violation.message == "20 % of the pool goes, which carries 40 % of the revenue: an impact of 8 %, above 5 %."
}

test_customers_count_like_revenue if {
	some violation in policy.violations with input as shrinking(null, 0.4, 8) with data.sluice.limits.business_impact as limits
	contains(violation.message, "40 % of the customers")
}

test_room_that_an_autoscaler_loses_counts if {
	bounded := object.union(shrinking(0.4, null, 10), {"change": {"nodes_before": 40}})
	count(policy.violations) == 1 with input as bounded with data.sluice.limits.business_impact as limits
}

test_growing_has_no_impact if {
	count(policy.violations) == 0 with input as shrinking(1, 1, 11) with data.sluice.limits.business_impact as limits
}

test_an_empty_pool_has_no_impact if {
	empty := object.union(shrinking(1, 1, 0), {"observation": {"total_nodes": 0}, "change": {"nodes_before": 0}})
	count(policy.violations) == 0 with input as empty with data.sluice.limits.business_impact as limits
}

test_undeclared_shares_are_not_judged_by_default if {
	count(policy.violations) == 0 with input as shrinking(null, null, 1) with data.sluice.limits.business_impact as limits
}

test_undeclared_shares_count_as_everything_where_they_are_needed if {
	strict := object.union(limits, {"needed_in": ["production"]})
	count(policy.violations) == 2 with input as shrinking(null, null, 9) with data.sluice.limits.business_impact as strict
}

test_a_declared_share_counts_where_shares_are_needed_too if {
	strict := object.union(limits, {"needed_in": ["production"]})
	count(policy.violations) == 0 with input as shrinking(0.1, 0.1, 9) with data.sluice.limits.business_impact as strict
}
