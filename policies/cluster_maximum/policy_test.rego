package sluice.policies.cluster_maximum_test

import data.sluice.policies.cluster_maximum as policy

test_evaluated if policy.evaluated

growing_to(environment, after) := {
	"environment": environment,
	"action": {"cluster": "serving"},
	"observation": {"total_nodes": 6, "cluster_nodes": 20},
	"change": {"nodes_before": 6, "nodes_after": after},
}

limits := {"default": 30, "environments": {"production": 40}}

test_the_maximum_itself_is_allowed if {
	count(policy.violations) == 0 with input as growing_to("production", 26) with data.sluice.limits.cluster_maximum as limits
}

test_one_more_is_denied_with_both_numbers if {
	some violation in policy.violations with input as growing_to("production", 27)
		with data.sluice.limits.cluster_maximum as limits
	violation.message == "The cluster serving would have 41 nodes; clusters in production have at most 40."
	violation.remedy == "Ask for at least 1 nodes fewer, or shrink another pool of the cluster first."
}

test_an_environment_without_a_number_has_the_default if {
	count(policy.violations) == 0 with input as growing_to("staging", 16) with data.sluice.limits.cluster_maximum as limits
	count(policy.violations) == 1 with input as growing_to("staging", 17) with data.sluice.limits.cluster_maximum as limits
}

test_a_default_alone_holds_for_every_environment if {
	alone := {"default": 30}
	count(policy.violations) == 0 with input as growing_to("staging", 16) with data.sluice.limits.cluster_maximum as alone
	count(policy.violations) == 1 with input as growing_to("staging", 17) with data.sluice.limits.cluster_maximum as alone
}

test_a_cluster_above_it_may_shrink if {
	smaller := object.union(growing_to("production", 5), {"observation": {"cluster_nodes": 100}})
	count(policy.violations) == 0 with input as smaller with data.sluice.limits.cluster_maximum as limits
}

test_nodes_that_still_start_count if {
	starting := object.union(growing_to("production", 41), {"observation": {"cluster_nodes": 2}})
	count(policy.violations) == 1 with input as starting with data.sluice.limits.cluster_maximum as limits
}

test_the_same_size_is_fine if {
	crowded := object.union(growing_to("production", 6), {"observation": {"cluster_nodes": 100}})
	count(policy.violations) == 0 with input as crowded with data.sluice.limits.cluster_maximum as limits
}

test_nobody_can_lift_it if {
	some violation in policy.violations with input as growing_to("production", 27)
		with data.sluice.limits.cluster_maximum as limits
	violation.level == "hard"
}
