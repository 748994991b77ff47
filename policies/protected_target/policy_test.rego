package sluice.policies.protected_target_test

import data.sluice.policies.protected_target as policy

test_evaluated if policy.evaluated

on(target) := {"action": {"cluster": "serving", "node_pool": "inference"}, "target": target}

test_an_open_target_is_fine if {
	count(policy.violations) == 0 with input as on({"protected": false})
}

test_a_protected_target_is_denied if {
	some violation in policy.violations with input as on({"protected": true})
	violation.level == "hard"
	violation.message == "serving/inference is protected: nothing is changed there."
}

test_a_target_that_does_not_say_is_protected if {
	count(policy.violations) == 1 with input as on({})
}

test_an_unregistered_target_is_for_other_policies if {
	count(policy.violations) == 0 with input as on(null)
}
