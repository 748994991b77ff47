package sluice.policies.pool_maximum_test

import data.sluice.policies.pool_maximum as policy

growing_to(environment, nodes) := {
	"environment": environment,
	"change": {"nodes_before": 3, "nodes_after": nodes},
}

test_evaluated if policy.evaluated

test_the_maximum_itself_is_allowed if {
	count(policy.violations) == 0 with input as growing_to("production", 200)
}

test_one_more_is_denied_and_both_numbers_are_told if {
	some violation in policy.violations with input as growing_to("production", 201)
	violation.level == "hard"
	violation.message == "201 nodes are above the maximum of 200 for a pool in production."
}

test_an_environment_without_a_number_of_its_own_has_the_default if {
	count(policy.violations) == 0 with input as growing_to("staging", 50)
	count(policy.violations) == 1 with input as growing_to("staging", 51)
}

test_a_default_alone_holds_for_every_environment if {
	limits := {"default": 50}
	count(policy.violations) == 0 with input as growing_to("production", 50) with data.sluice.limits.pool_maximum as limits
	count(policy.violations) == 1 with input as growing_to("production", 51) with data.sluice.limits.pool_maximum as limits
}

test_a_pool_that_is_above_already_may_shrink if {
	shrinking := {"environment": "production", "change": {"nodes_before": 300, "nodes_after": 250}}
	count(policy.violations) == 0 with input as shrinking
}

test_a_pool_that_is_above_already_may_stay if {
	staying := {"environment": "production", "change": {"nodes_before": 300, "nodes_after": 300}}
	count(policy.violations) == 0 with input as staying
}
