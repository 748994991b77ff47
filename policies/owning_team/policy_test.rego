package sluice.policies.owning_team_test

import data.sluice.policies.owning_team as policy

owned_by(target) := {
	"target": target,
	"action": {"cluster": "serving", "node_pool": "inference"},
}

test_evaluated if policy.evaluated

test_a_target_with_a_team_is_fine if {
	count(policy.violations) == 0 with input as owned_by({"team": "inference"})
}

test_an_unregistered_target_has_no_owner if {
	some violation in policy.violations with input as owned_by(null)
	violation.message == "No team owns serving/inference."
}

test_a_blank_team_is_none if {
	count(policy.violations) == 1 with input as owned_by({"team": "  "})
}
