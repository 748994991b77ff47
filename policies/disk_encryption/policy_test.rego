package sluice.policies.disk_encryption_test

import data.sluice.policies.disk_encryption as policy

test_evaluated if policy.evaluated

growing(boot_disk, after) := {
	"environment": "production",
	"action": {"node_pool": "inference"},
	"observation": {"boot_disk": boot_disk},
	"change": {"nodes_before": 6, "nodes_after": after},
}

key(name) := {"kms_key": name}

limits := {"environments": ["production"], "key_prefixes": ["projects/acme-keys/"]}

ours := "projects/acme-keys/locations/europe-west4/keyRings/gke/cryptoKeys/nodes"

test_a_key_of_ours_is_fine if {
	count(policy.violations) == 0 with input as growing(key(ours), 7) with data.sluice.limits.disk_encryption as limits
}

test_no_key_is_denied if {
	some violation in policy.violations with input as growing(key(""), 7) with data.sluice.limits.disk_encryption as limits
	violation.message == "Boot disks in production need a key of ours; those of inference have none."
}

test_a_foreign_key_is_denied_and_named if {
	some violation in policy.violations with input as growing(key("projects/other/k"), 7)
		with data.sluice.limits.disk_encryption as limits
	violation.message == "Boot disks in production need a key of ours; those of inference have projects/other/k."
}

test_an_unread_disk_is_denied if {
	count(policy.violations) == 1 with input as growing(null, 7) with data.sluice.limits.disk_encryption as limits
}

test_a_blank_prefix_allows_no_key if {
	blank := object.union(limits, {"key_prefixes": [""]})
	count(policy.violations) == 1 with input as growing(key(ours), 7) with data.sluice.limits.disk_encryption as blank
}

test_shrinking_is_fine if {
	count(policy.violations) == 0 with input as growing(key(""), 5) with data.sluice.limits.disk_encryption as limits
}

test_other_environments_are_not_judged if {
	elsewhere := object.union(growing(key(""), 7), {"environment": "development"})
	count(policy.violations) == 0 with input as elsewhere with data.sluice.limits.disk_encryption as limits
}

test_the_same_size_is_fine if {
	same := json.patch(growing(key(""), 7), [{"op": "replace", "path": "/change/nodes_after", "value": 6}])
	count(policy.violations) == 0 with input as same with data.sluice.limits.disk_encryption as limits
}

test_nobody_can_lift_it if {
	some violation in policy.violations with input as growing(key(""), 7) with data.sluice.limits.disk_encryption as limits
	violation.level == "hard"
}
