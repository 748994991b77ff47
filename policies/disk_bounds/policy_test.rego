package sluice.policies.disk_bounds_test

import data.sluice.policies.disk_bounds as policy

test_evaluated if policy.evaluated

growing(boot_disk, after) := {
	"observation": {"boot_disk": boot_disk},
	"change": {"nodes_before": 6, "nodes_after": after},
}

disk(type, size) := {"type": type, "size_gb": size}

limits := {"types": ["pd-balanced", "pd-ssd"], "min_gb": 50, "max_gb": 200}

test_both_bounds_are_allowed if {
	count(policy.violations) == 0 with input as growing(disk("pd-ssd", 50), 7) with data.sluice.limits.disk_bounds as limits
	count(policy.violations) == 0 with input as growing(disk("pd-ssd", 200), 7) with data.sluice.limits.disk_bounds as limits
}

test_another_type_is_denied if {
	some violation in policy.violations with input as growing(disk("pd-standard", 100), 7)
		with data.sluice.limits.disk_bounds as limits
	violation.message == "Boot disks are pd-standard; allowed: pd-balanced, pd-ssd."
}

test_sizes_beyond_the_bounds_are_denied if {
	some violation in policy.violations with input as growing(disk("pd-ssd", 201), 7)
		with data.sluice.limits.disk_bounds as limits
	violation.message == "Boot disks have 201 GB; allowed: 50 to 200 GB."
	count(policy.violations) == 1 with input as growing(disk("pd-ssd", 49), 7) with data.sluice.limits.disk_bounds as limits
}

test_an_unknown_disk_is_denied_twice if {
	found := policy.violations with input as growing(null, 7) with data.sluice.limits.disk_bounds as limits
	{violation.message | some violation in found} == {
		"Boot disks are of an unknown type; allowed: pd-balanced, pd-ssd.",
		"Boot disks have an unknown number of GB; allowed: 50 to 200 GB.",
	}
}

test_shrinking_is_fine if {
	count(policy.violations) == 0 with input as growing(null, 5) with data.sluice.limits.disk_bounds as limits
}

test_without_bounds_it_says_nothing if {
	count(policy.violations) == 0 with input as growing(null, 7)
}

test_the_same_size_is_fine if {
	same := json.patch(growing(null, 7), [{"op": "replace", "path": "/change/nodes_after", "value": 6}])
	count(policy.violations) == 0 with input as same with data.sluice.limits.disk_bounds as limits
}

test_nobody_can_lift_either if {
	every disks in [disk("pd-standard", 100), disk("pd-ssd", 500)] {
		found := policy.violations with input as growing(disks, 7) with data.sluice.limits.disk_bounds as limits
		[violation.level | some violation in found] == ["hard"]
	}
}

test_a_size_of_zero_is_unknown if {
	some violation in policy.violations with input as growing(disk("pd-ssd", 0), 7) with data.sluice.limits.disk_bounds as limits
	startswith(violation.message, "Boot disks have an unknown number of GB;")
}
