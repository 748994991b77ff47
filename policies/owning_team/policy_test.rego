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

test_an_owner_is_needed_where_it_is_said if {
	ownerless := object.union(owned_by({"team": "inference", "owner": null}), {"environment": "production"})
	count(policy.violations) == 0 with input as ownerless
	some violation in policy.violations with input as ownerless
		with data.sluice.limits.owning_team as {"owner_needed_in": ["production"]}
	violation.message == "serving/inference has no owner, and production needs one."
}

test_a_blank_owner_is_none if {
	blank := object.union(owned_by({"team": "inference", "owner": " "}), {"environment": "production"})
	count(policy.violations) == 1 with input as blank with data.sluice.limits.owning_team as {"owner_needed_in": ["production"]}
}

test_a_named_owner_is_fine if {
	named := object.union(owned_by({"team": "inference", "owner": "ana"}), {"environment": "production"})
	count(policy.violations) == 0 with input as named with data.sluice.limits.owning_team as {"owner_needed_in": ["production"]}
}

test_nobody_can_lift_either if {
	every target in [null, {"team": "inference", "owner": null}] {
		ownerless := object.union(owned_by(target), {"environment": "production"})
		found := policy.violations with input as ownerless
			with data.sluice.limits.owning_team as {"owner_needed_in": ["production"]}
		[violation.level | some violation in found] == ["hard"]
	}
}
