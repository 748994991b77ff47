package sluice_test

import data.sluice

change := {
	"production": true,
	"environment": "production",
	"action": {
		"kind": "gke.node_pool.resize",
		"cluster": "serving",
		"node_pool": "inference",
		"node_count": 4,
	},
	"target": {"team": "inference"},
	"observation": {"machine_type": "g2-standard-8", "accelerators": [{"type": "nvidia-l4", "count": 1}]},
	"change": {"nodes_before": 6, "nodes_after": 12},
}

test_nothing_is_violated_and_every_rule_is_counted if {
	answer := sluice.verdict with input as change
	answer.violations == set()
	answer.rules_evaluated == 4
}

test_violations_of_several_policies_come_together if {
	answer := sluice.verdict with input as object.union(change, {
		"target": {"team": ""},
		"change": {"nodes_before": 6, "nodes_after": 201},
	})
	{violation.rule | some violation in answer.violations} == {"owning_team", "pool_maximum"}
}

test_without_a_bundle_the_revision_says_so if {
	sluice.verdict.revision == "unversioned" with input as change
}

test_the_revision_is_that_of_the_bundle if {
	sluice.verdict.revision == "sha256:1" with input as change with data.sluice.bundle as {"revision": "sha256:1"}
}

test_an_input_without_observation_is_still_judged if {
	answer := sluice.verdict with input as object.union(change, {"observation": null, "change": null})
	answer.rules_evaluated == 4
}
