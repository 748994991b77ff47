package sluice.policies.region_test

import data.sluice.policies.region as policy

test_evaluated if policy.evaluated

growing_in(region, after) := {
	"environment": "production",
	"region": region,
	"change": {"nodes_before": 6, "nodes_after": after},
}

limits := {"environments": {"production": ["europe-west1", "europe-west4"], "closed": []}}

test_an_allowed_region_is_fine if {
	count(policy.violations) == 0 with input as growing_in("europe-west4", 7) with data.sluice.limits.region as limits
}

test_another_region_is_denied_and_the_allowed_are_told if {
	some violation in policy.violations with input as growing_in("us-central1", 7) with data.sluice.limits.region as limits
	violation.level == "hard"
	violation.message == "us-central1 is not a region for production; allowed: europe-west1, europe-west4."
}

test_an_empty_list_allows_no_region if {
	closed := object.union(growing_in("europe-west4", 7), {"environment": "closed"})
	count(policy.violations) == 1 with input as closed with data.sluice.limits.region as limits
}

test_a_pool_elsewhere_may_shrink if {
	count(policy.violations) == 0 with input as growing_in("us-central1", 5) with data.sluice.limits.region as limits
}

test_an_environment_without_a_list_is_not_judged if {
	elsewhere := object.union(growing_in("us-central1", 7), {"environment": "development"})
	count(policy.violations) == 0 with input as elsewhere with data.sluice.limits.region as limits
}

test_the_same_size_is_fine if {
	same := json.patch(growing_in("us-central1", 7), [{"op": "replace", "path": "/change/nodes_after", "value": 6}])
	count(policy.violations) == 0 with input as same with data.sluice.limits.region as limits
}
